"""How a run ended: what systemd, the record and the wish say together."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.host.systemd.ending import Ending, Verdict, judge
from ggl.host.systemd.records import Run, Wish
from ggl.host.unit import Command, Limits, Start, Unit

STARTED = 100.0


def verdict(kind: str = "run", timeout: float | None = None, wish: Wish | None = None, **facts: Any) -> Verdict:
    """``facts``: what differs from a run whose script began, came up and is gone."""
    unit = Unit("ggl.a", start=(Start(kind, Command("", timeout=timeout)),), limits=Limits(memory=1000))
    of_run = {name: facts.pop(name) for name in ("began", "why", "lacking", "overdue") if name in facts}
    run = Run(kind=facts.pop("taken", kind), started=STARTED, **{"began": True, **of_run})
    return judge(unit, run, wish or Wish(), Ending(**{"up": True, **facts}))


def test_a_run_script_that_ended_with_0_has_finished() -> None:
    assert verdict(exit_code="exited", exit_status="0") == Verdict("success", "run")


@pytest.mark.parametrize("result", ["exit-code", "timeout"])
def test_it_has_also_when_systemd_complains_of_what_it_left_behind(result: str) -> None:
    ending = {"exit_code": "exited", "exit_status": "0", "service_result": result}
    assert verdict(timeout=60.0, seconds=3.0, **ending) == Verdict("success", "run")


def test_another_exit_code_is_an_error_of_its_phase() -> None:
    ending = {"service_result": "exit-code", "exit_code": "exited", "exit_status": "7"}
    assert verdict(**ending) == Verdict("exit-code", "run", 7, "exit code 7", True)
    assert verdict("startup", up=False, **ending) == Verdict("exit-code", "start", 7, "exit code 7", True)


def test_a_signal_from_outside_is_an_error_although_systemd_sees_none() -> None:
    assert verdict(exit_code="killed", exit_status="TERM") == Verdict("signal", "run", 15, "killed by signal 15", True)


def test_an_end_for_want_of_memory_says_so() -> None:
    found = verdict(exit_code="killed", exit_status="KILL", out_of_memory=True)
    assert found.text == "it used more memory than its limit of 1000 KB, and the kernel killed it"
    assert "memory" not in verdict(exit_code="killed", exit_status="TERM", out_of_memory=True).text


@pytest.mark.parametrize(
    "ending",
    [
        {"exit_code": "killed", "exit_status": "TERM"},
        {"service_result": "exit-code", "exit_code": "exited", "exit_status": "143"},
        {"service_result": "timeout", "exit_code": "killed", "exit_status": "KILL"},
        {"service_result": "watchdog", "exit_code": "killed", "exit_status": "TERM"},
        {"up": False, "lacking": True, "began": False, "why": "no memory"},
    ],
)
def test_what_was_asked_to_stop_has_stopped_however_it_did(ending: dict[str, Any]) -> None:
    assert verdict(asked=True, **ending) == Verdict("success", "stop")
    assert verdict(wish=Wish(stopped=STARTED + 1), **{"service_result": "success", **ending, "lacking": False}) in (
        Verdict("success", "stop"),
        Verdict("notified-error", "run", 0, "the component reported an error", True),
    )


def test_a_shutdown_script_that_took_too_long_is_said_of_the_stop() -> None:
    assert verdict(asked=True, overdue="did not finish within 1 s") == Verdict("timeout", "stop")


def test_an_error_that_the_component_reported_counts_in_its_run_only() -> None:
    said = Verdict("notified-error", "run", 0, "the component reported an error", True)
    assert verdict(wish=Wish(reported_error=STARTED + 1), asked=True) == said
    assert verdict(service_result="watchdog", exit_code="killed", exit_status="TERM") == said
    earlier = verdict(wish=Wish(reported_error=STARTED - 1), exit_code="exited", exit_status="0")
    assert earlier == Verdict("success", "run")


def test_limits_of_time() -> None:
    ending = {"service_result": "timeout", "exit_code": "exited", "exit_status": "0"}
    assert verdict(timeout=2.5, seconds=2.51, **ending) == Verdict(
        "timeout", "run", 0, "did not finish within 2.5 s", True
    )
    said = verdict("startup", 5.0, up=False, **ending)
    assert said == Verdict("timeout", "start", 0, "did not finish within 5 s", True)
    waited = verdict("oneshot", 5.0, up=False, began=False, why="no memory", **ending)
    assert waited.text == "did not finish within 5 s (no memory)"


def test_a_script_that_did_not_begin() -> None:
    ending = {"service_result": "exit-code", "exit_code": "exited", "exit_status": "203", "up": False}
    said = verdict(began=False, why="there is no user 'x'", **ending)
    assert said == Verdict("exec-failed", "start", 203, "there is no user 'x'", True)
    assert verdict(began=False, **ending).text == "it ended before the script began"


def test_what_is_lacking_is_no_error() -> None:
    ending = {"service_result": "exit-code", "exit_code": "exited", "exit_status": "204", "up": False}
    said = verdict(began=False, lacking=True, why="no memory", **ending)
    assert said == Verdict("", "start", 0, "not started yet: no memory")


def test_nothing_to_run_is_a_success() -> None:
    assert verdict(taken="", began=False) == Verdict("success", "start")
