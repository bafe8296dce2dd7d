"""A whole runtime: the real host, the real daemons, real components.

By default it is a runtime of the process host in a private root, which shares nothing with the machine. With
``GGL_TEST_HOST=systemd`` it is that of this machine and its systemd (see ``tests/system``); what is marked
``process_host`` does not run there.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import tempfile
import termios
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
from tests.cloud.fixture import aws, cloud_device, cloud_runtime  # noqa: F401  (pytest finds fixtures by their names here)
from tests.cloud.processes import bound

if TYPE_CHECKING:
    from tests.integration.device import Device

T = TypeVar("T")

ON_SYSTEMD = os.environ.get("GGL_TEST_HOST") == "systemd"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "process_host: about that host's own machinery, or about a private root")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if ON_SYSTEMD:
        elsewhere = [item for item in items if item.get_closest_marker("process_host")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


PATIENCE = 60.0
"""Seconds after which something that is waited for is taken for lost, also on a machine that is busy with much else."""


def wait_until(read: Callable[[], T], accept: Callable[[T], Any] = bool, seconds: float = PATIENCE) -> T:
    """The first value of ``read()`` that ``accept`` takes; fails the test with the last one when none comes."""
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() > deadline  # looked at first: it is read once more after that
        value = read()
        if accept(value):
            return value
        if late:
            pytest.fail(f"still {value!r} after {seconds:g} s")
        time.sleep(0.02)


class Runtime:
    """One root and what a test does to it; here on the process host."""

    def __init__(self, root: Root) -> None:
        self.root = root

    def up(self) -> int:
        return launch.start(self.root, PATIENCE).pid

    def down(self) -> launch.StopResult:
        return launch.stop(self.root, 2 * PATIENCE)

    def call(self, interface: str, method: str, params: dict[str, Any] | None = None, timeout: float = PATIENCE) -> Any:
        with connect(interface, self.root, PATIENCE) as client:
            return client.call(method, params or {}, timeout)

    def client(self, interface: str) -> Client:
        return connect(interface, self.root, PATIENCE)

    def unit(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.call("gg_host", "status", {"name": name})
        return status

    def wait_for_unit(
        self, name: str, active: str, sub: str | None = None, seconds: float = PATIENCE
    ) -> dict[str, Any]:
        return wait_until(
            lambda: self.unit(name),
            lambda status: status["active_state"] == active and sub in (None, status["sub_state"]),
            seconds,
        )

    def pid_of(self, daemon: str) -> int:
        pid: int = self.unit(f"ggl.core.{daemon}")["main_pid"]
        return pid

    def kill(self, pid: int) -> None:
        """kill -9, and wait until the process is gone, and the supervisor has noticed if it was its own."""
        assert pid > 0, "there is no such process now"
        supervisor = launch.running_pid(self.root)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: _stat(pid), lambda stat: not stat or (stat[0] == "Z" and int(stat[1]) != supervisor))

    def processes(self) -> list[int]:
        """Every process of this runtime but ours."""
        return list(marked(mark(self.root.state), whole=False))

    def log(self, name: str) -> str:
        """What has been printed so far."""
        self._wait_until_written()
        try:
            return (self.root.logs / f"{name}.log").read_text()
        except FileNotFoundError:
            return ""  # nothing was printed yet, or the file is being rotated

    def _wait_until_written(self, seconds: float = 10.0) -> None:
        """The log writer may not be there: the first word starts it. So nothing may wait in the supervisor's pipes, nor
        may the log writer be busy with what it took from them."""
        try:
            supervisor = int((self.root.run / "ggld.pid").read_text())
            descriptors = Path(f"/proc/{supervisor}/fd")
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and (
                any(map(_waiting, descriptors.iterdir())) or any(map(_is_busy_log_writer, children(supervisor)))
            ):
                time.sleep(0.01)
        except (OSError, ValueError):
            pass  # the runtime is down

    def whole_log(self, name: str) -> str:
        rotated = sorted(self.root.logs.glob(f"{name}.log.*"), key=lambda path: -int(path.suffix[1:]))
        return "".join(path.read_text() for path in rotated) + self.log(name)

    def host_log(self) -> str:
        """What the host says about units, and of itself."""
        return self.log("ggl.core.ggld")


def _waiting(descriptor: Path) -> bool:
    """Whether something can be read from the pipe that a process has as ``descriptor``; False for anything else."""
    try:
        if not os.readlink(descriptor).startswith("pipe:"):
            return False
        fd = os.open(descriptor, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return any(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    finally:
        os.close(fd)


def _is_busy_log_writer(pid: int) -> bool:
    """It waits for the next line in an interruptible sleep; other processes are never busy here."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "logwriter\n" and _stat(pid)[:1] not in ([], ["S"], ["Z"])
    except OSError:
        return False  # it has just ended


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _stat(pid: int) -> list[str]:
    """What the kernel says of a process, from its state and its parent on; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def state_of(pid: int) -> str:
    """``R``, ``S``, ``T`` and so on; empty when it is gone."""
    return next(iter(_stat(pid)), "")


def alive(pid: int) -> bool:
    return _stat(pid)[:1] not in ([], ["Z"])


@contextmanager
def running(prepare: Callable[[Root], Any] | None = None) -> Iterator[Runtime]:
    """A runtime without components. Afterwards it is stopped, and nothing of it may be left.

    ``prepare`` is done to its root before it comes up, on the process host only.
    """
    if ON_SYSTEMD:
        from tests.system.runtime import on_this_device

        with on_this_device() as installed:
            yield installed
        return
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        runtime = Runtime(find_root(directory))
        if prepare is not None:
            prepare(runtime.root)
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
def port() -> Iterator[int]:
    """One that nobody else gets meanwhile."""
    with bound() as held:
        yield held.getsockname()[1]


another_port = port


@pytest.fixture
def device(runtime: Runtime, tmp_path: Path) -> Device:
    """A runtime whose components run as whoever runs the tests, also where that is root."""
    from tests.integration.device import USER, Device

    device = Device(runtime, tmp_path)
    if os.geteuid() == 0:
        device.set_config(pwd.getpwuid(os.geteuid()).pw_name, *USER[1:])
    return device
