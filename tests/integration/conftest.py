"""A whole runtime in a private root: the real supervisor, the real daemons, nothing shared with the machine."""

from __future__ import annotations

import os
import pwd
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from ggl.bus import BusError, Client, connect
from ggl.host.process import launch
from ggl.host.process.marker import mark, marked
from ggl.paths import Root, find_root

if TYPE_CHECKING:
    from tests.integration.device import Device

T = TypeVar("T")


def wait_until(read: Callable[[], T], accept: Callable[[T], Any] = bool, seconds: float = 30.0) -> T:
    """The first value of ``read()`` that ``accept`` takes; fails the test with the last one when none comes."""
    deadline = time.monotonic() + seconds
    while True:
        value = read()
        if accept(value):
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"still {value!r} after {seconds:g} s")
        time.sleep(0.02)


class Runtime:
    """One root and what a test does to it."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def up(self) -> int:
        return launch.start(self.root).pid

    def down(self) -> launch.StopResult:
        return launch.stop(self.root)

    def call(self, interface: str, method: str, params: dict[str, Any] | None = None, timeout: float = 30.0) -> Any:
        with connect(interface, self.root) as client:
            return client.call(method, params or {}, timeout)

    def client(self, interface: str) -> Client:
        return connect(interface, self.root)

    def unit(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.call("gg_host", "status", {"name": name})
        return status

    def wait_for_unit(self, name: str, active: str, sub: str | None = None, seconds: float = 30.0) -> dict[str, Any]:
        return wait_until(
            lambda: self.unit(name),
            lambda status: status["active_state"] == active and sub in (None, status["sub_state"]),
            seconds,
        )

    def pid_of(self, daemon: str) -> int:
        pid: int = self.unit(f"ggl.core.{daemon}")["main_pid"]
        return pid

    def kill(self, pid: int) -> None:
        """kill -9, and wait until the process is gone."""
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: alive(pid), lambda up: not up)

    def processes(self) -> list[int]:
        """Every process of this runtime but ours."""
        return list(marked(mark(self.root.state), whole=False))

    def log(self, name: str) -> str:
        try:
            return (self.root.logs / f"{name}.log").read_text()
        except FileNotFoundError:
            return ""  # nothing was printed yet, or the file is being rotated


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


@contextmanager
def running() -> Iterator[Runtime]:
    """A runtime in a root of its own. Afterwards it is stopped, and nothing of it may be left."""
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        runtime = Runtime(find_root(directory))
        runtime.up()
        try:
            yield runtime
        finally:
            try:
                runtime.down()
            except BusError as error:
                pytest.fail(f"the runtime could not be stopped: {error}")
            assert runtime.processes() == []


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture
def device(runtime: Runtime, tmp_path: Path) -> Device:
    """A runtime whose components run as whoever runs the tests, also where that is root."""
    from tests.integration.device import USER, Device

    device = Device(runtime, tmp_path)
    if os.geteuid() == 0:
        device.set_config(pwd.getpwuid(os.geteuid()).pw_name, *USER[1:])
    return device
