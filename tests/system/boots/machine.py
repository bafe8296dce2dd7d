"""A machine that is booted several times: what lasts of it is in a directory, and each boot is a sandbox of its own.

The runtime is installed in a first sandbox; what that left behind (units, users, settings, state) is laid over the root
of the following ones before their systemd starts, so that they boot as a device does on which it was installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.system.run import WHILE_IT_BOOTS

CHECKOUT = Path(__file__).resolve().parents[3]
SANDBOX = CHECKOUT / "tests/system/sandbox.sh"
PYTHON = CHECKOUT / ".venv/bin/python"
LASTING = {
    "units": "/usr/local/lib/systemd/system",
    "tmpfiles": "/usr/local/lib/tmpfiles.d",
    "settings": "/etc/greengrass",
    "state": "/var/lib/greengrass",
    "program": "/opt/ggl",
    "passwd": "/etc/passwd",
    "group": "/etc/group",
}
"""By name in the machine's directory, where it is while the machine runs."""
ENDED_BY_THE_MACHINE = 125
"""Exit status of a sandbox that was shut down from inside."""
INSTALL = """
ggl install
systemctl stop greengrass-lite.target ggl.core.runtime.service
cp -a /etc/passwd /etc/group {0}/
cp -a /etc/greengrass {0}/settings; cp -a /var/lib/greengrass {0}/state; cp -a /opt/ggl {0}/program
mkdir {0}/units {0}/tmpfiles
cp /etc/tmpfiles.d/ggl* {0}/tmpfiles/
cd /etc/systemd/system
cp -a $(find . -maxdepth 1 -name '*ggl*' -o -maxdepth 1 -name 'greengrass*') {0}/units/
mkdir -p {0}/units/multi-user.target.wants
ln -s ../greengrass-lite.target {0}/units/multi-user.target.wants/
"""


class Machine:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.boots = 0
        done = subprocess.run(
            [SANDBOX, *WHILE_IT_BOOTS, "--bind", directory, "--", "sh", "-e", "-c", INSTALL.format(directory)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def boot(self, function: str, *arguments: Any) -> Any:
        """Boot it, see what ``function`` of ``inside`` finds, and shut it down in order."""
        with self._booted(function, *arguments) as process:
            out, err = process.communicate(timeout=1200)
        assert process.returncode == ENDED_BY_THE_MACHINE, out + err
        return json.loads(out.splitlines()[-1])

    def boot_and_cut(self, function: str, *arguments: Any) -> None:
        """Boot it, and cut its power when ``function`` has come to its end."""
        with self._booted(function, *arguments, "cut") as process:
            assert process.stdout
            line = process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)  # nspawn, and with it PID 1, is killed then
            out, err = process.communicate(timeout=300)
        assert line == "now\n", line + out + err

    def boot_until_it_ends_itself(self, function: str, *arguments: Any) -> None:
        with self._booted(function, *arguments) as process:
            out, err = process.communicate(timeout=1200)
        assert process.returncode == ENDED_BY_THE_MACHINE, out + err  # the command did not come to its end

    @contextmanager
    def _booted(self, function: str, *arguments: Any) -> Iterator[subprocess.Popen[str]]:
        self.boots += 1
        mounts = [f"--nspawn-arg=--bind={self.directory / name}:{place}" for name, place in LASTING.items()]
        journal = ["--save-journal", str(self.directory / f"journal-{self.boots}")]
        command = [PYTHON, "-m", "tests.system.boots.inside", function, *map(json.dumps, arguments)]
        process = subprocess.Popen(
            [SANDBOX, *WHILE_IT_BOOTS, *mounts, *journal, "--", *command],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(300)

    def touch(self, file: str) -> None:
        """In the runtime's state, while the machine is off. (A boot is not over before what waits for it is up.)"""
        (self.directory / "state" / file).touch()

    def gid(self, group: str) -> int:
        """The id of a group of the machine's."""
        entries = (line.split(":") for line in (self.directory / "group").read_text().splitlines())
        return next(int(entry[2]) for entry in entries if entry[0] == group)

    def remove(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
