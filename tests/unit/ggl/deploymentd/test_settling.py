"""When the components of a deployment count as up."""

from __future__ import annotations

from ggl.deploymentd.settling import SETTLE, SETTLE_AFTER_ERROR, Settling


def told(settling: Settling, state: str, now: float, component: str = "A", **more: str | int) -> float | None:
    settling.tell([{"component": component, "state": state, **more}], now)
    return settling.remaining(now)


def test_a_component_is_up_when_it_is_running_or_finished() -> None:
    for state, up in (("NEW", None), ("STARTING", None), ("ERRORED", None), ("RUNNING", 0.0), ("FINISHED", 0.0)):
        assert told(Settling(["A"]), state, 5.0) == up


def test_all_must_be_up_and_others_do_not_count() -> None:
    settling = Settling(["A", "B"])
    assert told(settling, "RUNNING", 0.0) is None
    assert told(settling, "BROKEN", 0.0, "Other") is None
    assert told(settling, "RUNNING", 0.0, "B") == 0.0
    assert settling.broken == {}


def test_a_new_run_script_must_run_for_a_moment() -> None:
    settling = Settling(["A"], probation=["A"])
    assert told(settling, "RUNNING", 0.0) == SETTLE
    assert settling.remaining(SETTLE) == 0.0
    assert told(Settling(["A"], probation=["A"]), "FINISHED", 10.0) == 0.0


def test_where_starting_took_long_the_moment_is_longer() -> None:
    for milliseconds, settle in ((5, SETTLE), (100, 0.5), (5000, SETTLE_AFTER_ERROR)):
        settling = Settling(["A"], probation=["A"])
        told(settling, "STARTING", 0.0, since=7000)
        assert told(settling, "RUNNING", 0.0, since=7000 + milliseconds) == settle


def test_one_that_has_failed_must_last_longer() -> None:
    settling = Settling(["A"], probation=["A"])
    told(settling, "RUNNING", 10.0)
    assert told(settling, "ERRORED", 10.1) is None
    assert told(settling, "RUNNING", 11.0) == SETTLE_AFTER_ERROR


def test_a_broken_one_is_named_with_its_reason() -> None:
    settling = Settling(["A", "B"])
    told(settling, "BROKEN", 0.0, status_code="RUN_ERROR", reason="the run script exited with code 3")
    assert settling.broken == {"A": "RUN_ERROR the run script exited with code 3"}
    assert settling.waiting == {"A": "BROKEN (RUN_ERROR the run script exited with code 3)", "B": "unknown"}
