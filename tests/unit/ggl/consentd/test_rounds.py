"""When a round is over, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.consentd.answers import Deferral, Verdict, deferral_of, update_result, validation_result, verdict_of
from ggl.consentd.rounds import Round
from ggl.consentd.subscribers import Subscribers
from ggl.ipc.errors import IpcError
from ggl.values import InvalidValue


def updates(*asked: str) -> tuple[Round[Deferral], list[Any]]:
    over: list[Any] = []
    return Round(asked, lambda _answer: False, lambda round_: over.append(update_result(round_))), over


def validation(*asked: str) -> tuple[Round[Verdict], list[Any]]:
    over: list[Any] = []
    return Round(asked, lambda answer: not answer.accepted, lambda round_: over.append(validation_result(round_))), over


def test_the_longest_delay_counts() -> None:
    round_, over = updates("a", "b", "c")
    round_.answer("a", Deferral(0))
    round_.answer("b", Deferral(200, "busy"))
    assert not over
    round_.answer("c", Deferral(100))
    assert [result["recheck_after_ms"] for result in over] == [200]
    assert over[0]["replies"]["b"] == {"recheck_after_ms": 200, "message": "busy"}


def test_when_the_time_is_up_silence_is_no_delay() -> None:
    round_, over = updates("a", "b")
    round_.finish()
    round_.finish()
    assert over == [{"recheck_after_ms": 0, "replies": {}, "silent": ["a", "b"]}]


def test_a_rejection_ends_a_validation_and_an_acceptance_does_not() -> None:
    round_, over = validation("a", "b", "c")
    round_.answer("b", Verdict(True))
    assert not over
    round_.answer("c", Verdict(False, "why"))
    assert over == [{"rejected": {"c": "why"}, "accepted": ["b"], "silent": ["a"]}]


def test_a_round_waits_for_one_answer_of_those_who_were_asked() -> None:
    round_, over = updates("a", "b")
    assert round_.is_waiting_for("a")
    assert not round_.is_waiting_for("stranger")
    round_.answer("a", Deferral(0))
    for component in ("a", "stranger"):
        with pytest.raises(KeyError):
            round_.answer(component, Deferral(0))
    round_.discard()
    assert not round_.is_waiting_for("b")
    with pytest.raises(KeyError):
        round_.answer("b", Deferral(0))
    assert not over


def test_a_round_of_nobody_is_over_when_it_has_been_asked() -> None:
    round_, over = updates()
    assert not over
    round_.finish_if_answered()
    assert len(over) == 1


def test_what_a_component_answers() -> None:
    assert deferral_of({"deploymentId": "d", "recheckAfterMs": 5, "message": "m"}) == ("d", Deferral(5, "m"))
    assert deferral_of({"deploymentId": "d", "recheckAfterMs": -5}) == ("d", Deferral(0))
    assert deferral_of({"deploymentId": "d", "recheckAfterMs": None}) == ("d", None)
    report = {"deploymentId": "d", "status": "REJECTED", "message": "m"}
    assert verdict_of({"configurationValidityReport": report}) == ("d", Verdict(False, "m"))
    with pytest.raises(InvalidValue):
        deferral_of({"deploymentId": "d", "recheckAfterMs": "soon"})
    for report in ({}, {"deploymentId": "d"}, {"deploymentId": "d", "status": "MAYBE"}, {"status": "ACCEPTED"}):
        with pytest.raises(IpcError, match="InvalidArgumentsError"):
            verdict_of({"configurationValidityReport": report})


def test_the_oldest_stream_of_a_component_comes_first() -> None:
    subscribers: Subscribers[int] = Subscribers()
    for component, sink in (("b", 1), ("a", 2), ("b", 3)):
        subscribers.add(component, sink)
    assert (subscribers.components(), sorted(subscribers.sinks())) == (["a", "b"], [1, 2, 3])
    assert subscribers.first("b") == 1
    subscribers.remove("b", 1)
    assert subscribers.first("b") == 3
    subscribers.remove("b", 3)
    subscribers.remove("b", 3)
    assert "b" not in subscribers
