"""The TCP ports that core daemons serve: instances of template units, a socket unit and a service for each port.

Which there are is asked of systemd: this process leaves, and they stay. They end with the runtime; see ``core_units``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ggl.catalog import DAEMONS, Daemon, instance
from ggl.host.methods import countdown
from ggl.host.systemd.layout import given_up_unit, port_unit, template
from ggl.host.unit import CORE_PREFIX
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.systemd.dbus import DBusError
    from ggl.host.systemd.supervision import Supervision

    _Request = Callable[[str, Callable[[str], None], Callable[[DBusError], None]], None]

_INSTANCE = re.compile(re.escape(CORE_PREFIX) + r"(\w+)@(\d+)\.(?:socket|service)")

_log = get_logger("hostd")


@dataclass(frozen=True)
class _Order:
    """What ``listen`` was asked for."""

    daemon: Daemon
    wanted: list[int]
    done: Callable[[str], None]


class Ports:
    def __init__(self, supervision: Supervision) -> None:
        self._supervision = supervision
        self._systemd = supervision.systemd
        self._orders: list[_Order] = []
        """One after the other; the first is under way."""
        self._round = 0

    @property
    def is_under_way(self) -> bool:
        return bool(self._orders)

    def listen(self, daemon: Daemon, wanted: list[int], done: Callable[[str], None]) -> None:
        """Open exactly the ports ``wanted`` of ``daemon``; ``done(problem)``: if there is one, nothing has changed."""
        self._orders.append(_Order(daemon, wanted, done))
        if len(self._orders) == 1:
            self._begin()

    def begin_anew(self) -> None:
        """What was asked of systemd may not be answered any more."""
        if self._orders:
            self._begin()

    def fail(self, problem: str) -> None:
        """systemd cannot be reached."""
        self._round += 1
        orders, self._orders = self._orders, []
        for order in orders:
            order.done(problem)

    def found(self, files: list[str]) -> None:
        """systemd has these units: those of ports are to be known as core daemons."""
        there = {(match[1], int(match[2])) for match in map(_INSTANCE.fullmatch, files) if match}
        for daemon in DAEMONS:
            if daemon.loopback:
                self._supervision.know(daemon, [port for name, port in sorted(there) if name == daemon.name])

    # -- one order ---------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._round += 1
        pattern = port_unit(f"{template(self._orders[0].daemon)}*")
        self._systemd.states([pattern], self._now(self._open), self._now(self._refused))

    def _now(self, act: Callable[..., None]) -> Callable[..., None]:
        """``act``, unless the order is over or was begun anew by then."""
        this = self._round

        def call(*arguments: Any) -> None:
            if this == self._round:
                act(*arguments)

        return call

    def _refused(self, error: DBusError) -> None:
        self._over(f"systemd: {error}")

    def _open(self, states: dict[str, str]) -> None:
        """``states``: of the sockets that systemd knows. One that failed is to be opened again some time."""
        order = self._orders[0]
        files = {port_unit(instance(order.daemon.name, port)): port for port in order.wanted}
        before = [file for file, state in states.items() if state != "inactive"]
        missing = [file for file in files if states.get(file) != "active"]
        problems: dict[str, str] = {}

        def tried() -> None:
            if problems:
                problem = next(iter(problems.values()))
                self._close([file for file in missing if file not in before], partial(self._over, problem))
            else:
                self._close([file for file in before if file not in files], self._opened)

        def started(file: str, result: str) -> None:
            if result != "done":
                why = "most likely it is in use" if result == "failed" else f"systemd: {result}"
                problems[file] = f"port {files[file]} cannot be used: {why}; see 'journalctl -u {file}'"
            ready()

        ready = countdown(1 + len(missing), self._now(tried))
        for file in missing:
            if file in before:  # its service may have failed too often to be started once more
                self._systemd.reset_failed(_service_of(file), lambda: None)
            self._order(self._systemd.start, file, partial(started, file))
        ready()

    def _opened(self) -> None:
        order = self._orders[0]
        for new in self._supervision.know(order.daemon, order.wanted):
            self._systemd.ask(new.file, new.update, lambda _: None)
        self._over("")

    def _over(self, problem: str) -> None:
        self._round += 1
        order = self._orders.pop(0)
        if problem:
            _log.error("%s", problem)
        if self._orders:
            self._begin()
        order.done(problem)

    def _close(self, files: list[str], then: Callable[[], None]) -> None:
        """Nothing is left of them, and nobody is about to open them again."""
        ready = countdown(1 + len(files), self._now(then))
        for file in files:
            self._close_one(file, _service_of(file), ready)
        ready()

    def _close_one(self, socket: str, service: str, done: Callable[[], None]) -> None:
        def stop_socket(_result: str) -> None:
            self._order(self._systemd.stop, socket, forget)  # the service is part of it

        def forget(_result: str) -> None:
            self._systemd.reset_failed(service, lambda: self._systemd.reset_failed(socket, done))

        self._order(self._systemd.stop, given_up_unit(service), stop_socket)

    def _order(self, request: _Request, file: str, over: Callable[[str], None]) -> None:
        """``over(what became of it)``."""
        await_job = self._supervision.await_job
        request(file, lambda job: await_job(job, over), lambda error: over(str(error)))


def _service_of(socket: str) -> str:
    return socket.removesuffix(".socket") + ".service"
