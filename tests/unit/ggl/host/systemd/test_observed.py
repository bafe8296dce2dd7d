"""What a component's unit is said to be, for each thing that systemd and the records can say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ggl.healthd.lifecycle import component_health
from ggl.host.systemd.observed import Facts, Observed, observe
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.records import Run, Wish
from ggl.host.unit import Command, Limits, Start, Unit

UNIT = Unit(name="ggl.A", component="A", phase="main", start=(Start("run", Command("x", timeout=7.0)),), revision="1")
INSTALL = replace(UNIT, name="ggl.A.install", phase="install", start=(Start("oneshot", Command("x")),))
BEGUN = Run(unit=UNIT.to_dict(), kind="run", started=10.0, began=True, invocation="i")
UP = Properties("loaded", "active", "running", main_pid=5, begun=100, came_up=200, invocation="i")
STARTING = replace(UP, active_state="activating", sub_state="start", came_up=0)
ENDING = replace(UP, active_state="deactivating", sub_state="stop-post", main_pid=0, went_down=8_000_000)
AGAIN = replace(ENDING, active_state="activating", sub_state="auto-restart")
FAILED = replace(ENDING, active_state="failed", sub_state="failed", result="exit-code")
DOWN = Properties()
WISH = Wish(started=True)


def seen(properties: Properties, run: Run = BEGUN, wish: Wish = WISH, **rest: Any) -> Observed:
    return observe(
        Facts(**{"unit": UNIT, "wanted": True, "now": 50.0, **rest}, properties=properties, run=run, wish=wish)
    )


def words(observed: Observed) -> tuple[str, str, str, str]:
    status = observed.status
    return status.active_state, status.sub_state, status.result, status.stage


def state(observed: Observed) -> str:
    return component_health(observed.status, None).state


def ended(result: str, stage: str, **rest: Any) -> Run:
    return replace(BEGUN, result=result, stage=stage, **{"up": stage == "run", **rest})


# -- the way up --------------------------------------------------------------------------------------------------------


def test_a_unit_that_was_only_loaded_is_down_and_not_ready() -> None:
    observed = seen(DOWN, Run(), Wish())
    assert words(observed) == ("inactive", "dead", "success", "")
    assert (observed.down, observed.ready, observed.status.started) == (True, False, False)
    assert state(observed) == "INSTALLED"


def test_a_unit_waits_for_what_is_missing_and_is_on_its_way_when_nothing_is() -> None:
    waiting = replace(WISH, waiting=True)
    observed = seen(DOWN, ended("success", "stop"), waiting, missing=("ggl.B", "ggl.C"))
    assert (*words(observed)[:2], observed.status.status_text) == ("inactive", "waiting", "waiting for ggl.B, ggl.C")
    assert (observed.down, observed.ready, state(observed)) == (True, False, "INSTALLED")
    assert words(seen(DOWN, Run(), waiting)) == ("activating", "start", "success", "start")
    assert words(seen(DOWN, Run(), waiting, stopping=True))[:2] == ("inactive", "dead")
    assert words(seen(DOWN, Run(), waiting, wanted=False))[:2] == ("inactive", "dead")


@pytest.mark.parametrize(
    "properties",
    [STARTING, replace(DOWN, main_pid=5, job=3), replace(FAILED, main_pid=5, job=3, invocation="next")],
    ids=["systemd says so", "process, but old state", "process, but failed before"],
)
def test_a_unit_with_a_process_that_is_not_up_is_starting(properties: Properties) -> None:
    observed = seen(properties, replace(ended("exit-code", "run"), invocation="before"))
    assert (words(observed), observed.down) == (("activating", "start", "success", "start"), False)


def test_a_start_that_was_asked_for_shows_before_systemd_has_begun() -> None:
    observed = seen(DOWN, ended("exit-code", "run", exhausted=True), request="start")
    assert words(observed) == ("activating", "start", "success", "start")
    assert (observed.down, observed.status.kind, observed.status.started) == (False, "run", True)


def test_what_is_lacking_is_told_while_it_starts_and_between_two_tries() -> None:
    lacking = replace(BEGUN, began=False, lacking=True, why="no memory")
    for properties in (STARTING, replace(ENDING, exit_code=1, exit_status=204), AGAIN):
        observed = seen(properties, lacking)
        assert words(observed) == ("activating", "start", "success", "start")
        assert observed.status.status_text == "not started yet: no memory"


def test_a_unit_that_is_up_runs_or_has_done_its_work() -> None:
    assert words(seen(UP)) == ("active", "running", "success", "run")
    observed = seen(replace(UP, sub_state="exited", main_pid=0))
    assert (words(observed), observed.ready) == (("active", "exited", "success", "run"), True)


def test_a_unit_without_anything_to_run_is_done_as_soon_as_it_is_up() -> None:
    empty = replace(UNIT, start=())
    up = replace(UP, sub_state="exited", main_pid=0)
    skipped = replace(BEGUN, kind="")
    for observed in (seen(up, Run(), unit=empty), seen(up, skipped)):
        assert (words(observed), observed.ready) == (("inactive", "dead", "success", "start"), True)
        assert state(observed) == "FINISHED"
    assert not seen(DOWN, Run(), Wish(), unit=empty).ready
    assert seen(DOWN, Run(), WISH, unit=empty).ready


# -- the way down ------------------------------------------------------------------------------------------------------


def test_a_stop_that_was_asked_for_shows_before_systemd_has_begun_and_until_its_job_is_over() -> None:
    for properties in (UP, ENDING, DOWN, FAILED):
        observed = seen(properties, request="stop")
        assert (words(observed), observed.down) == (("deactivating", "stop", "success", "stop"), False)


def test_somebody_elses_stop_shows_as_one_whatever_the_process_makes_of_it() -> None:
    for result, code, status in (("success", 0, 0), ("signal", 2, 9), ("exit-code", 1, 1), ("timeout", 2, 9)):
        properties = replace(ENDING, result=result, exit_code=code, exit_status=status, job=7)
        assert words(seen(properties)) == ("deactivating", "stop", "success", "stop")


def test_a_unit_that_ends_by_itself_without_an_error_finishes_and_stays_ready() -> None:
    for observed in (seen(replace(ENDING, exit_code=1)), seen(ENDING, ended("success", "run"))):
        assert words(observed) == ("deactivating", "stop", "success", "run")
        assert (observed.ready, state(observed)) == (True, "STOPPING")
    finished = seen(DOWN, ended("success", "run"))
    assert (words(finished), finished.ready) == (("inactive", "dead", "success", "run"), True)
    assert state(finished) == "FINISHED"


def test_an_overdue_shutdown_is_recovered_from_and_counts_as_finished() -> None:
    overdue = replace(BEGUN, overdue="did not finish within 2 s")
    for properties, request in ((replace(ENDING, job=7), ""), (ENDING, "stop")):
        observed = seen(properties, overdue, request=request)
        assert words(observed) == ("deactivating", "recover", "timeout", "stop")
        assert (observed.ready, state(observed)) == (False, "ERRORED")
    for properties, request in ((ENDING, ""), (DOWN, "stop")):
        observed = seen(properties, ended("timeout", "stop"), request=request)
        assert words(observed)[:2] == ("deactivating", "recover")
    done = seen(DOWN, ended("timeout", "stop", up=True), wanted=False)
    assert (words(done), done.ready) == (("inactive", "dead", "timeout", "stop"), True)
    assert state(done) == "FINISHED"


def test_a_unit_that_was_stopped_before_it_came_up_lets_nobody_start() -> None:
    assert not seen(DOWN, ended("success", "stop")).ready
    assert seen(DOWN, ended("success", "stop", up=True)).ready


def test_an_installation_that_was_stopped_is_as_good_as_none() -> None:
    run = replace(ended("success", "stop"), kind="oneshot")
    observed = seen(DOWN, run, unit=INSTALL)
    assert (observed.status.started, component_health(None, observed.status).state) == (False, "NEW")
    assert seen(DOWN, replace(run, up=True), unit=INSTALL).status.started


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "code", "status", "expected"),
    [
        ("exit-code", 1, 7, ("exit-code", 7, "exit code 7")),
        ("signal", 2, 9, ("signal", 9, "killed by signal 9")),
        ("success", 2, 15, ("signal", 15, "killed by signal 15")),
        ("core-dump", 3, 11, ("signal", 11, "killed by signal 11")),
        ("timeout", 2, 15, ("timeout", 0, "did not finish within 7 s")),
        ("watchdog", 2, 15, ("notified-error", 0, "the component reported an error")),
    ],
)
def test_a_run_that_has_failed_is_tried_again_from_the_first_moment(
    result: str, code: int, status: int, expected: tuple[str, int, str]
) -> None:
    observed = seen(replace(ENDING, result=result, exit_code=code, exit_status=status))
    shown = observed.status
    assert words(observed) == ("activating", "auto-restart", expected[0], "run")
    assert (shown.result, shown.exit_status, shown.status_text) == expected
    assert (observed.ready, observed.down, state(observed)) == (False, False, "ERRORED")


def test_a_kill_for_using_too_much_memory_is_told_as_that() -> None:
    limited = replace(UNIT, limits=Limits(memory=30))
    killed = replace(ENDING, result="signal", exit_code=2, exit_status=9)
    text = seen(killed, unit=limited, out_of_memory=True).status.status_text
    assert text == "it used more memory than its limit of 30 KB, and the kernel killed it"


def test_the_job_of_the_start_itself_makes_no_stop_of_an_error() -> None:
    properties = replace(ENDING, came_up=0, exit_code=1, exit_status=3, job=4, start_job=4)
    run = replace(BEGUN, kind="startup")
    assert words(seen(properties, run)) == ("activating", "auto-restart", "exit-code", "start")


def test_the_try_that_follows_is_counted_once() -> None:
    failing = replace(ENDING, exit_code=1, exit_status=3)
    before = seen(failing, replace(BEGUN, restarts=4), replace(WISH, restarts=2))
    after = seen(failing, ended("exit-code", "run", restarts=5), replace(WISH, restarts=2))
    assert before.status.restarts == after.status.restarts == 7


@pytest.mark.parametrize(
    ("failures", "reset", "restart", "gave_up"),
    [
        ([], 0.0, "on-failure", False),
        ([40.0], 0.0, "on-failure", False),
        ([40.0, 45.0], 0.0, "on-failure", True),
        ([40.0, 45.0], 42.0, "on-failure", False),
        ([-9000.0, -8000.0], 0.0, "on-failure", False),
        ([], 0.0, "no", True),
    ],
    ids=["first", "second", "third", "set back", "long ago", "no retry"],
)
def test_the_last_error_is_known_as_such_at_once(
    failures: list[float], reset: float, restart: str, gave_up: bool
) -> None:
    unit = replace(UNIT, restart=restart)
    observed = seen(
        replace(ENDING, exit_code=1, exit_status=3),
        replace(BEGUN, failures={"run": failures}),
        replace(WISH, reset=reset),
        unit=unit,
    )
    assert words(observed)[:2] == (("failed", "failed") if gave_up else ("activating", "auto-restart"))


def test_a_unit_passes_other_states_on_the_way_to_its_next_try() -> None:
    run = ended("exit-code", "run", exit_status=3, text="exit code 3")
    for properties in (ENDING, FAILED, AGAIN, replace(DOWN, job=9, start_job=9)):
        observed = seen(properties, run)
        assert words(observed) == ("activating", "auto-restart", "exit-code", "run")
        assert (observed.down, state(observed)) == (False, "ERRORED")


def test_a_unit_that_is_not_tried_again_after_all_was_stopped() -> None:
    run = ended("exit-code", "run", exit_status=3)
    for observed in (seen(DOWN, run), seen(FAILED, run, settled=True)):
        assert words(observed) == ("inactive", "dead", "success", "stop")
        assert (observed.down, state(observed)) == (True, "FINISHED")


def test_a_unit_that_was_given_up_stays_so_when_systemd_has_forgotten_it() -> None:
    run = ended("exit-code", "start", exit_status=3, text="exit code 3", exhausted=True)
    for properties in (ENDING, FAILED, DOWN):
        observed = seen(properties, run)
        assert words(observed) == ("failed", "failed", "exit-code", "start")
        assert (observed.down, state(observed)) == (properties.is_down, "BROKEN")


def test_a_stop_in_which_the_process_failed_is_no_failure() -> None:
    assert words(seen(FAILED, ended("success", "stop", up=True))) == ("inactive", "dead", "success", "stop")


def test_an_error_that_the_component_reports_counts_at_once_and_for_its_run_only() -> None:
    reported = replace(WISH, reported_error=11.0)
    run = replace(BEGUN, kind="startup")
    for properties, phase in ((UP, "run"), (STARTING, "start"), (replace(ENDING, job=3), "run")):
        assert words(seen(properties, run, reported)) == ("activating", "auto-restart", "notified-error", phase)
    assert words(seen(UP, replace(BEGUN, started=12.0), reported))[:2] == ("active", "running")
    assert words(seen(replace(STARTING, invocation="next"), BEGUN, reported))[:2] == ("activating", "start")


def test_a_unit_that_systemd_refuses_has_failed() -> None:
    observed = seen(DOWN, Run(), replace(WISH, problem="bad setting"))
    assert words(observed) == ("failed", "failed", "exec-failed", "start")
    assert (observed.status.status_text, state(observed)) == ("bad setting", "BROKEN")


def test_a_failure_that_no_step_has_seen_is_told_in_systemds_words() -> None:
    observed = seen(replace(FAILED, result="resources"), BEGUN)
    assert (words(observed), observed.down) == (("failed", "failed", "resources", "start"), True)


# -- definitions, limits, pauses ---------------------------------------------------------------------------------------


def test_what_runs_is_shown_with_its_own_definition_and_the_newest_ones_revision() -> None:
    new = replace(UNIT, version="2", revision="2", install="ggl.A.install")
    run = replace(BEGUN, unit=replace(UNIT, version="1").to_dict())
    status = seen(UP, run, unit=new).status
    assert (status.version, status.revision, status.install) == ("1", "2", "ggl.A.install")
    assert seen(DOWN, run, unit=new).status.version == "2"


def test_work_that_a_replaced_definition_has_done_does_not_count() -> None:
    run = replace(ended("success", "stop", up=True), kind="oneshot")
    assert not seen(ENDING, run, unit=INSTALL, outdated=True, request="stop").ready


def test_limits_hold_what_runs_if_the_kernel_can() -> None:
    limited = replace(UNIT, limits=Limits(memory=1))
    assert seen(UP, unit=limited).status.limited
    assert not seen(UP, unit=limited, can_limit=False).status.limited
    assert not seen(DOWN, unit=limited).status.limited
    assert not seen(UP).status.limited


def test_what_is_frozen_or_was_stopped_by_a_signal_is_paused_as_long_as_it_is_up() -> None:
    paused = replace(WISH, paused=True)
    assert seen(UP, wish=paused).status.paused
    assert seen(replace(UP, frozen=True)).status.paused
    assert not seen(DOWN, wish=paused).status.paused
