"""Recipe variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.paths import Root
from ggl.recipe.variables import ComponentValues, Variables, interpolate, lookup

ROOT = Root(state=Path("/gg"), run=Path("/run/gg"), config=Path("/etc/gg"))
CONFIGURATION = {
    "port": 8080,
    "ratio": 0.5,
    "on": True,
    "none": None,
    "text": 'a "quoted" $x',
    "loop": {"seconds": 5, "gains": [1, 0.2], "name": "ä"},
    "a/b": {"~c": "escaped"},
    "Camel": "case",
    "nested": "{dep.b:configuration:/k}",
    "again": "{configuration:/port}",
}
VARIABLES = Variables(
    root=ROOT,
    own=ComponentValues("com.a", "1.2.3", CONFIGURATION),
    dependencies={"dep.b": ComponentValues("dep.b", "2.0.0", {"k": "v", "port": 1})},
    thing_name="thing-7",
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{artifacts:path}/x", "/gg/packages/artifacts/com.a/1.2.3/x"),
        ("{artifacts:decompressedPath}/z", "/gg/packages/artifacts-unarchived/com.a/1.2.3/z"),
        ("{work:path}", "/gg/work/com.a"),
        ("{kernel:rootPath}", "/gg"),
        ("{iot:thingName}", "thing-7"),
        ("-p {configuration:/port}", "-p 8080"),
        ("{configuration:/ratio}|{configuration:/on}|{configuration:/none}", "0.5|true|null"),
        ("{configuration:/text}", 'a "quoted" $x'),
        ("{configuration:/loop/gains}", "[1,0.2]"),
        ("{configuration:/loop/gains/1}", "0.2"),
        ("{configuration:/loop}", '{"gains":[1,0.2],"name":"ä","seconds":5}'),
        ("{configuration:/a~1b/~0c}", "escaped"),
        ("{configuration:/camel}", "case"),
        ("{dep.b:configuration:/k}", "v"),
        ("{dep.b:artifacts:path}", "/gg/packages/artifacts/dep.b/2.0.0"),
        ("{dep.b:artifacts:decompressedPath}", "/gg/packages/artifacts-unarchived/dep.b/2.0.0"),
        ("{dep.b:work:path}", "/gg/work/dep.b"),
        ("{dep.b:kernel:rootPath} {dep.b:iot:thingName}", "/gg thing-7"),
        ("{configuration:/nested}", "v"),
        ("{configuration:/again}", "{configuration:/port}"),
    ],
)
def test_a_variable_stands_for(text: str, result: str) -> None:
    assert interpolate(text, VARIABLES) == (result, [])


def test_the_empty_pointer_is_the_whole_configuration() -> None:
    variables = Variables(ROOT, ComponentValues("a", "1.0.0", {"b": [1, None], "a": "x"}))
    assert interpolate("{configuration:}", variables) == ('{"a":"x","b":[1,null]}', [])


@pytest.mark.parametrize(
    "text",
    ["${HOME:-/root}", "awk '{print $1}'", "f() { x:y; }", "{foo:bar}", "{a:b:c}", "{}", "{:}", "{configuration"],
)
def test_text_of_scripts_that_looks_similar_is_left_alone_silently(text: str) -> None:
    assert interpolate(text, VARIABLES) == (text, [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{configuration:/missing}", "configuration of com.a: there is no such value"),
        ("{configuration:/loop/gains/2}", "there is no such value"),
        ("{configuration:/loop/gains/01}", "there is no such value"),
        ("{configuration:port}", "begins with '/'"),
        ("{artifacts:nowhere}", "'artifacts' has no 'nowhere'"),
        ("{dep.c:configuration:/k}", "dep.c is no direct dependency of com.a"),
        ("{com.a:configuration:/port}", "com.a is no direct dependency"),
        ("{dep.b:configuration:/x}", "configuration of dep.b"),
    ],
)
def test_a_variable_without_a_value_stays_and_is_reported(text: str, reason: str) -> None:
    result, unresolved = interpolate(f"a {text} b", VARIABLES)
    assert result == f"a {text} b"
    assert [entry.reference for entry in unresolved] == [text]
    assert reason in str(unresolved[0])


def test_every_string_value_of_a_lifecycle_is_replaced_and_no_key() -> None:
    data = {"run": {"Script": "{iot:thingName}", "Timeout": 5, "{iot:thingName}": ["{work:path}", True]}}
    expected = {"run": {"Script": "thing-7", "Timeout": 5, "{iot:thingName}": ["/gg/work/com.a", True]}}
    assert interpolate(data, VARIABLES) == (expected, [])
    assert data["run"]["Script"] == "{iot:thingName}"


def test_unresolved_references_name_their_place() -> None:
    _, unresolved = interpolate({"run": {"Setenv": {"A": "{configuration:/x}"}}}, VARIABLES)
    assert [entry.path for entry in unresolved] == ["Lifecycle.run.Setenv.A"]


def test_component_configuration_keeps_its_configuration_references() -> None:
    text = "{configuration:/port} {dep.b:configuration:/k} {iot:thingName}"
    assert interpolate(text, VARIABLES, configuration=False) == (
        "{configuration:/port} {dep.b:configuration:/k} thing-7",
        [],
    )


def test_a_text_cannot_grow_without_bound() -> None:
    variables = Variables(ROOT, ComponentValues("a", "1.0.0", {"big": "x" * 100_000}))
    result, unresolved = interpolate("{configuration:/big}" * 1000, variables)
    assert len(result) <= 1024 * 1024
    assert "would grow" in unresolved[0].reason


@given(st.text(alphabet="{}:/.ab \n$", max_size=40))
def test_text_without_our_namespaces_never_changes(text: str) -> None:
    assert interpolate(text, VARIABLES) == (text, [])


@given(st.dictionaries(st.text(), st.integers() | st.text(), min_size=1))
def test_every_key_can_be_looked_up_by_its_pointer(document: dict[str, Any]) -> None:
    for key, value in document.items():
        assert lookup(document, "/" + key.replace("~", "~0").replace("/", "~1")) == value
