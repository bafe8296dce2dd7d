"""What a case is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.compat.clients import Error

if TYPE_CHECKING:
    from tests.compat.scene import Scene

V1, V2, JS, C = "Python V1", "Python V2", "JavaScript", "C habits"
CLIENTS = (V1, V2, JS, C)
SDKS = (V1, V2, JS)

Action = Callable[["Scene"], Any]
"""Something that is done before, or in the course of, a case."""


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """A text that the pattern matches whole."""

    pattern: str


@dataclass(frozen=True)
class Having:
    """A map with these members, among others; or a list in which each of ``elements`` is found."""

    members: Mapping[str, Any] = field(default_factory=dict)
    elements: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Kind:
    """Any value of this type that satisfies ``accept``."""

    type: type[Any]
    accept: Callable[[Any], bool] = lambda _value: True


def fits(expected: Any, value: Any, exact_numbers: bool = True) -> bool:
    """Whether ``value`` is what a case expects; ``exact_numbers``: 1 and 1.0 differ."""
    if isinstance(expected, Match):
        return isinstance(value, str) and re.fullmatch(expected.pattern, value, re.DOTALL) is not None
    if isinstance(expected, Kind):
        kinds = expected.type if exact_numbers or expected.type is not float else (int, float)
        return isinstance(value, kinds) and expected.accept(value)
    if isinstance(expected, Having):
        if expected.elements:
            return isinstance(value, list) and all(
                any(fits(element, each, exact_numbers) for each in value) for element in expected.elements
            )
        return isinstance(value, dict) and all(
            key in value and fits(member, value[key], exact_numbers) for key, member in expected.members.items()
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(value, dict)
            and value.keys() == expected.keys()
            and all(fits(member, value[key], exact_numbers) for key, member in expected.items())
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(lambda one, other: fits(one, other, exact_numbers), expected, value))
        )
    if exact_numbers or isinstance(expected, bool) or not isinstance(expected, int | float):
        return type(value) is type(expected) and bool(value == expected)
    return type(value) in (int, float) and bool(value == expected)


# -- outcomes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A response with exactly these members."""

    members: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """An error of the model. ``message`` is a pattern; ``members`` are those beside the message."""

    shape: str
    message: str = ".+"
    members: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, error: Error) -> bool:
        """What the client does not tell of an error cannot be wrong."""
        if error.shape != self.shape:
            return False
        if error.message is not None and not re.fullmatch(self.message, error.message, re.DOTALL):
            return False
        return error.members is None or all(error.members.get(key) == value for key, value in self.members.items())


@dataclass(frozen=True)
class NotServed(Refusal):
    """The operation is in the model, and nobody serves it: a ServiceError that names it."""

    shape: str = "ServiceError"
    message: str = "Operation aws.greengrass#{operation} is not supported by Greengrass"


# -- callers -----------------------------------------------------------------------------------------------------------

SERVICES = (
    "aws.greengrass.ipc.pubsub",
    "aws.greengrass.ipc.mqttproxy",
    "aws.greengrass.ipc.lifecycle",
    "aws.greengrass.ipc.componentmetric",
    "aws.greengrass.Cli",
    "aws.greengrass.SecretManager",
    "aws.greengrass.ShadowManager",
    "aws.greengrass.clientdevices.Auth",
)
EVERYTHING = {service: {"everything": {"operations": ["*"], "resources": ["*"]}} for service in SERVICES}


@dataclass(frozen=True)
class Caller:
    """The component that asks. A name of its own for each case, unless it must have a certain one."""

    policies: Mapping[str, Any] | None = None
    """Its ``accessControl``; ``None``: it has none."""
    configuration: Mapping[str, Any] | None = field(default_factory=dict)
    """What else it has been configured with; ``None``: the runtime does not know it, though it has a token."""
    name: str = ""
    prefix: str = "com.example"


ALLOWED = Caller(EVERYTHING)
STRANGER = Caller()
UNKNOWN = Caller(configuration=None)


# -- cases -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """``do`` something, then the subscription must get exactly ``events``, in this order."""

    do: Action
    events: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Case:
    """``request`` and ``expect`` may hold names in braces (see ``Scene``)."""

    operation: str
    title: str
    request: Any
    expect: Answer | Refusal
    given: tuple[Action, ...] = ()
    then: tuple[Step | Action, ...] = ()
    """What follows an answer. Of a subscription, the client ends it afterwards, and nothing more may come."""
    caller: Caller = ALLOWED
    clients: tuple[str, ...] = CLIENTS
    unchecked: bool = False
    """The request lacks something, or is of wrong types: the client must not mind."""
    row: str = ""
    """Where it counts in the table, if not with its operation."""
    fault: str = ""
    """What is wrong with the runtime, as long as it is: the case must fail."""
    ends: bool = False
    """The subscription has been ended by ``then`` already."""
    loud: bool = False
    """More may come on it than ``then`` has looked at."""
