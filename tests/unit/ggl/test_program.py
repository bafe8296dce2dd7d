"""A daemon as a program under a service manager: the sockets, its readiness, the watchdog, leaving."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.bus import connect
from ggl.notify import watchdog_seconds
from ggl.paths import find_root

SECONDS = 60.0
START = """
import os, sys
os.dup2({fd}, 3)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "ggl.pubsubd"])
"""


class Manager:
    """Starts the daemon with a listening socket, and hears what it says."""

    def __init__(self, directory: Path) -> None:
        self.root = find_root(str(directory))
        self.root.bus_dir.mkdir(parents=True)
        self.ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ears.bind(str(self.root.run / "notify"))
        self.ears.settimeout(SECONDS)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(self.root.bus_socket("gg_pubsub")))
        self.socket.listen()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            **self.root.environment(),
            "LISTEN_FDS": "1",
            "LISTEN_FDNAMES": "gg_pubsub",
            "NOTIFY_SOCKET": str(self.root.run / "notify"),
            **variables,
        }
        program = [sys.executable, "-c", START.format(fd=self.socket.fileno())]
        self.process = subprocess.Popen(program, env=environment, pass_fds=[self.socket.fileno()])
        return self.process

    def hears(self) -> str:
        return self.ears.recv(4096).decode()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.socket.close()
    made.ears.close()


def test_it_serves_the_socket_that_it_got_and_says_when_it_is_ready_and_when_it_leaves(manager: Manager) -> None:
    process = manager.start()
    assert manager.hears() == "READY=1"
    with connect("gg_pubsub", manager.root, SECONDS) as client:
        assert client.call("bus.ping") is None
    process.send_signal(signal.SIGTERM)
    assert manager.hears() == "STOPPING=1"
    assert process.wait(SECONDS) == 0
    assert manager.root.bus_socket("gg_pubsub").exists()  # it is the service manager's


def test_it_says_that_it_is_well_as_often_as_it_is_asked_to(manager: Manager) -> None:
    manager.start(WATCHDOG_USEC="100000")
    assert [manager.hears() for _ in range(4)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_whom_the_watchdog_is_meant_for() -> None:
    mine, other = str(os.getpid()), str(os.getpid() + 1)
    assert watchdog_seconds({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": mine}) == 2.5
    assert watchdog_seconds({"WATCHDOG_USEC": "2500000"}) == 2.5
    assert watchdog_seconds({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": other}) == 0
    assert watchdog_seconds({"WATCHDOG_USEC": "soon"}) == 0
    assert watchdog_seconds({}) == 0


def test_a_service_loads_nothing_that_only_people_need() -> None:
    code = (
        "import sys, ggl.program, ggl.pubsubd.service; print(*{'argparse', 'ast', 'dis', 'logging'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [] or sys.version_info >= (3, 12)
