"""The table is the specification: what the host says about the units of a component, and what we call it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ggl.healthd.lifecycle import STATES, component_health, is_report_allowed
from ggl.host.status import UnitStatus

INSTALL = UnitStatus(
    name="ggl.org.sample.Heater.install", component="org.sample.Heater", version="1.2.0", phase="install"
)
MAIN = replace(INSTALL, name="ggl.org.sample.Heater", phase="main", install=INSTALL.name)


def unit(base: UnitStatus, words: str, **more: object) -> UnitStatus:
    """``active_state/sub_state result stage``, as in the tables below; everything but dead-and-new has been started."""
    states, result, stage = (*words.split(), "", "")[:3]
    active, _, sub = states.partition("/")
    told = replace(base, active_state=active, sub_state=sub, stage=stage, started=True, wanted=True)
    if result not in ("", "-"):
        told = replace(told, result=result)
    return UnitStatus(**{**told.to_dict(), **more})


def main(words: str, **more: object) -> UnitStatus:
    return unit(MAIN, words, **more)


def install(words: str, **more: object) -> UnitStatus:
    return unit(INSTALL, words, **more)


INSTALLED = install("active/exited")


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        # never started, or waiting for something
        (MAIN, "INSTALLED", "NONE"),
        (main("inactive/waiting"), "INSTALLED", "NONE"),
        (main("activating/waiting"), "INSTALLED", "NONE"),
        # on its way up
        (main("activating/start - start"), "STARTING", "NONE"),
        (main("active/running - run"), "RUNNING", "NONE"),
        (main("active/exited - start"), "RUNNING", "NONE"),
        # on its way down
        (main("deactivating/stop - stop"), "STOPPING", "NONE"),
        (main("deactivating/stop exit-code stop"), "STOPPING", "NONE"),
        # ended
        (main("inactive/dead - run"), "FINISHED", "NONE"),
        (main("inactive/dead timeout stop", wanted=False), "FINISHED", "NONE"),
        (main("inactive/dead signal run", wanted=False), "FINISHED", "NONE"),
        # an error, with another try to come
        (main("activating/auto-restart exit-code start"), "ERRORED", "STARTUP_ERROR"),
        (main("activating/auto-restart timeout start"), "ERRORED", "STARTUP_TIMEOUT"),
        (main("activating/auto-restart exec-failed start"), "ERRORED", "STARTUP_IO_ERROR"),
        (main("activating/auto-restart notified-error start"), "ERRORED", "STARTUP_ERROR"),
        (main("activating/auto-restart exit-code run"), "ERRORED", "RUN_ERROR"),
        (main("activating/auto-restart signal run"), "ERRORED", "RUN_ERROR"),
        (main("activating/auto-restart timeout run"), "ERRORED", "RUN_TIMEOUT"),
        (main("activating/auto-restart exec-failed run"), "ERRORED", "RUN_IO_ERROR"),
        (main("activating/auto-restart timeout stop"), "ERRORED", "SHUTDOWN_TIMEOUT"),
        (main("deactivating/recover timeout stop"), "ERRORED", "SHUTDOWN_TIMEOUT"),
        (main("deactivating/recover timeout stop", kind="run"), "ERRORED", "SHUTDOWN_TIMEOUT"),
        # the script that failed gives the code, whatever the state was; a report has no script
        (main("activating/auto-restart exit-code run", kind="startup"), "ERRORED", "STARTUP_ERROR"),
        (main("activating/auto-restart exec-failed start", kind="run"), "ERRORED", "RUN_IO_ERROR"),
        (main("activating/auto-restart notified-error run", kind="startup"), "ERRORED", "RUN_ERROR"),
        (main("inactive/dead exit-code run"), "ERRORED", "RUN_ERROR"),
        # given up
        (main("failed/failed exit-code run"), "BROKEN", "RUN_ERROR"),
        (main("failed/failed timeout start"), "BROKEN", "STARTUP_TIMEOUT"),
        (main("failed/failed start-limit-hit run"), "BROKEN", "RUN_ERROR"),
        # nothing to run: it is done as soon as it is up
        (main("active/exited", has_start=False), "FINISHED", "NONE"),
        (main("inactive/dead", has_start=False), "FINISHED", "NONE"),
    ],
)
def test_state_of_an_installed_component_follows_from_its_main_unit(status: UnitStatus, state: str, code: str) -> None:
    for installed in (None, INSTALLED, replace(INSTALLED, active_state="inactive", sub_state="dead")):
        health = component_health(status, installed)
        assert (health.state, health.status_code) == (state, code)


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        (INSTALL, "NEW", "NONE"),
        (install("inactive/waiting"), "NEW", "NONE"),
        (install("activating/start - start"), "NEW", "NONE"),
        (install("activating/auto-restart exit-code start"), "ERRORED", "INSTALL_ERROR"),
        (install("activating/auto-restart timeout start"), "ERRORED", "INSTALL_TIMEOUT"),
        (install("activating/auto-restart exec-failed start"), "ERRORED", "INSTALL_IO_ERROR"),
        (install("failed/failed exit-code start"), "BROKEN", "INSTALL_ERROR"),
        (install("failed/failed timeout start"), "BROKEN", "INSTALL_TIMEOUT"),
    ],
)
def test_until_it_is_installed_the_install_unit_tells_the_state(status: UnitStatus, state: str, code: str) -> None:
    for waiting in (MAIN, main("inactive/waiting"), None):
        health = component_health(waiting, status)
        assert (health.state, health.status_code) == (state, code)


def test_a_running_main_unit_counts_for_more_than_an_install_step_that_runs_anew() -> None:
    assert component_health(main("active/running - run"), install("activating/start - start")).state == "RUNNING"
    assert component_health(main("deactivating/stop - stop"), INSTALL).state == "STOPPING"


@pytest.mark.parametrize("left_over", [INSTALL, install("failed/failed exit-code start", restarts=2)])
def test_an_install_step_that_the_main_unit_does_not_have_any_more_does_not_count(left_over: UnitStatus) -> None:
    for words, state in (("inactive/dead - run", "FINISHED"), ("failed/failed exit-code run", "BROKEN")):
        alone = main(words, install="")
        assert component_health(alone, left_over) == component_health(alone, None)
        assert component_health(alone, left_over).state == state


def test_a_component_of_an_install_step_only_is_finished_once_installed() -> None:
    assert component_health(None, INSTALLED).state == "FINISHED"


def test_a_component_without_units_is_nobodys() -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        component_health(None, None)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (main("failed/failed exit-code run", exit_status=3), "run script exited with code 3; given up"),
        (main("activating/auto-restart signal run", exit_status=11), "run script was ended by SIGSEGV"),
        (main("activating/auto-restart signal run", exit_status=99), "signal 99"),
        (main("activating/auto-restart timeout start"), "startup script did not finish in time"),
        (main("activating/auto-restart notified-error run"), "component reported that it is in error"),
        (
            main("failed/failed timeout run", status_text="did not finish within 5 s"),
            "run script did not finish within 5 s",
        ),
        (main("failed/failed signal run", exit_status=9, status_text="killed by signal 9"), "ended by SIGKILL; given"),
        (
            main("failed/failed signal run", exit_status=9, status_text="it used more"),
            "ended by SIGKILL (it used more)",
        ),
        (main("failed/failed exec-failed run", status_text="no such user: heat"), "(no such user: heat)"),
    ],
)
def test_the_reason_says_which_script_failed_and_how(status: UnitStatus, reason: str) -> None:
    assert reason in component_health(status, INSTALLED).reason


def test_a_healthy_component_has_no_reason_and_a_waiting_one_says_for_what_it_waits() -> None:
    assert component_health(main("active/running - run"), None).reason == ""
    waiting = main("inactive/waiting", status_text="waiting for ggl.org.sample.Sensor")
    assert component_health(waiting, INSTALLED).reason == "waiting for ggl.org.sample.Sensor"
    delayed = main("activating/start - start", status_text="not started yet: cannot start a process")
    assert component_health(delayed, INSTALLED).reason == "not started yet: cannot start a process"


def test_a_paused_component_runs() -> None:
    health = component_health(main("active/running - run", paused=True), INSTALLED)
    assert (health.state, health.paused) == ("RUNNING", True)


def test_pid_restarts_and_version_are_taken_along() -> None:
    health = component_health(main("active/running", main_pid=42, restarts=2, since=7, revision="r"), INSTALLED)
    assert (health.pid, health.restarts, health.since, health.version) == (42, 2, 7, "1.2.0")
    assert health.revision == "r"


def test_reports_a_component_may_make_about_itself() -> None:
    allowed = {(state, report) for state in STATES for report in STATES if is_report_allowed(state, report)}
    assert allowed == {
        ("NEW", "ERRORED"),
        ("STARTING", "RUNNING"),
        ("STARTING", "ERRORED"),
        ("RUNNING", "ERRORED"),
        ("STOPPING", "ERRORED"),
    }
