"""The transaction log of the Java nucleus is replayed as the nucleus would, and damage is told with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gglcli.migrate.tlog import replay
from gglcli.migrate.tree import BadSource

METER = ["services", "com.example.Meter", "configuration"]


def line(time: int, path: list[str], kind: str, value: Any = None) -> str:
    return json.dumps({"TS": time, "TP": path, "W": kind, "V": value}) + "\n"


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "config.tlog"
    path.write_text("".join(lines))
    return path


def test_a_log_becomes_the_tree_it_stands_for(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        line(1, ["services", "aws.greengrass.Nucleus", "configuration", "mqtt", "port"], "changed", 8883),
        line(100, ["system", "thingName"], "changed", "thing-7"),
        line(200, METER, "interiorAdded"),
        line(210, [*METER, "rate"], "changed", 5),
        line(210, [*METER, "tags"], "changed", ["a", {"b": 1}]),
        line(500, [*METER, "rate"], "changed", 9),
        line(400, [*METER, "rate"], "changed", 6),
        line(900, [*METER, "tags"], "timestampUpdated"),
        line(950, [*METER, "RATE"], "changed", 9),
        line(800, ["services", "com.example.Old"], "removed"),
        line(5, [*METER, "empty", "inside"], "interiorAdded"),
        line(5, ["services", "_AUTHENTICATION_TOKENS", "secret"], "changed", "x"),
        line(5, ["services"], "childChanged"),
    )
    tree, notes = replay(path)
    assert tree == {
        "services": {
            "aws.greengrass.Nucleus": {"configuration": {"mqtt": {"port": {"v": 8883, "t": 1}}}},
            "com.example.Meter": {
                "configuration": {
                    "rate": {"v": 9, "t": 500},
                    "tags": {"v": ["a", {"b": 1}], "t": 900},
                    "empty": {"inside": {}},
                }
            },
        },
        "system": {"thingName": {"v": "thing-7", "t": 100}},
    }
    assert notes == []


@pytest.mark.parametrize(
    ("lines", "tree"),
    [
        ([line(5, ["a", "b"], "changed", 1), line(4, ["a"], "removed")], {"a": {"b": {"v": 1, "t": 5}}}),
        ([line(5, ["a", "b"], "changed", 1), line(5, ["A"], "removed")], {}),
        (
            [line(5, ["a"], "changed", 1), line(6, ["a"], "removed"), line(2, ["a"], "changed", 3)],
            {"a": {"v": 3, "t": 2}},
        ),
        ([line(5, ["a"], "changed", 1), line(5, ["a"], "changed", 2)], {"a": {"v": 2, "t": 5}}),
        ([line(5, ["a"], "changed", 1), line(9, ["a"], "changed", 1)], {"a": {"v": 1, "t": 5}}),
        ([line(5, ["a"], "changed", 1), line(9, ["a"], "changed", 1.0)], {"a": {"v": 1.0, "t": 9}}),
        ([line(5, ["a"], "changed", 1), line(9, ["a"], "changed")], {"a": {"v": None, "t": 9}}),
        ([line(5, ["a"], "timestampUpdated")], {"a": {"v": None, "t": 5}}),
        ([line(5, ["a"], "changed", 1), line(1, ["a", "b"], "changed", 2)], {"a": {"b": {"v": 2, "t": 1}}}),
        ([line(5, ["a", "b"], "changed", 1), line(1, ["a"], "changed", 2)], {"a": {"v": 2, "t": 1}}),
    ],
)
def test_what_counts_is_time_then_order(tmp_path: Path, lines: list[str], tree: Any) -> None:
    assert replay(written(tmp_path, *lines))[0] == tree


@pytest.mark.parametrize("rest", ['{"TS":6,"TP":["b"],"W":"cha', "\0" * 100, '{"TS":6}'])
def test_a_last_line_that_was_cut_off_is_left_out(tmp_path: Path, rest: str) -> None:
    tree, notes = replay(written(tmp_path, line(5, ["a"], "changed", 1), rest))
    assert tree == {"a": {"v": 1, "t": 5}}
    assert notes == ["line 2, the last one, is cut off and was left out"]


def test_a_whole_last_line_counts_without_its_end(tmp_path: Path) -> None:
    tree, notes = replay(written(tmp_path, line(5, ["a"], "changed", 1).rstrip()))
    assert (tree, notes) == ({"a": {"v": 1, "t": 5}}, [])


def test_actions_nobody_knows_are_counted(tmp_path: Path) -> None:
    tree, notes = replay(written(tmp_path, *[line(5, ["a"], "moved")] * 2, line(5, ["a"], "changed", 1)))
    assert tree == {"a": {"v": 1, "t": 5}}
    assert notes == ["2 lines say 'moved', which means nothing here"]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        ("\n", "an empty line"),
        ("{\n", "not a JSON object"),
        ("[1]\n", "not a JSON object"),
        (line(-1, ["a"], "changed"), "'TS' is no time"),
        ('{"TS":1,"TP":[],"W":"changed"}\n', "'TP' is no list of keys"),
        ('{"TS":1,"TP":["a",2],"W":"changed"}\n', "'TP' is no list of keys"),
        ('{"TS":1,"TP":["a"]}\n', "'W' is no text"),
        (line(1, ["a"], "changed", {"b": 1}), "the value of a key is a map"),
    ],
)
def test_any_other_damage_names_file_line_and_remedy(tmp_path: Path, damaged: str, reason: str) -> None:
    path = written(tmp_path, line(5, ["a"], "changed", 1), damaged, line(6, ["a"], "changed", 2))
    with pytest.raises(BadSource) as caught:
        replay(path)
    assert caught.value.message.startswith(f"{path}, line 2: {reason}")
    assert "config.tlog~" in caught.value.remedy
