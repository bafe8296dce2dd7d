"""What components are shown of other components."""

from __future__ import annotations

import pytest

from ggl.healthd.ipc import component_details, in_dependency_order
from ggl.healthd.lifecycle import Health


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        ({"a": [], "b": []}, ["a", "b"]),
        ({"a": ["b"], "b": ["c"], "c": []}, ["c", "b", "a"]),
        ({"a": ["c", "b"], "b": ["d"], "c": ["d"], "d": []}, ["d", "c", "b", "a"]),
        ({"a": ["elsewhere"]}, ["a"]),
        ({"a": ["b"], "b": ["a"], "c": ["c"]}, ["b", "a", "c"]),  # what cannot be in order is there all the same
    ],
)
def test_dependencies_come_first(dependencies: dict[str, list[str]], expected: list[str]) -> None:
    assert in_dependency_order(dependencies) == expected


def test_a_long_chain_of_dependencies() -> None:
    chain = {str(number): [str(number + 1)] for number in range(5000)}
    assert in_dependency_order(chain)[0] == "4999"


def test_a_component_of_which_the_configuration_knows_nothing() -> None:
    health = Health("A", "1.0.0", "NEW")
    bare = {"componentName": "A", "version": "1.0.0", "state": "NEW"}
    assert component_details(health, None) == bare
    assert component_details(health, {"configuration": "odd", "version": 7}) == bare
    assert component_details(health, {"configuration": {}}) == {**bare, "configuration": {}}
