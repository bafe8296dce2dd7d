"""Whether what failed is up again, and stays up."""

from __future__ import annotations

import pytest

from ggl.host.status import UnitStatus
from ggl.recoveryd.record import Failure
from ggl.recoveryd.watch import FAILED, GONE, PENDING, UNTOLD, UP, Watch, Word, judge


def main(
    active: str, sub: str = "", *, wanted: bool = True, started: bool = True, result: str = "success"
) -> UnitStatus:
    return UnitStatus("ggl.A", "A", "1", "main", active, sub, result, wanted=wanted, started=started)


def install(active: str) -> UnitStatus:
    return UnitStatus("ggl.A.install", "A", "1", "install", active, wanted=True, started=True)


def core(active: str, *, started: bool = True, result: str = "success") -> UnitStatus:
    return UnitStatus("ggl.core.configd", active_state=active, started=started, result=result)


@pytest.mark.parametrize(
    ("units", "verdict"),
    [
        ([main("failed")], "failed"),
        ([main("inactive", "waiting"), install("failed")], "failed"),
        ([main("activating", "auto-restart")], "pending"),
        ([main("inactive", "waiting"), install("active")], "pending"),
        ([main("active", "running"), install("active")], "up"),
        ([main("inactive", "dead")], "done"),
        ([install("active")], "done"),
        ([main("failed", wanted=False)], "stopped"),
        ([main("inactive", "dead", wanted=False)], "stopped"),
        ([], "gone"),
        ([UnitStatus("ggl.A.uninstall", "A", "1", "uninstall", "failed")], "gone"),
    ],
)
def test_the_verdict_on_a_component(units: list[UnitStatus], verdict: str) -> None:
    others = [UnitStatus("ggl.B", "B", "1", "main", "failed"), core("failed")]
    assert judge(Failure("ggl.A", "A"), [*others, *units]) == verdict


@pytest.mark.parametrize(
    ("unit", "verdict"),
    [
        (core("failed"), "failed"),
        (core("active"), "up"),
        (core("inactive"), "done"),
        (core("inactive", result="exit-code"), "pending"),
        (core("inactive", started=False), "pending"),
    ],
)
def test_the_verdict_on_a_core_daemon(unit: UnitStatus, verdict: str) -> None:
    assert judge(Failure("ggl.core.configd"), [unit, main("failed")]) == verdict


def test_it_must_stay_up_with_the_same_process() -> None:
    watch = Watch(settle=10, timeout=100, now=0)
    assert watch.look(UP, 1, 1) == PENDING
    assert watch.look(UP, 2, 9) == PENDING
    assert watch.look(UP, 2, 18) == PENDING
    assert watch.look(PENDING, 0, 18.5) == PENDING
    assert watch.look(UP, 3, 19) == PENDING
    assert watch.look(UP, 3, 29) == UP


def test_what_does_not_come_up_in_time_has_failed_and_what_comes_late_may_settle() -> None:
    assert Watch(settle=10, timeout=100, now=0).look(PENDING, 0, 110) == FAILED
    watch = Watch(settle=10, timeout=100, now=0)
    assert watch.look(UP, 1, 109) == PENDING
    assert watch.look(UP, 1, 118) == PENDING
    assert watch.look(UP, 1, 119) == UP


def test_a_failure_without_word_of_it_is_believed_after_a_while() -> None:
    word = Word()
    assert word.look(FAILED, True, 1) == UNTOLD
    assert word.look(PENDING, True, 20) == PENDING
    assert word.look(FAILED, True, 40) == UNTOLD  # as if it were the first time
    assert word.look(FAILED, True, 69) == UNTOLD
    assert word.look(FAILED, True, 70) == FAILED
    assert word.look(GONE, True, 71) == GONE
    assert word.look(FAILED, False, 72) == FAILED
    assert Watch(settle=10, timeout=100, now=0).look(UNTOLD, 0, 1) == PENDING
