"""Which rung comes next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ggl.recoveryd.ladder import Climb, Close, Move, Skip, attempts, leads_nowhere, left_before, next_move, tried
from ggl.recoveryd.policy import parse
from ggl.recoveryd.record import Failure, Recovery, Rung

NOW = 1_000_000_000
CORE = Recovery("c", Failure("ggl.core.configd"), NOW)
COMPONENT = Recovery("r", Failure("ggl.A", "A"), NOW)


def over(name: str, outcome: str = "failed", detail: str = "", age: float = 1, **more: Any) -> Rung:
    begun = NOW - int(age * 1000)
    return Rung(name, begun, detail, ended=begun + 1, outcome=outcome, **more)


def after(*rungs: Rung, of: Recovery = COMPONENT) -> Recovery:
    return replace(of, rungs=rungs)


def move(recovery: Recovery, configured: Any, *past: Recovery, hooks: tuple[str, ...] = ()) -> Move:
    return next_move(recovery, parse(configured)[0], past, hooks, NOW)


def test_the_ladder_from_the_bottom_to_the_top() -> None:
    configured = {"default": {"response": "restart", "attempts": 2, "delay": 7}, "generation": True}
    climbed: list[Rung] = []
    seen = []
    while isinstance(found := move(after(*climbed), configured, hooks=("b", "a")), Climb):
        seen.append(found)
        climbed.append(over(found.name, detail=found.detail))
    assert seen == [
        Climb("restart", attempt=1),
        Climb("restart", attempt=2, delay=7.0),
        Climb("generation"),
        Climb("hook", "a", attempt=1),
        Climb("hook", "b", attempt=1),
    ]
    assert found == Close("limp-home", "nothing helped; everything else goes on")


def test_without_a_configuration_and_hooks_there_is_nothing_to_climb() -> None:
    assert move(COMPONENT, None) == Close(
        "limp-home", "no response is configured and there are no hooks; everything else goes on"
    )


def test_a_core_daemon_has_no_response_and_goes_back_only_when_that_is_configured_for_it() -> None:
    configured: dict[str, Any] = {"default": "restart", "generation": {"enabled": True}}
    assert move(CORE, configured, hooks=("a",)) == Climb("hook", "a", attempt=1)
    configured["generation"]["core"] = True
    assert move(CORE, configured, hooks=("a",)) == Climb("generation")


def test_the_generation_may_be_for_some_components_only() -> None:
    assert move(COMPONENT, {"generation": {"components": ["A"]}}) == Climb("generation")
    assert isinstance(move(COMPONENT, {"generation": {"components": ["B"]}}), Close)


def test_a_component_that_is_not_to_escalate_stays_down() -> None:
    configured = {"components": {"A": {"escalate": False}}, "generation": True}
    assert move(COMPONENT, configured, hooks=("a",)).__class__ is Close


def test_a_limit_counts_over_all_recoveries_of_the_component() -> None:
    configured = {"default": {"response": "restart", "attempts": 2, "interval": 100}}
    recent, old = after(over("restart", age=99)), after(over("restart", age=101))
    other = replace(after(over("restart")), failure=Failure("ggl.B", "B"))
    assert move(COMPONENT, configured, old, recent, other) == Climb("restart", attempt=2)
    assert move(COMPONENT, configured, recent, recent) == Skip("restart", "the limit is reached: 2 in the last 100 s")
    # After the skip it goes on, and does not come back to it.
    skipped = after(over("restart", "skipped"))
    assert move(skipped, configured, recent, recent, hooks=("a",)) == Climb("hook", "a", attempt=1)


def test_what_was_done_in_the_future_counts() -> None:
    """The clock was set back: limits must not forget."""
    assert attempts([after(over("restart", age=-5000))], "A", "restart", 100, NOW) == 1


def test_hooks_have_a_limit_of_their_own_for_each_recovery_not_for_each_hook() -> None:
    configured = {"hooks": {"attempts": 2}}
    earlier = [replace(after(over("hook", detail="a"), over("hook", detail="b")), id=name) for name in ("1", "2")]
    assert move(COMPONENT, configured, earlier[0], hooks=("a",)) == Climb("hook", "a", attempt=2)
    assert move(COMPONENT, configured, *earlier, hooks=("a",)) == Skip(
        "hook", "the limit is reached: 2 in the last 3600 s"
    )
    # One that has begun with them goes through.
    assert move(after(over("hook", detail="a")), configured, *earlier, hooks=("a", "b")) == Climb("hook", "b", 3)


def test_a_hook_that_was_interrupted_is_not_run_again_even_if_another_was_put_before_it() -> None:
    recovery = after(over("hook", "interrupted", "20"))
    assert move(recovery, None, hooks=("10", "20", "30")) == Climb("hook", "30", attempt=1)


def test_what_was_left_once_is_remembered() -> None:
    past = [
        after(over("generation", origin="5", target="4", deployment_id="d")),
        after(over("generation", "skipped", origin="6")),
        after(over("rollback", origin="1.1.0", target="1.0.0", deployment_id="d")),
    ]
    assert left_before(past, "generation") == {"5"}
    assert left_before(past, "rollback", "A") == {"1.1.0"}
    assert left_before(past, "rollback", "B") == set()


def test_the_same_failure_with_nothing_to_try_is_the_same_story() -> None:
    before = replace(after(over("restart")), closed=1, outcome="limp-home")
    again = replace(COMPONENT, id="n", closed=2, outcome="limp-home")
    assert leads_nowhere(again, [before])
    assert leads_nowhere(replace(again, rungs=(over("restart", "skipped"),)), [before])
    assert not leads_nowhere(replace(again, rungs=(over("restart"),)), [before])
    assert not leads_nowhere(again, [replace(before, outcome="recovered")])
    assert not leads_nowhere(replace(again, failure=Failure("ggl.A", "A", "2.0.0")), [before])
    assert not leads_nowhere(again, [])


def test_hooks_are_told_what_was_tried() -> None:
    assert tried([over("restart"), over("generation", "skipped"), Rung("hook", NOW, "a")]) == (
        "restart:failed generation:skipped"
    )
