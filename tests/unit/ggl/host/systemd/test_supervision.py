"""Waiting, starting and stopping in the order of what units need, with a systemd that this test plays.

It does what it is told when the test says so: what was asked of it is in ``asked``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.loop import Loop
from ggl.host import store
from ggl.host.systemd import records, supervision
from ggl.host.systemd.course import FIRST_DELAY
from ggl.host.systemd.dbus import NO_CONNECTION, DBusError
from ggl.host.systemd.layout import TARGET, Layout
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.records import Run
from ggl.host.systemd.supervision import Supervision
from ggl.host.systemd.systemd1 import NO_ROOM
from ggl.host.unit import Command, Start, Unit
from ggl.paths import find_root

UP_TARGET = Properties("loaded", "active", "active", invocation="first")


class FakeSystemd:
    """The units as the test sets them; every request waits for ``finish``, or for ``refuse``."""

    def __init__(self, _loop: Loop, on_change: Any, on_job: Any, on_up: Any, on_lost: Any) -> None:
        self.on_change, self.on_job, self.on_up, self.on_lost = on_change, on_job, on_up, on_lost
        self.units: dict[str, Properties] = {TARGET: UP_TARGET}
        self.asked: list[str] = []
        self.reloads = 0

    def connect(self) -> None:
        self.on_up()

    def follow(self, file: str) -> None: ...

    def leave(self, file: str) -> None: ...

    def properties_of(self, file: str) -> Properties:
        return self.units.get(file, Properties())

    def loaded(self, _patterns: list[str], then: Callable[[list[str]], None], _failed: Any) -> None:
        then(list(self.units))

    def ask(self, file: str, then: Callable[[Properties], None], _failed: Any) -> None:
        then(self.properties_of(file))

    def start(self, file: str, then: Callable[[str], None], _failed: Any) -> None:
        self.asked.append(f"start {file}")
        then(f"start {file}")

    def stop(self, file: str, then: Callable[[str], None], _failed: Any) -> None:
        self.asked.append(f"stop {file}")
        then(f"stop {file}")

    def reset_failed(self, file: str, then: Callable[[], None]) -> None:
        then()

    def reload(self, then: Callable[[], None], _failed: Any) -> None:
        self.reloads += 1
        then()


@dataclass
class Device:
    """A runtime with components; ``ended`` are the units whose stop was reported."""

    directory: Path
    loop: Loop = field(default_factory=Loop)
    ended: list[str] = field(default_factory=list)
    systemd: FakeSystemd = field(init=False)
    host: Supervision = field(init=False)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> list[str]:
        """A new process of the host's daemon; systemd goes on as it was, and is asked what is returned."""
        before = getattr(self, "systemd", None)
        root = find_root(str(self.directory))
        (self.directory / "units.d").mkdir(parents=True, exist_ok=True)
        layout = Layout(root, ("python",), self.directory / "units.d")
        self.host = Supervision(self.loop, layout, lambda _unit: None, lambda _problem: None)
        self.systemd = self.host.systemd  # type: ignore[assignment]
        if before is not None:
            self.systemd.units = before.units
        return self.turn()

    def turn(self) -> list[str]:
        """Let everything happen that can; what was asked of systemd meanwhile."""
        for _ in range(5):
            self.loop.call_soon(self.loop.stop)
            self.loop.run()
        asked, self.systemd.asked = self.systemd.asked, []
        return asked

    def load(self, *units: Unit, start: bool = True) -> list[str]:
        for unit in units:
            self.host.load(unit)
        for unit in units if start else ():
            if unit.phase == "main":
                self.host.units[unit.name].start()
                self.host.save_wanted(self.host.units[unit.name])
        return self.turn()

    def becomes(self, name: str, properties: Properties, job: str = "", run: Run | None = None) -> list[str]:
        """systemd brings the unit into a state, and ends its job of the kind ``job``."""
        file = f"{name}.service"
        if run is not None:
            records.write_run(self.host.records, name, run)
        self.systemd.units[file] = properties
        self.systemd.on_change(file, properties)
        if job:
            self.systemd.on_job(f"{job} {file}", "done")
        return self.turn()

    def comes_up(self, name: str) -> list[str]:
        run = Run(unit=self.host.units[name].unit.to_dict(), kind="run", started=1.0, began=True, invocation="i")
        return self.becomes(name, UP, "start", run)

    def goes_down(self, name: str, job: str = "stop", **outcome: Any) -> list[str]:
        before = records.read_run(self.host.records, name)
        run = replace(before, **{"up": True, "result": "success", "stage": "stop", **outcome})
        return self.becomes(name, Properties(), job, run)

    def shown(self, name: str) -> str:
        return self.host.units[name].observed.status.sub_state

    def file(self, name: str) -> str:
        return (self.directory / "units.d" / f"{name}.service").read_text()


UP = Properties("loaded", "active", "running", main_pid=5, begun=100, came_up=200, invocation="i")


def unit(name: str, *requires: str, **rest: Any) -> Unit:
    return Unit(
        name=name,
        component=name,
        start=(Start("run", Command("x")),),
        **{"requires": requires, "revision": "1", "phase": "main", **rest},
    )


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    monkeypatch.setattr(supervision, "Systemd", FakeSystemd)
    made = Device(tmp_path)
    yield made
    made.loop.close()


def test_a_unit_waits_for_what_it_requires_and_starts_when_that_is_up(device: Device) -> None:
    assert device.load(unit("ggl.B", "ggl.A")) == []
    assert device.shown("ggl.B") == "waiting"
    assert device.load(unit("ggl.A")) == ["start ggl.A.service"]
    assert device.comes_up("ggl.A") == ["start ggl.B.service"]


def test_a_unit_is_stopped_and_started_again_when_what_it_requires_is_restarted(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.B", "ggl.A"))
    device.comes_up("ggl.A")
    device.comes_up("ggl.B")
    device.host.units["ggl.A"].restart()
    assert device.turn() == ["stop ggl.A.service"]
    assert device.goes_down("ggl.A") == ["stop ggl.B.service", "start ggl.A.service"]
    assert device.goes_down("ggl.B") == []
    assert device.shown("ggl.B") == "waiting"
    assert device.comes_up("ggl.A") == ["start ggl.B.service"]
    device.comes_up("ggl.B")
    assert [device.host.units[name].observed.status.restarts for name in ("ggl.A", "ggl.B")] == [1, 1]


def test_what_finished_or_was_stopped_is_enough_for_those_that_require_it(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.B", "ggl.A"))
    device.comes_up("ggl.A")
    device.comes_up("ggl.B")
    device.host.stop([device.host.units["ggl.A"]], lambda: None)
    device.turn()
    assert device.goes_down("ggl.A") == []
    assert device.shown("ggl.B") == "running"


def test_units_go_down_in_the_reverse_order_of_what_they_require(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.B", "ggl.A"), unit("ggl.C", "ggl.B"))
    for name in ("ggl.A", "ggl.B", "ggl.C"):
        device.comes_up(name)
    device.host.stop(list(device.host.units.values()), lambda: device.ended.append("all"))
    assert device.turn() == ["stop ggl.C.service"]
    assert device.goes_down("ggl.C") == ["stop ggl.B.service"]
    assert device.goes_down("ggl.B") == ["stop ggl.A.service"]
    assert device.ended == []
    device.goes_down("ggl.A")
    assert device.ended == ["all"]


def test_a_stop_is_over_when_its_job_is_not_when_the_unit_looks_down(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    device.host.stop([device.host.units["ggl.A"]], lambda: device.ended.append("A"))
    device.turn()
    device.goes_down("ggl.A", job="")
    assert device.ended == []
    device.systemd.on_job("stop ggl.A.service", "done")
    device.turn()
    assert device.ended == ["A"]


def test_the_installation_comes_first_and_is_tried_anew_when_somebody_wants_the_component(device: Device) -> None:
    install = unit("ggl.A.install", phase="install")
    assert device.load(unit("ggl.A", install="ggl.A.install"), install) == ["start ggl.A.install.service"]
    failed = Run(unit=install.to_dict(), kind="run", started=1.0, result="exit-code", stage="start", exhausted=True)
    assert device.becomes("ggl.A.install", Properties("loaded", "failed", "failed"), "start", failed) == []
    assert (device.shown("ggl.A"), device.shown("ggl.A.install")) == ("waiting", "failed")
    device.host.units["ggl.A"].start()
    assert device.turn() == ["start ggl.A.install.service"]
    assert device.comes_up("ggl.A.install") == ["start ggl.A.service"]


def test_systemds_next_try_is_called_off_when_what_the_unit_requires_is_gone(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.B", "ggl.A"))
    device.comes_up("ggl.A")
    device.comes_up("ggl.B")
    device.host.units["ggl.B"].restart()
    device.turn()
    device.host.units["ggl.A"].restart()
    device.turn()
    device.goes_down("ggl.A")
    device.goes_down("ggl.B")
    assert device.shown("ggl.B") == "waiting"
    again = Properties("loaded", "activating", "auto-restart", invocation="i")
    failed = Run(kind="run", started=1.0, result="exit-code", stage="run", invocation="i")
    assert device.becomes("ggl.B", again, run=failed) == ["stop ggl.B.service"]
    assert device.goes_down("ggl.B", result="exit-code", stage="run") == []
    assert device.shown("ggl.B") == "waiting"


FAILING = Properties("loaded", "deactivating", "stop-post", "exit-code", exit_code=1, exit_status=1, invocation="i")
GIVEN_UP = Properties("loaded", "failed", "failed", "exit-code", exit_code=1, exit_status=1, invocation="i")


@pytest.mark.parametrize("ask", ["reset restart", "restart", "start"])
def test_an_error_that_is_still_to_be_counted_belongs_to_what_was_before_a_new_start(device: Device, ask: str) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    before = records.read_wish(device.host.records, "ggl.A").reset
    two = {"run": [records.now(), records.now()]}
    run = replace(records.read_run(device.host.records, "ggl.A"), failures=two)
    assert device.becomes("ggl.A", FAILING, run=run) == []
    for request in ask.split():
        getattr(device.host.units["ggl.A"], request)()
    assert device.turn() == []
    # The last step comes only now: it has to give up, as was shown before, and not to begin a new count.
    assert device.shown("ggl.A") == "failed"
    assert records.read_wish(device.host.records, "ggl.A").reset == before
    three = {"run": [*two["run"], records.now()]}
    run = replace(run, failures=three, result="exit-code", stage="run", exhausted=True)
    assert device.becomes("ggl.A", FAILING, run=run) == []
    assert device.becomes("ggl.A", GIVEN_UP) == ["start ggl.A.service"]
    wish = records.read_wish(device.host.records, "ggl.A")
    assert wish.reset >= three["run"][-1]
    assert not wish.anew


def test_who_is_to_be_started_when_it_is_down_is_not_left_to_systemds_next_try(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    run = replace(records.read_run(device.host.records, "ggl.A"), failures={"run": [records.now()] * 2})
    device.becomes("ggl.A", FAILING, run=run)
    device.host.units["ggl.A"].restart()
    again = Properties("loaded", "activating", "auto-restart", invocation="i")  # it was not the last error after all
    run = replace(run, result="exit-code", stage="run")
    assert device.becomes("ggl.A", again, run=run) == ["stop ggl.A.service"]
    assert device.goes_down("ggl.A", result="exit-code", stage="run") == ["start ggl.A.service"]
    device.comes_up("ggl.A")
    assert not device.host.is_under_way


def test_word_of_a_run_that_comes_when_the_next_has_begun_is_not_taken_for_a_run_without_a_record(
    device: Device,
) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    # systemd's word comes late on a busy device: the record is that of the run after the one of which it tells.
    next_run = Run(unit=unit("ggl.A").to_dict(), invocation="j", kind="run", started=records.now(), began=True)
    began = int(time.monotonic() * 1e6) - 1_000_000
    again = Properties("loaded", "activating", "auto-restart", "exit-code", begun=began, invocation="i")
    assert device.becomes("ggl.A", again, run=next_run) == []
    assert records.read_run(device.host.records, "ggl.A") == next_run
    assert device.shown("ggl.A") == "auto-restart"
    up = replace(UP, begun=began + 900_000, came_up=began + 950_000, invocation="j")
    assert device.becomes("ggl.A", up) == []
    assert device.shown("ggl.A") == "running"


def test_a_new_process_knows_since_when_a_unit_is_given_up(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    an_hour_ago = records.now() - 3600
    device.goes_down("ggl.A", result="exit-code", stage="run", exhausted=True, failures={"run": [an_hour_ago]})
    device.boot()
    status = device.host.units["ggl.A"].status()
    assert status.active_state == "failed"
    assert abs(status.since / 1000 - (time.time() - 3600)) < 60


def test_what_runs_keeps_its_unit_file_until_it_is_down(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    before, reloads = device.file("ggl.A"), device.systemd.reloads
    device.load(unit("ggl.A", revision="2", restart_delay=3.0), start=False)
    assert (device.file("ggl.A"), device.systemd.reloads) == (before, reloads)
    device.host.units["ggl.A"].restart()
    device.turn()
    assert device.goes_down("ggl.A") == ["start ggl.A.service"]
    assert "RestartSec=3" in device.file("ggl.A")
    assert device.systemd.reloads == reloads + 1


def test_a_unit_that_is_the_same_changes_nothing(device: Device) -> None:
    device.load(unit("ggl.A"))
    reloads = device.systemd.reloads
    device.load(unit("ggl.A"), start=False)
    device.host.files.when_read(lambda: None, lambda _: None)
    assert device.systemd.reloads == reloads


def test_what_is_unloaded_leaves_nothing_behind(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    device.host.unload([device.host.units["ggl.A"]], lambda: device.ended.append("A"))
    device.turn()
    device.goes_down("ggl.A")
    assert device.ended == ["A"]
    assert list((device.directory / "units.d").iterdir()) == []
    assert [path.name for path in device.host.records.iterdir()] == ["instance"]
    assert list(store.load_all(device.host.layout.root.units)) == []


def test_the_host_may_leave_when_nothing_waits_and_nobody_requires_anybody(device: Device) -> None:
    assert not device.host.is_under_way
    device.load(unit("ggl.B", "ggl.A"))
    assert device.host.is_under_way
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    device.comes_up("ggl.B")
    assert device.host.is_under_way
    device.host.stop([device.host.units["ggl.B"]], lambda: None)
    device.turn()
    assert device.host.is_under_way
    device.goes_down("ggl.B")
    assert not device.host.is_under_way


# -- another process goes on -------------------------------------------------------------------------------------------


def test_a_new_process_finds_what_waits_and_starts_it_in_its_turn(device: Device) -> None:
    device.load(unit("ggl.B", "ggl.A"))
    device.boot()
    assert device.shown("ggl.B") == "waiting"
    device.load(unit("ggl.A"))
    assert device.comes_up("ggl.A") == ["start ggl.B.service"]


def test_a_new_process_ends_a_restart_that_was_begun(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    device.host.units["ggl.A"].restart()
    device.turn()
    device.goes_down("ggl.A", job="")
    device.host.units.clear()  # the old process sees nothing of it any more
    assert device.boot() == ["start ggl.A.service"]


def test_a_new_process_notices_what_was_lost_meanwhile(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.B", "ggl.A"))
    device.comes_up("ggl.A")
    device.comes_up("ggl.B")
    run = Run(unit=unit("ggl.A").to_dict(), kind="run", started=1.0, result="exit-code", stage="run", exhausted=True)
    records.write_run(device.host.records, "ggl.A", run)
    device.systemd.units["ggl.A.service"] = Properties()
    assert device.boot() == ["stop ggl.B.service"]
    assert device.goes_down("ggl.B") == []
    assert device.shown("ggl.B") == "waiting"


def test_everything_that_is_wanted_starts_with_the_runtime_and_nothing_else(device: Device) -> None:
    device.load(unit("ggl.A"), unit("ggl.C", "ggl.A"), unit("ggl.D", phase="bootstrap"))
    device.load(unit("ggl.B"), start=False)
    for name in ("ggl.A", "ggl.C"):
        device.comes_up(name)
    device.host.units["ggl.D"].wanted = True
    device.host.save_wanted(device.host.units["ggl.D"])
    device.systemd.units = {TARGET: replace(UP_TARGET, invocation="second")}
    for path in (device.directory / "units.d").iterdir():
        path.unlink()
    assert device.boot() == ["start ggl.A.service"]
    shown = {name: device.shown(name) for name in device.host.units}
    assert shown == {"ggl.A": "start", "ggl.B": "dead", "ggl.C": "waiting", "ggl.D": "dead"}
    assert "RestartSec" in device.file("ggl.B")


def test_nothing_starts_while_the_runtime_goes_down(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    device.systemd.on_change(TARGET, replace(UP_TARGET, active_state="inactive"))
    assert device.load(unit("ggl.B")) == []
    assert device.shown("ggl.B") == "dead"
    assert device.host.units["ggl.B"].wanted


def test_a_start_that_systemd_has_not_begun_is_called_off_when_the_runtime_goes_down(device: Device) -> None:
    assert device.load(unit("ggl.A")) == ["start ggl.A.service"]
    device.systemd.on_change(TARGET, replace(UP_TARGET, active_state="inactive"))
    assert device.turn() == ["stop ggl.A.service"]
    device.systemd.on_job("stop ggl.A.service", "done")
    assert device.turn() == []
    assert device.host.units["ggl.A"].wanted


def test_a_start_for_which_there_is_no_room_is_tried_again_and_no_error(device: Device) -> None:
    reload = device.systemd.reload

    def full(_then: Any, failed: Callable[[DBusError], None]) -> None:
        failed(DBusError(NO_ROOM, "no room"))

    device.systemd.reload = full  # type: ignore[method-assign]
    assert device.load(unit("ggl.A")) == []
    device.host.files.when_read_or_full(lambda: device.ended.append("loaded"), lambda _: None)
    assert device.ended == ["loaded"]
    status = device.host.units["ggl.A"].observed.status
    assert (status.active_state, status.status_text) == ("activating", "not started yet: no room")
    device.systemd.reload = reload  # type: ignore[method-assign]
    device.loop.call_later(FIRST_DELAY + 0.1, device.loop.stop)
    device.loop.run()
    assert device.turn() == ["start ggl.A.service"]


def test_a_start_that_is_over_before_it_began_has_failed_unless_somebody_stopped_it(device: Device) -> None:
    for result, shown in (("canceled", "dead"), ("done", "failed"), ("dependency", "failed")):
        device.load(unit("ggl.A"))
        device.systemd.on_job("start ggl.A.service", result)
        device.turn()
        assert device.shown("ggl.A") == shown
    device.boot()
    status = device.host.units["ggl.A"].observed.status
    assert (status.sub_state, status.result) == ("failed", "exec-failed")
    assert "what its unit requires of systemd did not start" in status.status_text


def test_errors_of_which_no_step_tells_are_counted_and_come_to_an_end(device: Device) -> None:
    device.load(unit("ggl.A"))
    device.comes_up("ggl.A")
    told = []
    for invocation in ("j", "k", "l"):
        began = int(time.monotonic() * 1e6)
        again = Properties("loaded", "activating", "auto-restart", "resources", begun=began, invocation=invocation)
        told.append(device.becomes("ggl.A", again))
        told.append(device.becomes("ggl.A", again))  # counted once
    assert told == [[], [], [], [], ["stop ggl.A.service"], []]
    device.becomes("ggl.A", Properties("loaded", invocation="l"))
    status = device.host.units["ggl.A"].observed.status
    assert (status.active_state, status.result, status.stage, status.restarts) == ("failed", "exec-failed", "start", 2)
    assert "(resources)" in status.status_text


def test_a_failure_that_was_forgotten_is_not_counted_for_want_of_a_record(device: Device) -> None:
    device.load(unit("ggl.A"))
    failed = Properties("loaded", "failed", "failed", "exit-code", begun=300, invocation="i")
    run = Run(unit=unit("ggl.A").to_dict(), kind="run", started=1.0, result="exit-code", exhausted=True, invocation="i")
    device.becomes("ggl.A", failed, "start", run)
    assert device.shown("ggl.A") == "failed"
    device.load(unit("ggl.A", revision="2"), start=False)
    device.host.units["ggl.A"].update(failed, settled=True)
    assert device.shown("ggl.A") == "dead"


def test_without_systemd_a_unit_goes_on_waiting_until_it_is_back(device: Device) -> None:
    def unreachable(_file: str, _then: Any, failed: Callable[[DBusError], None]) -> None:
        failed(DBusError(NO_CONNECTION, "gone"))

    device.systemd.start = unreachable  # type: ignore[method-assign]
    device.load(unit("ggl.A"))
    device.systemd.on_lost("gone")
    assert not device.host.ready
    del device.systemd.start  # type: ignore[method-assign]
    device.systemd.on_up()
    assert device.turn() == ["start ggl.A.service"]
