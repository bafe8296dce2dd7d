"""``ggl config``: how places are written, what is printed, what is sent."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gglcli.commands.config import parse_value
from gglcli.errors import CliError
from gglcli.keys import format_key, parse_key


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/", []),
        ("/system/thingName", ["system", "thingName"]),
        ("com.example.Hello", ["services", "com.example.Hello", "configuration"]),
        ("com.example.Hello/", ["services", "com.example.Hello", "configuration"]),
        ("com.example.Hello/a/b", ["services", "com.example.Hello", "configuration", "a", "b"]),
        ("com.example.Hello/a~1b/c~0d", ["services", "com.example.Hello", "configuration", "a/b", "c~d"]),
    ],
)
def test_a_place_is_a_pointer_or_begins_with_a_component(text: str, path: list[str]) -> None:
    assert parse_key(text) == path


@given(st.lists(st.text(min_size=1), min_size=1))
def test_every_path_can_be_written(path: list[str]) -> None:
    assert parse_key(format_key(path)) == path


def test_an_empty_part_is_refused() -> None:
    with pytest.raises(CliError):
        parse_key("/a//b")


def test_a_value_is_json_or_else_a_text() -> None:
    assert parse_value("10") == 10
    assert parse_value("true") is True
    assert parse_value('{"a": [1]}') == {"a": [1]}
    assert parse_value("hello") == "hello"
    assert parse_value("10", string=True) == "10"


def test_what_was_meant_as_json_never_becomes_a_text() -> None:
    with pytest.raises(CliError, match="not valid JSON"):
        parse_value("{'a': 1}")


def test_scalars_are_printed_bare(ggl, runtime) -> None:
    runtime.config["system"] = {"name": "core 1", "port": 8883, "on": True, "none": None}
    assert ggl("config", "get", "/system/name").out == "core 1\n"
    assert ggl("config", "get", "/system/port").out == "8883\n"
    assert ggl("config", "get", "/system/on").out == "true\n"
    assert ggl("config", "get", "/system/none").out == "null\n"
    assert ggl("config", "get", "/system/name", "--json").out == '"core 1"\n'
    assert ggl("config", "list", "/system").out == "name\nport\non\nnone\n"


def test_set_sends_path_value_and_time(ggl, runtime) -> None:
    assert ggl("config", "set", "com.example.Hello/rate", "10").code == 0
    path = ["services", "com.example.Hello", "configuration", "rate"]
    assert runtime.calls == [("write", {"key_path": path, "value": 10})]
    assert runtime.config["services"]["com.example.Hello"]["configuration"] == {"rate": 10}


def test_a_value_older_than_what_is_there_is_told(ggl, runtime) -> None:
    ggl("config", "set", "com.example.Hello/rate", "10")
    result = ggl("config", "set", "com.example.Hello/rate", "5", "--timestamp", "7")
    assert result.code == 1
    assert "keeps its value" in result.err


def test_a_missing_key_is_4_and_the_nearest_place_is_named(ggl, runtime) -> None:
    runtime.config["services"] = {}
    for words in (["get", "com.example.Hello/a"], ["list", "com.example.Hello/a"], ["unset", "com.example.Hello/a"]):
        result = ggl("config", *words)
        assert result.code == 4
        assert "there is no key /services/com.example.Hello/configuration/a" in result.err
        assert "'ggl config list /services'" in result.err
    assert runtime.calls == []


def test_watch_prints_new_values_and_removals(ggl, runtime) -> None:
    runtime.config["system"] = {"a": 1}
    result = ggl("config", "watch", "/system", "--count", "2", "--json")
    changes = [json.loads(line) for line in result.out.splitlines()]
    assert [(change["key"], change["deleted"], change["value"]) for change in changes] == [
        ("/system", False, {"a": 1}),
        ("/system/gone", True, None),
    ]
    assert ggl("config", "watch", "/system", "--timeout", "0.05").code == 6


@pytest.mark.parametrize("value", ["5", "text", "[1]", "null"])
def test_nothing_but_a_map_takes_the_place_of_a_whole_configuration(ggl, runtime, value) -> None:
    result = ggl("config", "set", "com.example.Hello", value)
    assert result.code == 5
    assert "the configuration of com.example.Hello must be a map; name a key of it" in result.err
    assert runtime.calls == []


def test_an_empty_stdin_is_no_value(ggl, runtime, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    result = ggl("config", "set", "com.example.Hello/name", "-")
    assert result.code == 5
    assert "stdin is empty" in result.err
    assert runtime.calls == []
