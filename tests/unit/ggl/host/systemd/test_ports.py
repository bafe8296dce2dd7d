"""Opening and closing the ports of a daemon: all or nothing, with a systemd that this test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.loop import Loop
from ggl.catalog import find
from ggl.host.systemd import supervision
from ggl.host.systemd.dbus import NO_CONNECTION, DBusError
from ggl.host.systemd.layout import TARGET, Layout
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.supervision import Supervision
from ggl.paths import find_root
from tests.unit.ggl.host.systemd.test_supervision import FakeSystemd

DAEMON = find("tesserverd")


def socket(port: int) -> str:
    return f"ggl.core.tesserverd@{port}.socket"


def service(port: int) -> str:
    return f"ggl.core.tesserverd@{port}.service"


class SystemdOfPorts(FakeSystemd):
    """Does at once what it is told, unless it is ``slow``: then when ``finish`` is called."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.in_use: set[str] = set()
        self.reset: list[str] = []
        self.slow = False
        self._jobs: list[Callable[[], None]] = []

    def states(self, _patterns: list[str], then: Callable[[dict[str, str]], None], _failed: Any) -> None:
        then({file: each.active_state for file, each in self.units.items() if file.endswith(".socket")})

    def start(self, file: str, then: Callable[[str], None], failed: Any) -> None:
        super().start(file, then, failed)
        good = file not in self.in_use
        self.units[file] = Properties("loaded", "active" if good else "failed")
        self._later(lambda: self.on_job(f"start {file}", "done" if good else "failed"))

    def stop(self, file: str, then: Callable[[str], None], failed: Any) -> None:
        super().stop(file, then, failed)
        if file in self.units and self.units[file].active_state == "active":
            del self.units[file]
        self._later(lambda: self.on_job(f"stop {file}", "done"))

    def reset_failed(self, file: str, then: Callable[[], None]) -> None:
        self.reset.append(file)
        if file in self.units and self.units[file].active_state == "failed":
            del self.units[file]
        then()

    def _later(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        if not self.slow:
            self.finish()

    def finish(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()


class Host:
    """``answers``: the problems that were told, in order; empty for an order that succeeded."""

    def __init__(self, directory: Path, *opened: int) -> None:
        self.loop = Loop()
        layout = Layout(find_root(str(directory)), ("python",), directory / "units.d")
        layout.root.units.mkdir(parents=True, exist_ok=True)
        self.supervision = Supervision(self.loop, layout, lambda _unit: None, lambda _problem: None)
        self.systemd: Any = self.supervision.systemd
        for port in opened:
            self.systemd.units |= {socket(port): Properties("loaded", "active"), service(port): Properties("loaded")}
        self.answers: list[str] = []
        self.turn()

    def turn(self) -> None:
        for _ in range(5):
            self.loop.call_soon(self.loop.stop)
            self.loop.run()

    def listen(self, *ports: int) -> list[str]:
        """What was asked of systemd."""
        self.systemd.asked.clear()
        self.supervision.ports.listen(DAEMON, list(ports), self.answers.append)
        self.turn()
        return [each for each in self.systemd.asked if "given-up" not in each]

    def open(self) -> set[str]:
        return {name for name, each in self.systemd.units.items() if name != TARGET and each.active_state == "active"}

    def known(self) -> list[str]:
        return [name for name in self.supervision.core if "@" in name]


MakeHost = Callable[..., Host]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeHost]:
    monkeypatch.setattr(supervision, "Systemd", SystemdOfPorts)
    made: list[Host] = []

    def make(*opened: int) -> Host:
        made.append(Host(tmp_path, *opened))
        return made[-1]

    yield make
    for each in made:
        each.loop.close()


def test_what_is_missing_is_opened_and_what_is_not_wanted_any_more_is_closed(host: MakeHost) -> None:
    device = host()
    assert device.listen(1, 2) == [f"start {socket(1)}", f"start {socket(2)}"]
    assert device.listen(2, 3) == [f"start {socket(3)}", f"stop {socket(1)}"]
    assert device.listen(3, 2) == []
    assert device.known() == ["ggl.core.tesserverd@2", "ggl.core.tesserverd@3"]
    assert device.listen() == [f"stop {socket(2)}", f"stop {socket(3)}"]
    assert device.answers == [""] * 4
    assert (device.open(), device.known()) == (set(), [])


def test_a_new_process_of_the_host_knows_them_from_systemd(host: MakeHost) -> None:
    device = host(1, 2)
    assert device.known() == ["ggl.core.tesserverd@1", "ggl.core.tesserverd@2"]
    assert device.listen(2) == [f"stop {socket(1)}"]
    assert device.known() == ["ggl.core.tesserverd@2"]


def test_of_a_port_that_cannot_be_had_nothing_is_left_and_the_others_stay_as_they_were(host: MakeHost) -> None:
    device = host(1)
    device.systemd.in_use = {socket(3)}
    device.listen(2, 3)
    (answer,) = device.answers
    assert answer.startswith("port 3 cannot be used: most likely it is in use")
    assert socket(3) in answer
    assert device.open() == {socket(1)}
    assert set(device.systemd.units) == {TARGET, socket(1), service(1)}
    assert device.known() == ["ggl.core.tesserverd@1"]


def test_a_port_that_is_given_up_stays_so_when_another_cannot_be_had(host: MakeHost) -> None:
    """It is opened again after a while: nobody may prevent that who has changed nothing."""
    device = host(1)
    device.systemd.units[socket(1)] = Properties("loaded", "failed")
    device.systemd.in_use = {socket(1), socket(2)}
    device.listen(1, 2)
    assert device.systemd.units[socket(1)].active_state == "failed"
    assert not [each for each in device.systemd.asked if each.startswith(f"stop ggl.core.given-up@{service(1)}")]


def test_a_port_that_is_given_up_is_not_opened_again_once_it_is_not_wanted(host: MakeHost) -> None:
    device = host(1)
    device.systemd.units[socket(1)] = Properties("loaded", "failed")
    device.listen()
    assert device.systemd.asked == [f"stop ggl.core.given-up@{service(1)}.service", f"stop {socket(1)}"]
    assert device.systemd.reset == [service(1), socket(1)]


def test_a_port_that_failed_is_opened_when_it_is_wanted(host: MakeHost) -> None:
    device = host(1)
    device.systemd.units[socket(1)] = Properties("loaded", "failed")
    assert device.listen(1) == [f"start {socket(1)}"]
    assert device.systemd.reset == [service(1)]
    assert device.answers == [""]


def test_orders_are_carried_out_one_after_the_other(host: MakeHost) -> None:
    device = host()
    device.systemd.slow = True
    assert device.listen(1) == [f"start {socket(1)}"]
    assert device.listen(2) == []
    assert device.supervision.is_under_way
    device.systemd.slow = False
    device.systemd.finish()
    device.turn()
    assert device.answers == ["", ""]
    assert device.open() == {socket(2)}
    assert not device.supervision.is_under_way


def test_an_order_is_begun_anew_when_systemd_was_replaced_by_a_new_process(host: MakeHost) -> None:
    device = host()
    device.systemd.slow = True
    device.listen(1)
    device.systemd.slow = False
    device.systemd.on_up()  # what was asked before is not answered any more
    device.turn()
    assert device.answers == [""]
    device.systemd.finish()
    device.turn()
    assert device.answers == [""]


def test_orders_fail_when_systemd_cannot_be_reached(host: MakeHost) -> None:
    device = host()
    device.systemd.slow = True
    device.listen(1)
    device.listen(2)
    device.systemd.on_lost("it is gone")
    assert device.answers == ["systemd cannot be reached over D-Bus: it is gone"] * 2
    device.systemd.on_up()
    device.systemd.slow = False
    device.systemd.finish()
    device.turn()
    device.listen(3)
    assert device.answers[2:] == [""]


def test_an_order_fails_when_systemd_does_not_answer_or_refuses(host: MakeHost) -> None:
    device = host()
    device.systemd.start = lambda _file, _then, failed: failed(DBusError("x", "not found"))
    device.listen(1)
    device.systemd.states = lambda _patterns, _then, failed: failed(DBusError(NO_CONNECTION, "gone"))
    device.listen(1)
    assert device.answers[0].startswith("port 1 cannot be used: systemd: not found")
    assert device.answers[1] == "systemd: gone"
