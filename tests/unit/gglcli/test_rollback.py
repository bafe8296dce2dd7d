"""``ggl rollback``: what the runtime is asked, and how generations are shown."""

from __future__ import annotations

import re

import pytest

from tests.unit.gglcli.test_deploy import SUCCESS

HELLO = "com.example.Hello"


def generation(number: int, **facts: object) -> dict:
    return {
        "number": number,
        "parent": number - 1,
        "current": False,
        "good": True,
        "created": 0,
        "type": "LOCAL",
        "name": "",
        "by": "me (ggl)",
        "components": {HELLO: f"1.{number}.0"},
        "changed": [HELLO],
        "removed": [],
        **facts,
    }


@pytest.fixture
def generations(runtime) -> list[dict]:
    runtime.generations = [
        generation(3, changed=[], type="IOT_JOBS", name="weekly"),
        generation(4, removed=["com.example.Old"]),
        generation(5, good=False, current=True),
    ]
    return runtime.generations


def test_the_generations_are_listed_with_the_newest_last(ggl, runtime, generations) -> None:
    cells = [re.split("  +", line.strip()) for line in ggl("rollback", "--list").out.splitlines()]
    assert cells == [
        ["GENERATION", "STATE", "AGE", "TYPE", "BY", "CHANGE"],
        ["3", "good", "-", "job", "weekly", "configuration only"],
        ["4", "good", "-", "local", "me (ggl)", f"{HELLO} 1.4.0, com.example.Old removed"],
        ["5", "current, failed", "-", "local", "me (ggl)", f"{HELLO} 1.5.0"],
    ]
    assert ggl("rollback", "--list", "--json").json == generations


def test_a_rollback_says_where_it_goes_and_is_followed(ggl, runtime, generations) -> None:
    runtime.progress = SUCCESS
    result = ggl("rollback", "--timeout", "90")
    assert result.code == 0
    assert runtime.calls[0][0] == "rollback"
    assert {key: value for key, value in runtime.calls[0][1].items() if key != "requested_by"} == {"timeout": 90.0}
    assert result.err.startswith("back to generation 4 (")
    assert result.err.endswith(f" old: {HELLO} 1.4.0)\n")
    assert result.out.splitlines()[-1] == "rollback 3f9a0000-0000-4000-8000-000000000001 SUCCEEDED in 2.0s"


def test_a_generation_or_a_component_can_be_named(ggl, runtime, generations) -> None:
    assert ggl("rollback", "--to", "3", "--component", HELLO, "--no-wait", "--json").json["status"] == "QUEUED"
    assert (runtime.calls[0][1]["to"], runtime.calls[0][1]["component"]) == (3, HELLO)


def test_a_dry_run_shows_the_difference(ggl, runtime) -> None:
    change = {"component": HELLO, "action": "update", "from": "1.5.0", "to": "1.4.0", "reasons": ["version"]}
    runtime.difference = {"components": [change], "configuration": [], "files": {}, "roots": {}}
    result = ggl("rollback", "--dry-run")
    assert result.code == 0
    assert result.out.startswith("the rollback to generation 4 would change:\n")
    assert f"{HELLO}  update  1.5.0  1.4.0  version" in result.out
    assert ggl("rollback", "--component", HELLO, "--dry-run", "--json").json["to"] == 4
    assert runtime.deployments == []


def test_a_rollback_that_fails_is_8(ggl, runtime) -> None:
    runtime.progress = [{"status": "FAILED", "cause": "it is broken", "finished": 1_795_315_202_000}]
    result = ggl("rollback")
    assert result.code == 8
    assert "rollback 3f9a0000-0000-4000-8000-000000000001 failed: it is broken" in result.err


def test_a_component_that_never_was_is_4(ggl, runtime, generations) -> None:
    result = ggl("rollback", "--component", "com.example.Helo")
    assert (result.code, result.err.count("there is no component 'com.example.Helo'")) == (4, 1)
    assert runtime.calls == []
    runtime.components.clear()
    assert ggl("rollback", "--component", HELLO, "--no-wait").code == 0


def test_a_rollback_is_called_one_from_the_beginning(ggl, runtime) -> None:
    assert ggl("rollback", "--no-wait").out == "rollback 3f9a0000-0000-4000-8000-000000000001 QUEUED\n"


def test_a_rollback_that_is_not_possible_is_8_in_a_dry_run_too(ggl, runtime) -> None:
    runtime.fail_preview = "its files are gone"
    result = ggl("rollback", "--dry-run")
    assert (result.code, result.err) == (8, "error: ggl rollback: its files are gone\n")


def test_list_goes_with_nothing_else(ggl, runtime) -> None:
    assert ggl("rollback", "--list", "--to", "3").code == 2


def test_generations_are_completed(ggl, runtime, generations) -> None:
    assert ggl("complete", "GENERATION").out.split() == ["3", "4", "5"]
