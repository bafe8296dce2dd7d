"""Sums of what components ask for, and the lines of streams."""

from __future__ import annotations

from typing import Any

from gglcli.calls import MAX_SAMPLES, Summary
from gglcli.line import Line
from gglcli.output import plain


def item(component: str = "A", seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "kind": "call",
        "component": component,
        "operation": "aws.greengrass#PublishToTopic",
        "seconds": seconds,
        "error": "",
        "bytes_in": 10,
        "bytes_out": 1,
        **more,
    }


def test_times_are_those_that_so_many_calls_did_not_exceed() -> None:
    summary = Summary()
    for number in range(100, 0, -1):
        summary.add(item(seconds=number / 1000))
    [found] = summary.to_list()
    assert (found["calls"], found["p50_ms"], found["p99_ms"], found["max_ms"]) == (100, 50, 99, 100)
    assert (found["bytes_in"], found["bytes_out"]) == (1000, 100)


def test_events_have_no_times_and_ends_count_for_nothing() -> None:
    summary = Summary()
    summary.add(item(kind="subscription", seconds=0.5))
    summary.add(item(kind="event"))
    summary.add(item(kind="end", error="ServiceError"))
    summary.add(item("B", kind="event"))
    one, other = summary.to_list()
    assert (one["calls"], one["events"], one["errors"], one["p50_ms"]) == (1, 1, 1, 500)
    assert (other["component"], other["calls"], other["max_ms"]) == ("B", 0, None)


def test_the_longest_time_is_known_however_many_calls_there_were() -> None:
    summary = Summary()
    summary.add(item(seconds=9))
    for _ in range(MAX_SAMPLES * 5):
        summary.add(item(seconds=0.001))
    [found] = summary.to_list()
    assert found["max_ms"] == 9000
    assert found["p50_ms"] == 1


def test_a_line_stays_a_line() -> None:
    line = Line([("a\nb", "bad", 5), ("\x1b[2J\x9b\u202e", "", 0), ("grün", "name", 10)])
    assert plain(line) == "a b    �[2J��  grün"
