"""``ggl up --foreground``: fit for the terminal and for PID 1 of a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.host.unit import Command
from ggl.paths import find_root
from tests.integration.conftest import Runtime, children, state_of, wait_until
from tests.integration.test_components import GGL
from tests.integration.units import component, deploy


def can_unshare() -> bool:
    return shutil.which("unshare") is not None and (
        subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode == 0
    )


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        yield Path(directory)


def lines_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("prefix", [[], ["unshare", "--pid", "--fork", "--mount-proc"]], ids=["terminal", "PID 1"])
def test_it_shows_all_logs_reaps_orphans_and_stops_in_order_on_sigterm(directory: Path, prefix: list[str]) -> None:
    if prefix and not can_unshare():
        pytest.skip("needs the right to make a PID namespace")
    runtime = Runtime(find_root(str(directory / "root")))
    output = directory / "output"
    with open(output, "w") as file:
        process = subprocess.Popen(
            [*prefix, GGL, "--root", str(directory / "root"), "up", "--foreground"],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: lines_of(output), lambda text: "ready" in text)
        script = "for i in 1 2 3; do (setsid sleep 0.2 &); done; echo hello from the component; exec sleep 1000"
        deploy(runtime, *component("org.A", script, stop=Command("echo goodbye", timeout=60.0)))
        runtime.wait_for_unit("ggl.org.A", "active")
        wait_until(lambda: lines_of(output), lambda text: "org.A" in text and "hello from the component" in text)
        supervisor = _supervisor(process.pid) if prefix else process.pid
        wait_until(lambda: _zombies(supervisor), lambda zombies: not zombies)
        os.kill(supervisor, signal.SIGTERM)
        assert process.wait(timeout=120) == 0
        wait_until(runtime.processes, lambda left: not left)  # the log writer leaves last
        assert "stopping" in lines_of(output)
        assert "goodbye" in lines_of(output)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _supervisor(unshare: int) -> int:
    return wait_until(lambda: children(unshare))[0]


def _zombies(pid: int) -> list[int]:
    return [child for child in children(pid) if state_of(child) == "Z"]
