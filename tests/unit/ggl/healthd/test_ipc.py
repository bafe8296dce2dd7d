"""What components are shown of other components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.healthd.ipc import component_details, in_dependency_order, methods
from ggl.healthd.lifecycle import RUNNING, Health


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


class Refusing:
    """Components of which the host does nothing that is asked of it; what it says is ``error``."""

    def __init__(self, error: BusError) -> None:
        self.error = error

    def ask(self, then: Callable[[], None], failed: Callable[[BusError], None]) -> None:
        then()

    def all(self) -> list[Health]:
        return []

    def get(self, component: str) -> Health | None:
        return Health(component, "1.0.0", RUNNING)

    def control(
        self, method: str, component: str, then: Callable[[], None], failed: Callable[[BusError], None]
    ) -> None:
        failed(self.error)


class Asked:
    """A request on the bus; ``answer`` is what it got."""

    trail = "t"
    answer: Any = None

    def defer(self) -> None:
        pass

    def reply(self, answer: Any) -> None:
        self.answer = answer


def error(shape: str, message: str) -> dict[str, Any]:
    return {"error": {"shape": shape, "message": message}}


@pytest.mark.parametrize(
    ("operation", "code", "answer"),
    [
        ("PauseComponent", ErrorCode.FAILURE, error("ServiceError", "Unable to pause the component: no")),
        ("ResumeComponent", ErrorCode.TIMEOUT, error("ServiceError", "Unable to resume the component: no")),
        ("PauseComponent", ErrorCode.INVALID, error("InvalidArgumentsError", "Component A is not running")),
        ("ResumeComponent", ErrorCode.INVALID, error("InvalidArgumentsError", "Component A is not paused")),
        ("RestartComponent", ErrorCode.FAILURE, {"response": {"restartStatus": "FAILED", "message": "no"}}),
        ("StopComponent", ErrorCode.FAILURE, {"response": {"stopStatus": "SUCCEEDED"}}),
    ],
)
def test_what_the_host_does_not_do(operation: str, code: ErrorCode, answer: dict[str, Any]) -> None:
    method = methods(Refusing(BusError(code, "no")), None)[f"aws.greengrass#{operation}"]  # type: ignore[arg-type]
    asked = Asked()
    method.handler(asked, {"component": "B", "request": {"componentName": "A"}})  # type: ignore[arg-type]
    assert asked.answer == answer
