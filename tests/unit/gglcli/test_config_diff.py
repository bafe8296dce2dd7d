"""``ggl config diff`` against generations, and how trees are compared."""

from __future__ import annotations

from typing import Any

import pytest

from gglcli.trees import differences, merges, plain, stamp

HELLO = "com.example.Hello"
NUCLEUS = "aws.greengrass.NucleusLite"


@pytest.fixture
def generations(runtime, monkeypatch) -> list[dict[str, Any]]:
    """The deployment daemon's answers; the live configuration is that of ``runtime``."""
    stamped = {"rate": {"v": 5, "t": 1}, "name": {"v": "a", "t": 9}}
    known = [
        {"number": 3, "current": False, "configuration": {HELLO: {"rate": 1}, "com.example.Old": {"a": 1}}},
        {"number": 4, "current": True, "configuration": {HELLO: stamped}},
    ]

    def call(_interface: str, method: str, params: dict[str, Any] | None = None) -> Any:
        if method == "generations":
            return known
        return next(each for each in known if each["number"] == (params or {})["number"])

    monkeypatch.setattr("gglcli.commands.config_diff.call", call)
    runtime.config["system"] = {"thingName": "x"}
    runtime.config["services"] = {
        HELLO: {"version": "1.0.0", "configuration": {"rate": 7, "name": "a"}},
        NUCLEUS: {"version": "2.18.0", "componentType": "NUCLEUS", "configuration": {"awsRegion": "x"}},
        "DeploymentService": {"GroupToRootComponents": {}},
    }
    return known


def test_without_a_file_it_is_what_was_set_since_the_deployment(ggl, generations) -> None:
    result = ggl("config", "diff")
    assert result.code == 9
    assert result.out.splitlines() == [
        "--- generation 4",
        "+++ live configuration",
        f"-/services/{HELLO}/configuration/rate: 5",
        f"+/services/{HELLO}/configuration/rate: 7",
    ]


def test_nothing_set_since_is_no_output_and_0(ggl, runtime, generations) -> None:
    runtime.config["services"][HELLO]["configuration"]["rate"] = 5
    result = ggl("config", "diff")
    assert (result.code, result.out) == (0, "")
    assert result.err == "the nucleus is not compared: it was not deployed by this generation\n"
    assert ggl("config", "diff", "-k", HELLO).err == ""
    assert ggl("config", "diff", "--json").json == []


def test_components_that_came_or_went_since_a_generation_are_shown(ggl, generations) -> None:
    assert ggl("config", "diff", "-g", "3", "--json").json == [
        {"key": f"/services/{HELLO}/configuration/rate", "from": 1, "to": 7},
        {"key": f"/services/{HELLO}/configuration/name", "to": "a"},
        {"key": "/services/com.example.Old/configuration/a", "from": 1},
    ]
    only = ggl("config", "diff", "-g", "3", "-k", "com.example.Old", "--json").json
    assert [change["key"] for change in only] == ["/services/com.example.Old/configuration/a"]


def test_nothing_deployed_yet_is_4(ggl, generations) -> None:
    generations.clear()
    assert ggl("config", "diff").code == 4


def test_three_configurations_are_too_many(ggl, tmp_path) -> None:
    assert ggl("config", "diff", "-g", "3", "a", "b").code == 2


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"a": 1}, {"A": 1}, []),
        ({"a": 1}, {"a": True}, [{"key": "/a", "from": 1, "to": True}]),
        ({"a": {}}, {"a": {"b": 1}}, [{"key": "/a/b", "to": 1}]),
        ({"a": 1}, {"a": {}}, [{"key": "/a", "from": 1, "to": {}}]),
        ({"a": 1}, {"a": {"b": 2}}, [{"key": "/a", "from": 1}, {"key": "/a/b", "to": 2}]),
        ({"a": {"b": 2}}, {"a": None}, [{"key": "/a/b", "from": 2}, {"key": "/a", "to": None}]),
        ({"a": {"b": {}}}, {}, [{"key": "/a/b", "from": {}}]),
        ({"a/b~": [1]}, {"a/b~": [1.0]}, [{"key": "/a~1b~0", "from": [1], "to": [1.0]}]),
    ],
)
def test_trees_are_compared_value_by_value(before, after, changes) -> None:
    assert list(differences(before, after)) == changes


def test_a_stamped_tree_is_merged_with_one_write_for_each_time() -> None:
    tree = {"a": {"b": {"v": 1, "t": 5}, "c": {"v": [2], "t": 3}, "e": {}}, "d": {"v": None, "t": 5}}
    assert merges(tree) == [
        {"op": "write", "key_path": [], "value": {"a": {"e": {}}}, "timestamp": 0},
        {"op": "write", "key_path": [], "value": {"a": {"c": [2]}}, "timestamp": 3},
        {"op": "write", "key_path": [], "value": {"a": {"b": 1}, "d": None}, "timestamp": 5},
    ]
    assert plain(stamp({"a": {}, "v": 1, "t": 2}, 9)) == {"a": {}, "v": 1, "t": 2}


def test_an_unknown_format_is_refused(ggl, runtime) -> None:
    assert ggl("config", "dump", "--format", "xml").code == 2


def test_a_key_that_neither_side_has_is_4(ggl, generations) -> None:
    assert ggl("config", "diff", "-k", f"{HELLO}/nope").code == 4
    result = ggl("config", "diff", "-k", "/system")
    assert (result.code, result.err.count("a generation holds nothing but")) == (4, 1)


def test_keys_are_printed_as_they_are_stored(ggl, runtime, generations) -> None:
    key = f"/services/{HELLO}/configuration/rate"
    assert ggl("config", "diff", "-k", f"{HELLO}/RATE", "--json").json == [{"key": key, "from": 5, "to": 7}]
    runtime.fold_case = True
    dumped = ggl("config", "dump", "-k", f"{HELLO.upper()}/Rate", "--json").json
    assert dumped == {"services": {HELLO: {"configuration": {"rate": 7}}}}


def test_a_nucleus_that_was_deployed_is_compared(ggl, runtime, generations) -> None:
    generations[1]["configuration"]["aws.greengrass.Nucleus"] = {"awsRegion": "y"}
    result = ggl("config", "diff", "-k", NUCLEUS, "--json")
    assert result.json == [{"key": f"/services/{NUCLEUS}/configuration/awsRegion", "from": "y", "to": "x"}]


def test_a_dump_replaces_a_file_only_when_told_to(ggl, generations, tmp_path) -> None:
    file = tmp_path / "dump.yaml"
    file.write_text("mine")
    result = ggl("config", "dump", str(file))
    assert (result.code, file.read_text()) == (5, "mine")
    assert "use --force" in result.err
    assert ggl("config", "dump", str(file), "--force").code == 0
    assert "thingName: x" in file.read_text()
