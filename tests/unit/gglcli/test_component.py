"""``ggl component``: what depends on what, limits, and pauses."""

from __future__ import annotations

from typing import Any

import pytest

from gglcli import output
from gglcli.dependencies import Dependencies, tree_table

HELLO = "com.example.Hello"


def healths(*names: str) -> dict[str, dict[str, Any]]:
    return {name: {"component": name, "version": "1.0.0", "state": "RUNNING"} for name in names}


def needs(**dependencies: list[str]) -> dict[str, Any]:
    return {name: {"dependencies": each} for name, each in dependencies.items()}


def outline(nodes: list[dict[str, Any]]) -> list[Any]:
    return [f"{node['component']}:{node['type']}" for node in nodes] + [
        outline(node["children"]) for node in nodes if node["children"]
    ]


DIAMOND = Dependencies(
    needs(
        top=["left:HARD", "right:SOFT"], left=["base:HARD"], right=["base:HARD"], base=["aws.greengrass.Nucleus:SOFT"]
    ),
    healths("base", "left", "right", "top"),
)


def test_a_tree_has_each_component_below_what_needs_it_and_expands_it_once() -> None:
    (top,) = DIAMOND.forest()
    left, right = top["children"]
    assert (left["component"], left["type"], right["component"], right["type"]) == ("left", "HARD", "right", "SOFT")
    assert left["children"][0]["children"][0]["state"] == "built in"
    assert (right["children"][0]["children"], right["children"][0]["repeated"]) == ([], True)


def test_dependents_are_the_other_way_round() -> None:
    assert outline(DIAMOND.dependents("base")) == ["left:HARD", "right:HARD", ["top:HARD"], ["top:SOFT"]]
    assert outline(DIAMOND.tree("left")) == ["base:HARD", ["aws.greengrass.Nucleus:SOFT"]]


def test_components_that_need_each_other_or_what_is_not_there_are_shown_all_the_same() -> None:
    circle = Dependencies(needs(a=["b:HARD"], b=["a:HARD", "gone:SOFT"]), healths("a", "b"))
    (a,) = circle.forest()
    (b,) = a["children"]
    assert [(node["component"], node["state"]) for node in b["children"]] == [
        ("a", "RUNNING"),
        ("gone", "not deployed"),
    ]


def test_a_tree_in_a_pipe_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [row[0] for row in tree_table(DIAMOND.forest(), "COMPONENT").rows]
    assert names[:4] == ["top", "  left", "    base", "      aws.greengrass.Nucleus"]
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    names = [row[0] for row in tree_table(DIAMOND.forest(), "COMPONENT").rows]
    assert names == ["top", "├─ left", "│  └─ base", "│     └─ aws.greengrass.Nucleus", "└─ right", "   └─ base …"]


def test_list_as_a_tree(ggl, runtime) -> None:
    runtime.components.append({**runtime.components[0], "component": "com.example.Base", "state": "FINISHED"})
    runtime.config["services"] = needs(**{HELLO: ["com.example.Base:HARD"]})
    lines = ggl("component", "list", "--tree").out.splitlines()
    assert [line.split() for line in lines] == [
        ["COMPONENT", "TYPE", "VERSION", "STATE"],
        [HELLO, "-", "1.2.0", "RUNNING"],
        ["com.example.Base", "HARD", "1.2.0", "FINISHED"],
    ]
    (tree,) = ggl("component", "list", "--tree", "--json").json
    assert tree["children"][0]["component"] == "com.example.Base"


def test_show_tells_limits_users_and_who_depends_on_it(ggl, runtime) -> None:
    runtime.components.append({**runtime.components[0], "component": "com.example.Top"})
    run_with = {"posixUser": "ggc_user", "systemResourceLimits": {"memory": 20480, "cpus": 1.5}}
    runtime.config["services"] = {
        HELLO: {"version": "1.2.0", "previousVersion": "1.1.0", "runWith": run_with},
        **needs(**{"com.example.Top": [f"{HELLO}:SOFT"]}),
    }
    data = ggl("component", "show", HELLO, "--json").json
    assert data["limits"] == {"memory": 20480, "cpus": 1.5, "enforced": False}
    assert (data["user"], data["previous_version"]) == ("ggc_user", "1.1.0")
    assert [node["component"] for node in data["dependents"]] == ["com.example.Top"]
    shown = ggl("component", "show", HELLO).out
    assert "20480 KB of memory, 1.5 processors, not enforced, see" in shown
    assert "com.example.Top:SOFT" in shown


def test_only_what_runs_can_be_paused_and_only_what_is_paused_resumed(ggl, runtime) -> None:
    assert ggl("component", "pause", HELLO).code == 0
    assert runtime.calls == [("pause", {"names": [f"ggl.{HELLO}"]})]
    assert "is not paused" in (refused := ggl("component", "resume", HELLO)).err
    assert refused.code == 5
    runtime.components[0]["paused"] = True
    assert "yes; 'ggl component resume" in ggl("component", "show", HELLO).out
    assert ggl("component", "list").out.splitlines()[1].endswith("paused")
    assert ggl("component", "resume", HELLO, "--json").json[0]["paused"] is True
    assert runtime.calls[-1] == ("resume", {"names": [f"ggl.{HELLO}"]})
    runtime.components[0].update(state="FINISHED", paused=False)
    refused = ggl("component", "pause", HELLO)
    assert (refused.code, "ggl component start" in refused.err) == (5, True)
