"""Recoveries against a device of the test's making: rollbacks, deployments at work, interruptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.host.status import UnitStatus
from ggl.paths import find_root
from ggl.recoveryd import climber as climber_module
from ggl.recoveryd.climber import Climber
from ggl.recoveryd.record import Failure, Recovery, Rung
from ggl.recoveryd.rungs import Tools, now
from ggl.recoveryd.store import Store

FAILURE = Failure("ggl.A", "A", "2.0.0", "main", "exit-code", 1, time=1000)


class Killed(BaseException):
    """kill -9, at this very point."""


class FakeDevice:
    """Component A is down until ``heal`` says otherwise; what is asked for is noted in ``calls``."""

    def __init__(self) -> None:
        self.recovery: dict[str, Any] = {}
        self.calls: list[str] = []
        self.known: list[dict[str, Any]] = []
        self.state = "failed"
        self.since = 0
        self.on_rollback: Callable[[], None] = lambda: None
        self.config_error: BusError | None = None
        self.preview: dict[str, Any] | BusError = {"to": 4, "components": [{"component": "A", "from": "2", "to": "1"}]}

    def units(self) -> list[UnitStatus]:
        return [
            UnitStatus("ggl.A", "A", "2.0.0", "main", self.state, "running", wanted=True, main_pid=1, since=self.since)
        ]

    def is_stopping(self) -> bool:
        return False

    def restart(self, names: list[str]) -> None:
        self.calls.append(f"restart {names[0]}")

    def policy(self, tries: int = 0) -> Any:
        if self.config_error is not None:
            raise self.config_error
        return {"settle": 0, **self.recovery}

    def deployments(self) -> list[dict[str, Any]]:
        return self.known

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        return next(each for each in self.known if each["deployment_id"] == deployment_id)

    def generations(self, tries: int = 0) -> list[dict[str, Any]]:
        return [{"number": 4, "current": False, "created": 1}, {"number": 5, "current": True, "created": 2}]

    def preview_rollback(self, component: str = "") -> dict[str, Any]:
        if isinstance(self.preview, BusError):
            raise self.preview
        return self.preview

    def roll_back(self, requested_by: str, component: str = "", to: int = 0) -> str:
        self.calls.append(f"rollback {component or to}")
        self.known.append({"deployment_id": "d", "status": "SUCCEEDED", "requested_by": requested_by})
        self.on_rollback()
        return "d"


class Scene:
    def __init__(self, directory: Path) -> None:
        self.device = FakeDevice()
        self.root = find_root(str(directory))
        self.store = Store(self.root.state)
        self.others: list[Recovery] = []
        self.store.save(Recovery("id", FAILURE, 1))

    def climb(self) -> Recovery:
        """Take up what is on the disk, as a fresh process does, and go on to the end."""
        climber = self.take_up()
        for _ in range(100):
            if climber.step() is None:
                return climber.recovery
        pytest.fail(f"it does not end: {climber.recovery}")

    def take_up(self) -> Climber:
        tools = Tools(self.root, self.device, lambda _seconds: False, lambda: self.others, lambda: None)  # type: ignore[arg-type]
        return Climber(self.store.under_way()[0], tools, self.store)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr("ggl.recoveryd.watch.WORD_SECONDS", 0.0)
    return Scene(tmp_path)


def rungs(recovery: Recovery) -> list[tuple[str, str]]:
    return [(rung.name, rung.outcome) for rung in recovery.rungs]


def heal(scene: Scene) -> None:
    scene.device.state = "active"


def test_the_previous_generation_helps(scene: Scene) -> None:
    scene.device.recovery = {"generation": True}
    scene.device.on_rollback = lambda: heal(scene)
    recovery = scene.climb()
    assert (recovery.outcome, rungs(recovery)) == ("recovered", [("generation", "recovered")])
    assert (recovery.generation, recovery.rungs[0].origin, recovery.rungs[0].target) == (5, "5", "4")


@pytest.mark.parametrize("name", ["generation", "rollback"])
def test_killed_after_asking_for_a_rollback_it_is_not_asked_for_again(scene: Scene, name: str) -> None:
    scene.device.recovery = {"generation": True} if name == "generation" else {"default": "rollback"}

    def kill() -> None:
        heal(scene)
        raise Killed

    scene.device.on_rollback = kill
    with pytest.raises(Killed):
        scene.climb()
    recovery = scene.climb()
    assert scene.device.calls == ["rollback 4" if name == "generation" else "rollback A"]
    assert (recovery.outcome, rungs(recovery)) == ("recovered", [(name, "recovered")])


def test_killed_before_it_was_heard_it_is_asked_for(scene: Scene) -> None:
    scene.device.recovery = {"generation": True}
    real, scene.device.roll_back = scene.device.roll_back, _killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        scene.climb()
    scene.device.roll_back = real  # type: ignore[method-assign]
    scene.device.on_rollback = lambda: heal(scene)
    assert rungs(scene.climb()) == [("generation", "recovered")]


def _killed(*_arguments: object, **_more: object) -> str:
    raise Killed


def test_an_answer_that_got_lost_is_looked_for_before_asking_again(scene: Scene) -> None:
    scene.device.recovery = {"generation": True}

    def lose() -> None:
        heal(scene)
        raise BusError(ErrorCode.TIMEOUT, "no answer")

    scene.device.on_rollback = lose
    assert rungs(scene.climb()) == [("generation", "recovered")]
    assert scene.device.calls == ["rollback 4"]


def test_a_generation_is_left_once_only(scene: Scene) -> None:
    scene.device.recovery = {"generation": True}
    first = scene.climb()
    assert rungs(first) == [("generation", "failed")]
    scene.others = [first]
    scene.store.save(Recovery("another", FAILURE, 2))
    second = scene.climb()
    assert second.rungs[0].message == "generation 5 was left for an older one before"
    assert scene.device.calls == ["rollback 4"]


def test_a_generation_that_is_old_is_not_to_blame(scene: Scene) -> None:
    scene.device.recovery = {"generation": {"within": 60}}
    assert scene.climb().rungs[0].message == "generation 5 was made more than 60 s ago"
    assert scene.device.calls == []


def test_where_there_is_nothing_to_go_back_to_the_rung_is_skipped(scene: Scene) -> None:
    scene.device.recovery = {"default": "rollback", "generation": True}
    scene.device.preview = BusError(ErrorCode.NOENTRY, "there is no older generation")
    assert rungs(scene.climb()) == [("rollback", "skipped"), ("generation", "skipped")]


def test_a_deployment_at_work_is_waited_for_and_may_settle_the_matter(scene: Scene) -> None:
    scene.device.recovery = {"default": "restart"}
    scene.device.known = [{"deployment_id": "x", "status": "IN_PROGRESS", "components": {"A": "2.0.0"}}]
    looks = 0

    def deployments() -> list[dict[str, Any]]:
        nonlocal looks
        looks += 1
        if looks == 5:
            heal(scene)
            scene.device.known[0]["status"] = "FAILED"
        return scene.device.known

    scene.device.deployments = deployments  # type: ignore[method-assign]
    recovery = scene.climb()
    assert (recovery.outcome, rungs(recovery)) == ("over", [("deployment", "recovered")])
    assert scene.device.calls == []


def test_a_deployment_that_does_not_include_it_is_not_waited_for(scene: Scene) -> None:
    scene.device.known = [{"deployment_id": "x", "status": "IN_PROGRESS", "components": {"B": "2.0.0"}}]
    assert rungs(scene.climb()) == []


def test_without_a_configuration_that_can_be_read_the_defaults_apply(scene: Scene) -> None:
    scene.device.recovery = {"default": "restart"}
    scene.device.config_error = BusError(ErrorCode.NOCONN, "gone")
    assert (scene.climb().outcome, scene.device.calls) == ("limp-home", [])


def test_killed_after_each_restart_no_restart_is_done_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.device.recovery = {"default": {"response": "restart", "attempts": 3, "delay": 0}}
    restart = scene.device.restart

    def restart_and_die(names: list[str]) -> None:
        restart(names)
        raise Killed

    monkeypatch.setattr(scene.device, "restart", restart_and_die)
    for _ in range(3):
        with pytest.raises(Killed):
            scene.climb()
    assert [rung.attempt for rung in scene.climb().rungs] == [1, 2, 3]
    assert scene.device.calls == ["restart ggl.A"] * 3


def test_an_error_of_our_own_ends_a_recovery_instead_of_repeating_it_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_arguments: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(climber_module, "next_move", break_down)
    assert scene.climb().outcome == "limp-home"


# -- the host's word comes later than the failure is seen --------------------------------------------------------------


def go_on(climber: Climber, steps: int = 10) -> list[tuple[str, str]]:
    for _ in range(steps):
        climber.step()
    return rungs(climber.recovery)


@pytest.fixture
def patient(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr("ggl.recoveryd.watch.WORD_SECONDS", 1000.0)
    return scene


def test_a_restart_has_failed_when_the_host_says_so_and_not_when_it_looks_so(patient: Scene) -> None:
    patient.device.recovery = {"default": {"response": "restart", "attempts": 2, "delay": 0}}
    climber = patient.take_up()
    assert go_on(climber) == [("restart", "")]
    patient.device.since = now() + 1  # it has failed again, and the host has not left word of that yet
    assert go_on(climber) == [("restart", "")]
    assert patient.device.calls == ["restart ggl.A"]
    climber.failed_again(replace(FAILURE, time=now() + 2))
    assert go_on(climber) == [("restart", "failed"), ("restart", "")]
    assert patient.device.calls == ["restart ggl.A"] * 2


def test_word_of_a_failure_that_came_before_a_restart_says_nothing_about_that(patient: Scene) -> None:
    patient.device.recovery = {"default": "restart"}
    climber = patient.take_up()
    assert go_on(climber) == [("restart", "")]
    climber.failed_again(replace(FAILURE, time=climber.recovery.rungs[0].begun - 1))
    assert go_on(climber) == [("restart", "")]
    heal(patient)
    assert go_on(climber, 1) == [("restart", "recovered")]


def test_what_fails_again_during_a_deployment_is_answered_when_the_host_has_left_word_of_it(patient: Scene) -> None:
    patient.device.recovery = {"default": "restart"}
    patient.device.known = [{"deployment_id": "x", "status": "IN_PROGRESS", "components": {"A": "2.0.0"}}]
    climber = patient.take_up()
    assert go_on(climber) == [("deployment", "")]
    patient.device.since = FAILURE.time + 1
    patient.device.known[0]["status"] = "SUCCEEDED"
    assert go_on(climber) == [("deployment", "")]
    climber.failed_again(replace(FAILURE, time=FAILURE.time + 2))
    assert go_on(climber) == [("deployment", "failed"), ("restart", "")]


def test_a_hook_that_was_cut_off_is_judged_by_a_failure_of_before_at_once_and_by_a_new_one_with_word_of_it(
    patient: Scene,
) -> None:
    begun = Recovery("id", FAILURE, 1).with_rung(Rung("hook", 2, "10-hook", 1, FAILURE.time))
    patient.store.save(begun)
    assert go_on(patient.take_up(), 1) == [("hook", "interrupted")]
    patient.store.save(begun)
    patient.device.since = FAILURE.time + 1
    climber = patient.take_up()
    assert go_on(climber) == [("hook", "")]
    climber.failed_again(replace(FAILURE, time=FAILURE.time + 2))
    assert go_on(climber, 1) == [("hook", "interrupted")]
