"""Sums of what components ask for, and the lines of streams."""

from __future__ import annotations

from typing import Any

import pytest

from gglcli import output
from gglcli.calls import MAX_SAMPLES, Summary, call_line
from gglcli.line import Line, cells, cut
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


# -- lines on a terminal -----------------------------------------------------------------------------------------------

EVENT = {"kind": "event", "operation": "aws.greengrass#SubscribeToConfigurationUpdate", "interface": "gg_config"}
SEEN = [
    item("com.example.Meter", resources=["t/1"], interface="gg_pubsub", time=1, pid=1, message=""),
    item("c" * 100, resources=["日本/" * 300, "b"], interface="com.example.Greeter@1", time=2, pid=4194304, message=""),
    item(resources=["x"], time=3, pid=2, interface="", error="ResourceNotFoundError", message="Key not found " * 30),
    item(resources=["\x1b[2J\n" * 200], time=3, pid=2, interface="", error="UnauthorizedError", message="m" * 500),
    item(resources=[], time=4, pid=3, message="", **EVENT),
]


@pytest.mark.parametrize("columns", [60, 80, 100, 130, 160, 250])
def test_columns_stand_below_each_other_and_nothing_is_wider_than_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    starts = set()
    for each in SEEN:
        line = call_line(each, columns)
        first, *below = plain(line).split("\n")
        assert [cells(text) <= columns for text in (first, *below)] == [True] * (1 + len(below))
        assert len(below) == (each["message"] != "" and each["error"] != "UnauthorizedError")
        assert all(cells(text) <= width for text, _style, width in line.parts)
        starts.add(tuple(width for _text, _style, width in line.parts))
    [widths] = starts
    assert len(widths) == (8 if columns >= 160 else 6)
    assert min(widths) >= 6


def test_a_pipe_gets_everything_on_one_line() -> None:
    text = plain(call_line(SEEN[2], None))
    assert "Key not found " * 30 in text + " "
    assert "\n" not in text
    assert "日本/" * 300 in plain(call_line(SEEN[1], None))


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcdefgh", 6, "ab…fgh"),
        ("日本語日本語", 7, "日…語"),
        ("a\x1b" * 50, 5, "a�…a�"),
        ("abcdef", 2, "ab"),
    ],
)
def test_the_middle_is_left_out(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert cells(cut(text, width)) <= width
