"""What the runtime does where the device lacks something: room for logs, a root that can be written to."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Runtime
from tests.integration.device import Device
from tests.system.runtime import systemctl, units_in, wait_until

CHATTY = "n=0; while :; do n=$((n+1)); echo line $n of a component that talks; echo $n > count; sleep 0.01; done"

LINE = re.compile(r"line (\d+) of")


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def count(device: Device) -> int:
    return int(device.work("App", "count").strip() or 0)


@pytest.fixture
def full_journal(runtime: Runtime) -> Iterator[Path]:
    """The journal's disk is small; yields a file that takes up what is left of it."""
    limits = Path("/run/systemd/journald.conf.d/full.conf")
    limits.parent.mkdir(exist_ok=True)
    limits.write_text("[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\nRuntimeKeepFree=0\nRateLimitBurst=0\n")
    run("mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", "/run/log/journal")
    systemctl("restart", "systemd-journald")
    yield Path("/run/log/journal/filler")
    Path("/run/log/journal/filler").unlink(missing_ok=True)
    limits.unlink()
    run("umount", "--lazy", "/run/log/journal")
    systemctl("restart", "systemd-journald")


def test_a_full_journal_disk_holds_up_nobody(full_journal: Path, device: Device) -> None:
    device.recipe("App", f"{{run: '{CHATTY}'}}")
    device.succeed({"App": "1.0.0"})
    pid = device.pid("App")
    with full_journal.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(65536))
        except OSError:
            pass
    before = wait_until(lambda: count(device))
    wait_until(lambda: count(device), lambda now: now > before + 500, seconds=600)
    # Everything else works as well: a deployment, with a component that writes much, and all that goes with it.
    device.recipe("Flood", "{run: 'head -c 20000000 /dev/zero | tr \"\\\\0\" x | fold; touch done; exec sleep 1000'}")
    device.succeed({"Flood": "1.0.0"})
    wait_until(lambda: (device.runtime.root.work / "Flood" / "done").exists(), seconds=600)
    done = subprocess.run(["ggl", "status", "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert device.pid("App") == pid
    assert units_in("failed") == []
    # With room again, there are logs again.
    full_journal.unlink()
    mark = count(device) + 100
    wait_until(lambda: any(int(number) >= mark for number in LINE.findall(device.runtime.log("App"))), seconds=600)
    assert device.pid("App") == pid


@pytest.fixture
def read_only_root(runtime: Runtime) -> Iterator[None]:
    """All but /var, /run and /tmp is read-only, as on a device that updates its system as a whole."""
    runtime.down()
    if not Path("/var").is_mount():
        run("mount", "--bind", "/var", "/var")
        systemctl("restart", "systemd-journald")  # it writes to a file below the old one
    run("mount", "-o", "remount,bind,ro", "/")
    with pytest.raises(OSError, match="Read-only"):
        Path("/etc/probe").touch()
    runtime.up()
    yield
    run("mount", "-o", "remount,bind,rw", "/")


@pytest.mark.usefixtures("read_only_root")
def test_a_read_only_root_is_no_matter(device: Device, tmp_path: Path) -> None:
    device.recipe(
        "App",
        "{install: 'echo install >> log', bootstrap: 'echo bootstrap >> log', run: 'echo run >> log; exec sleep 1000'}",
        artifacts=("file",),
    )
    device.artifact("App", "file", "content")
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: device.work("App", "log").split(), lambda log: log == ["bootstrap", "install", "run"])
    device.set_config({"b": 2}, "App", "configuration")
    device.recipe("App", "{startup: 'exit 1'}", "2.0.0")
    outcome = device.deploy({"App": "2.0.0"}, failure_handling_policy="ROLLBACK")
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert device.state("App") == "RUNNING"
    device.runtime.down()
    device.runtime.up()
    wait_until(lambda: device.state("App") == "RUNNING")
    assert device.config("App", "configuration") == {"b": 2}
    done = subprocess.run(["ggl", "logs", "App"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert units_in("failed") == []
