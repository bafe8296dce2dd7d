"""The runtime of a device with systemd: installed once, and for each test as it was just after that.

``SystemdRuntime`` means the same by each of its methods as the runtime in a private root does, so that a test need not
know on which host it runs. There is one such runtime a machine: what asks for a second one gets an error.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ggl.host.process.launch import StopResult
from ggl.paths import SYSTEM
from tests.integration import conftest
from tests.integration.conftest import Runtime, alive

TARGET, CORE = "greengrass-lite.target", "ggl.core.runtime.service"
RUNTIME_UNITS = Path("/run/systemd/system")
SAVED_SETTINGS = Path("/run/ggl-settings-as-installed")
LEVELS = ("FATAL", "FATAL", "FATAL", "ERROR", "WARN", "INFO", "INFO", "DEBUG")
"""By journal priority, in the words of log files."""
OF_GGL = re.compile(r"/(ggl\.[^/]*\.service)(?:/|$)", re.MULTILINE)
HOST = "ggl.core.hostd"
PARTS = ("", ".install", ".bootstrap", ".uninstall")

T = TypeVar("T")


def wait_until(read: Callable[[], T], accept: Callable[[T], Any] = bool, seconds: float = 120.0) -> T:
    """That of the integration tests, with more patience: several sandboxes share the machine."""
    return conftest.wait_until(read, accept, seconds)


def systemctl(*words: str, check: bool = True) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"systemctl {' '.join(words)}: {done.stderr}"
    return done.stdout


def units_in(*states: str) -> list[str]:
    """The loaded units of the runtime that are in one of ``states``."""
    listed = systemctl("list-units", "--all", "--plain", "--no-legend", f"--state={','.join(states)}", "ggl.*")
    return [line.split()[0] for line in listed.splitlines()]


def processes() -> Iterator[tuple[int, str]]:
    """Process id and unit of every process in the cgroups of the runtime's units; dead ones are still there until PID 1
    has taken note of them, and do not count."""
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            found = OF_GGL.search(path.read_text())
        except OSError:
            continue
        if found and alive(int(path.parent.name)):
            yield int(path.parent.name), found[1]


class SystemdRuntime(Runtime):
    def __init__(self) -> None:
        super().__init__(SYSTEM)
        self._since = time.time()

    def up(self) -> int:
        systemctl("start", TARGET)
        pid: int = self.call("gg_host", "info")["pid"]
        return pid

    def down(self) -> StopResult:
        systemctl("stop", TARGET, CORE)
        wait_until(lambda: units_in("active", "activating", "deactivating", "reloading"), lambda left: not left)
        return StopResult(True, [])

    def processes(self) -> list[int]:
        return [pid for pid, _ in processes()]

    def log(self, name: str) -> str:
        """What ``name`` has said since this test began, a line a record as in a log file."""
        units = [f"{name}.service"] if name.startswith("ggl.core.") else [f"ggl.{name}{part}.service" for part in PARTS]
        records = _records(self._since, *(f"_SYSTEMD_UNIT={unit}" for unit in units))
        return "".join(line for source, line in records if source != HOST)

    def whole_log(self, name: str) -> str:
        return self.log(name)

    def host_log(self) -> str:
        # The steps of a component's unit speak for the host, too.
        places = "_SYSTEMD_UNIT=ggl.core.hostd.service", "+", f"SYSLOG_IDENTIFIER={HOST}", "+", "_PID=1"
        return "".join(line for _, line in _records(self._since, *places))


def _records(since: float, *matches: str) -> Iterator[tuple[str, str]]:
    """Who speaks, and what, as a line of a log file."""
    subprocess.run(["journalctl", "--sync"], check=False)
    words = ["journalctl", "--quiet", "--output=json", f"--since=@{since:.6f}", *matches]
    for line in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines():
        record = json.loads(line)
        text = record.get("MESSAGE") or ""
        if isinstance(text, list):
            text = bytes(text).decode(errors="replace")
        when = datetime.fromtimestamp(int(record["__REALTIME_TIMESTAMP"]) / 1e6).astimezone()
        level = LEVELS[int(record.get("PRIORITY", 6))]
        yield record.get("SYSLOG_IDENTIFIER", ""), f"{when.isoformat(timespec='milliseconds')} {level} {text}\n"


@functools.cache
def _install() -> None:
    """Once a session: as a user installs it, but without a state yet."""
    done = subprocess.run(["ggl", "install"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    _clear()
    shutil.rmtree(SAVED_SETTINGS, ignore_errors=True)
    shutil.copytree(SYSTEM.config, SAVED_SETTINGS)


def _clear() -> None:
    """Stop everything and forget whatever came after the installation."""
    systemctl("stop", TARGET, CORE, check=False)
    systemctl("stop", "ggl.*.service", "ggl.*.socket", "ggl.*.path", "ggl.*.timer", check=False)
    for pid in [pid for pid, _ in processes()]:
        subprocess.run(["kill", "-9", str(pid)], check=False)
    for path in RUNTIME_UNITS.glob("ggl.*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for directory in (SYSTEM.state, SYSTEM.run):
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if SAVED_SETTINGS.exists():
        for path in SYSTEM.config.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(SAVED_SETTINGS, SYSTEM.config, dirs_exist_ok=True)
    systemctl("daemon-reload")
    systemctl("reset-failed")
    prefixes = [f"--prefix={directory}" for directory in (SYSTEM.state, SYSTEM.run, SYSTEM.config)]
    subprocess.run(["systemd-tmpfiles", "--create", *prefixes], check=True)


_taken = False


@contextmanager
def on_this_device() -> Iterator[SystemdRuntime]:
    """The runtime of this machine, up and without components. Afterwards it is stopped, and nothing may be left."""
    global _taken
    assert not _taken, "there is one runtime a device, and this test module has it already"
    _taken = True
    try:
        _install()
        runtime = SystemdRuntime()
        runtime.up()
        try:
            yield runtime
            runtime.down()
            assert list(processes()) == []
        finally:
            _clear()
    finally:
        _taken = False
