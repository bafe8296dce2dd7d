"""What systemd's words say of a unit."""

from __future__ import annotations

from typing import Any

from ggl.host.systemd.properties import Properties


def after(*changes: dict[str, Any]) -> Properties:
    properties = Properties()
    for change in changes:
        properties = properties.updated({name: ("", value) for name, value in change.items()})
    return properties


def state(active: str, sub: str, job: int = 0) -> dict[str, Any]:
    return {"ActiveState": active, "SubState": sub, "Job": (job, "/")}


def test_what_matters_is_taken_and_the_rest_left() -> None:
    properties = after(
        {"MainPID": 7, "Result": "exit-code", "ExecMainCode": 1, "ExecMainStatus": 3, "NRestarts": 2},
        {"StateChangeTimestamp": 1_700_000_000_123_456, "InvocationID": [1, 255], "FreezerState": "frozen"},
        {"Names": ["a", "b"]},
    )
    assert (properties.main_pid, properties.result, properties.exit_code, properties.exit_status) == (
        7,
        "exit-code",
        1,
        3,
    )
    assert (properties.changed, properties.invocation, properties.frozen) == (1_700_000_000_123, "01ff", True)


def test_a_unit_that_has_a_process_already_is_not_down_whatever_its_state() -> None:
    assert after(state("inactive", "dead")).is_down
    assert after(state("failed", "failed")).is_down
    assert not after({"MainPID": 7}, state("inactive", "dead", 4)).is_down


def test_a_unit_came_up_in_this_run_or_in_an_earlier_one() -> None:
    assert not Properties().is_up_since_start
    assert not after({"InactiveExitTimestampMonotonic": 20, "ActiveEnterTimestampMonotonic": 10}).is_up_since_start
    assert after({"InactiveExitTimestampMonotonic": 20, "ActiveEnterTimestampMonotonic": 20}).is_up_since_start


def test_the_job_that_starts_a_unit_is_told_from_one_that_stops_it() -> None:
    start = [state("inactive", "dead", 4), state("activating", "start", 4)]
    assert not after(*start, state("deactivating", "stop-post", 4)).is_to_stop
    assert after(*start, state("activating", "start", 5), state("deactivating", "stop-sigterm", 5)).is_to_stop
    assert after(*start, state("active", "running"), state("active", "running", 6)).is_to_stop
    assert not after(*start, state("active", "running")).is_to_stop


def test_the_next_try_is_a_start() -> None:
    again = [
        state("activating", "auto-restart"),
        state("activating", "auto-restart", 8),
        state("activating", "start", 8),
    ]
    assert not after(*again, state("deactivating", "stop-post", 8)).is_to_stop


def test_a_restart_stops_and_then_starts() -> None:
    restart = [state("active", "running", 9), state("deactivating", "stop", 9)]
    assert after(*restart).is_to_stop
    assert not after(*restart, state("inactive", "dead", 9), state("deactivating", "stop-post", 9)).is_to_stop
