"""What a dry run says, from what was and what would be."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.deploymentd.activation import Activation
from ggl.deploymentd.contents import Contents, File
from ggl.deploymentd.current import Current
from ggl.deploymentd.difference import difference
from ggl.deploymentd.generation import Image
from ggl.host.unit import Command, Limits, Start, Unit


def main(component: str, script: str = "run", version: str = "1.0.0", **more: Any) -> Unit:
    revision = f"{script} {version} {more.pop('revision', '')}"
    start = (Start("run", Command(script)),)
    return Unit(
        f"ggl.{component}", component=component, version=version, phase="main", start=start, revision=revision, **more
    )


def install(component: str, script: str) -> Unit:
    start = (Start("oneshot", Command(script)),)
    return Unit(f"ggl.{component}.install", component=component, phase="install", start=start, revision=script)


def files(**digests: str) -> Contents:
    return Contents({f"artifacts/{name}/1.0.0/file": File(digest, 0o550, None) for name, digest in digests.items()}, {})


def stamp(value: Any) -> Any:
    return {key: stamp(item) for key, item in value.items()} if isinstance(value, dict) else {"v": value, "t": 5}


def compare(
    before: list[Unit],
    after: list[Unit],
    *changed: str,
    old: Contents | None = None,
    new: Contents | None = None,
    **more: Any,
) -> dict[str, Any]:
    versions = {unit.component: unit.version for unit in after if unit.phase == "main"}
    services: dict[str, Any] = {unit.component: {"version": unit.version} for unit in before if unit.phase == "main"}
    for name, configuration in more.get("stored", {}).items():
        services[name]["configuration"] = configuration
    if "groups" in more:
        services["DeploymentService"] = {"GroupToRootComponents": more["groups"]}
    activation = Activation(
        versions=versions,
        units=tuple(after),
        contents=new or Contents(),
        removed=tuple(name for name in services if name not in versions and name != "DeploymentService"),
    )
    return difference(
        activation,
        Image({}, tuple(before), old or Contents()),
        Current(stamp(services)),
        changed,
        more.get("configurations", {}),
        more.get("roots", {}),
    )


@pytest.mark.parametrize(
    ("before", "after", "changed", "action", "reasons"),
    [
        ([], [main("A")], ("A",), "add", []),
        ([main("A")], [main("A")], (), "keep", []),
        ([main("A")], [main("A", "other")], ("A",), "restart", ["script"]),
        ([main("A")], [main("A", version="2.0.0")], ("A",), "update", ["version"]),
        ([main("A")], [main("A", user="u", revision="u")], ("A",), "restart", ["user"]),
        ([main("A")], [main("A", limits=Limits(5))], (), "limits", ["limits"]),
        ([main("A")], [main("A", stop=Command("stop"))], (), "keep", ["shutdown script"]),
        ([main("A"), install("A", "a")], [main("A"), install("A", "b")], ("A",), "reinstall", ["install script"]),
        ([main("A"), install("A", "a")], [main("A")], ("A",), "reinstall", ["install script"]),
        ([main("A")], [main("A")], ("A",), "restart", ["it is not up"]),
    ],
)
def test_what_happens_to_a_component_and_why(
    before: list[Unit], after: list[Unit], changed: tuple[str, ...], action: str, reasons: list[str]
) -> None:
    (entry,) = compare(before, after, *changed)["components"]
    assert (entry["action"], entry["reasons"]) == (action, reasons)


def test_another_file_is_a_reason_beside_others() -> None:
    shown = compare([main("A")], [main("A", "x")], "A", old=files(A="1", B="1"), new=files(A="2", C="1"))
    assert shown["components"][0]["reasons"] == ["script", "artifacts"]
    assert shown["files"] == {
        "added": ["artifacts/C/1.0.0/file"],
        "changed": ["artifacts/A/1.0.0/file"],
        "removed": ["artifacts/B/1.0.0/file"],
    }


def test_a_component_that_goes_has_no_new_version_and_no_configuration() -> None:
    shown = compare([main("A"), main("B")], [main("A")], configurations={"B": {"a": 1}})
    assert shown["components"][1] == {"component": "B", "action": "remove", "from": "1.0.0", "to": "", "reasons": []}
    assert shown["configuration"] == []


def test_configuration_is_compared_value_by_value() -> None:
    stored = {"A": {"same": 1, "gone": True, "deep": {"list": [1], "a/b": 1}}}
    configurations = {"A": {"same": 1, "new": None, "deep": {"list": [1, 2], "a/b": 2}}}
    shown = compare([main("A")], [main("A")], stored=stored, configurations=configurations)
    assert shown["components"][0]["action"] == "configure"
    assert shown["configuration"] == [
        {"component": "A", "key": "/deep/a~1b", "from": 1, "to": 2},
        {"component": "A", "key": "/deep/list", "from": [1], "to": [1, 2]},
        {"component": "A", "key": "/gone", "from": True},
        {"component": "A", "key": "/new", "to": None},
    ]


def test_roots_are_those_of_the_groups_that_differ() -> None:
    groups = {"g": {"A": {"version": "1.0.0"}, "B": {"version": "1.0.0"}}, "other": {"X": {"version": "1.0.0"}}}
    roots = {"g": {"A": "2.0.0", "C": "1.0.0"}, "other": {"X": "1.0.0"}}
    assert compare([], [], groups=groups, roots=roots)["roots"] == {
        "group": "g",
        "added": {"C": "1.0.0"},
        "changed": {"A": ["1.0.0", "2.0.0"]},
        "removed": {"B": "1.0.0"},
    }
