"""The configuration of recovery: what it means, and what is said about what means nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.recoveryd.policy import Policy, parse


def good(data: Any) -> Policy:
    policy, problems = parse(data)
    assert problems == []
    return policy


def test_without_a_configuration_nothing_is_done_but_hooks() -> None:
    policy = good(None)
    assert policy == Policy()
    assert policy.response("A").kind == "none"
    assert not policy.generation.enabled


def test_a_component_inherits_from_the_default_key_by_key() -> None:
    policy = good(
        {
            "default": {"response": "restart", "attempts": 5, "interval": 60},
            "components": {"A": {"response": "reinstall"}, "B": {"delay": 1}, "C": "stop", "D": {"script": "x"}},
        }
    )
    found = {name: policy.response(name) for name in "ABCDE"}
    assert {name: response.kind for name, response in found.items()} == {
        "A": "reinstall", "B": "restart", "C": "stop", "D": "script", "E": "restart",
    }  # fmt: skip
    assert [found[name].attempts for name in "ABE"] == [1, 5, 5]  # installing anew: once, unless asked otherwise
    assert [found[name].interval for name in "AB"] == [60.0, 60.0]
    assert [found[name].delay for name in "BE"] == [1.0, 10.0]


def test_numbers_may_be_written_as_digits() -> None:
    assert good({"settle": "3", "default": {"response": "Restart", "attempts": "2"}}).default.attempts == 2


@pytest.mark.parametrize(
    ("generation", "enabled"),
    [(True, True), (False, False), (None, False), ({"within": 60}, True), ({"enabled": False, "within": 60}, False)],
)
def test_the_previous_generation_must_be_asked_for(generation: Any, enabled: bool) -> None:
    assert good({"generation": generation}).generation.enabled is enabled


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("restart", "recovery must be a map, not the string 'restart'"),
        ({"defualt": {}}, "recovery.defualt is unknown and does nothing (there are components, default,"),
        ({"default": {"response": "reboot"}}, "recovery.default.response must be one of none, restart,"),
        ({"components": {"A": {"response": "script"}}}, "recovery.components.A.response is 'script', but there is no"),
        ({"components": {"A": {"attempts": 1.5}}}, "recovery.components.A.attempts must be a whole number from 0"),
        ({"components": {"A": {"attempts": True}}}, "recovery.components.A.attempts must be a whole number from 0"),
        ({"components": ["A"]}, "recovery.components must be a map, not a list"),
        ({"default": {"interval": 1e9}}, "recovery.default.interval must be a number of seconds from 0 up to 604800"),
        ({"hooks": {"timeout": 0}}, "recovery.hooks.timeout must be a number of seconds from 1 up to 86400, not 0"),
        ({"hooks": {"timeout": float("nan")}}, "recovery.hooks.timeout must be a number of seconds"),
        ({"generation": {"components": "A"}}, "recovery.generation.components must be a list of component names"),
        ({"settle": -1}, "recovery.settle must be a number of seconds"),
        ({"default": {"escalate": "no"}}, "recovery.default.escalate must be true or false, not the string 'no'"),
    ],
)
def test_what_is_wrong_is_said_and_counts_as_absent(data: Any, said: str) -> None:
    policy, problems = parse(data)
    assert len(problems) == 1
    assert problems[0].startswith(said)
    assert policy.response("A").kind == "none"
    assert policy.hooks.timeout == 300.0


def test_a_list_of_components_that_cannot_be_read_allows_none() -> None:
    assert parse({"generation": {"components": "A"}})[0].generation.components == ()
