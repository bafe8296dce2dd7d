"""When a core daemon is there, and when it is not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from ggl.bus.loop import Loop
from ggl.catalog import Daemon
from ggl.host.process.core import CoreDaemon
from ggl.host.process.supervisor import Supervisor

ENDED_WELL = 0


class Host:
    """Starts processes that are none; ``end`` ends the one that runs."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.starts = 0
        self.on_start: Callable[[], object] = self.loop.stop
        self.children = SimpleNamespace(spawn_daemon=self._spawn)
        self.reaper = SimpleNamespace(expect=self._expect)

    def _spawn(self, _daemon: CoreDaemon) -> int:
        self.starts += 1
        self.loop.call_soon(self.on_start)
        return 1 << 30

    def _expect(self, _pid: int, ended: Callable[[int], None], _name: str) -> None:
        self.end = lambda: ended(ENDED_WELL)

    def changed(self, _daemon: CoreDaemon) -> None:
        pass

    def is_unfinished(self, _daemon: Daemon) -> bool:
        return False


def core(host: Host, **settings: Any) -> CoreDaemon:
    return CoreDaemon(cast("Supervisor", host), Daemon("lookd", (), **settings), {})


def test_it_is_started_every_now_and_then_if_it_wants_that() -> None:
    host = Host()
    core(host, every=0.001)
    for times in (1, 2, 3):
        host.loop.run()
        assert host.starts == times
        host.end()


def test_it_is_left_alone_while_it_is_there() -> None:
    host = Host()
    daemon = core(host, every=0.001)
    daemon.start()
    host.on_start = lambda: None
    host.loop.call_later(0.05, host.loop.stop)
    host.loop.run()
    assert host.starts == 1


def test_nobody_wakes_for_a_daemon_that_does_not_want_it_nor_when_the_runtime_stops() -> None:
    host = Host()
    core(host)
    core(host, every=0.001).shut_down(lambda: None)
    host.loop.call_later(0.05, host.loop.stop)
    host.loop.run()
    assert host.starts == 0
