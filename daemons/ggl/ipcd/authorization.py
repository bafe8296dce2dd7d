"""Whether a component may do something: the decision over its access control policies. Pure.

Policies belong to the calling component and stand in its configuration::

    accessControl:
      aws.greengrass.ipc.pubsub:              # service id
        "com.example.Meter:pubsub:1":         # policy id, any text
          operations: ["aws.greengrass#PublishToTopic"]      # or "*"
          resources: ["meter/*/state"]

A request is allowed when one policy of the operation's service id names the operation and has a resource pattern that
covers the requested resource; there is no deny. In a pattern ``*`` stands for any run of characters, ``${*}``, ``${?}``
and ``${$}`` for the characters themselves, and ``{iot:thingName}`` for the device's thing name; a bare ``?`` and any
other ``${`` make the pattern invalid. For topics of AWS IoT Core, ``+`` and ``#`` in their proper places are wildcards
as in MQTT; for local topics they are plain text, so that subscribing to ``a/#`` takes a pattern that covers this text.

What cannot be understood grants nothing, and is complained about; the rest of the component's policies holds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ggl.ipc.model import MQTT, Operation

THING_NAME = "{iot:thingName}"
MAX_TEXT = 4096
"""Characters of a resource and of a pattern; nothing that can be named is longer. It bounds what a decision costs."""
_MAX_DECISIONS = 512


class Wildcard(Enum):
    ANY = "any run of characters"
    LEVEL = "one level of a topic"
    REST = "this level of a topic and all below it"


Pattern = tuple["str | Wildcard", ...]

_ESCAPES = {"${*}": "*", "${?}": "?", "${$}": "$"}
_KNOWN_KEYS = frozenset(("policydescription", "operations", "resources"))


@dataclass(frozen=True, slots=True)
class Grant:
    """One policy, as far as it is valid."""

    operations: frozenset[str]
    patterns: tuple[Pattern, ...]


@dataclass(slots=True)
class Policies:
    """What one component may do. Decisions are kept: a component asks for few things many times."""

    grants: Mapping[str, tuple[Grant, ...]] = field(default_factory=dict)
    """By service id."""
    _decided: dict[tuple[str, str], bool] = field(default_factory=dict)

    def allow(self, operation: Operation, resource: str) -> bool:
        """Whether the component may call ``operation`` (one with a service id) on ``resource``."""
        if not 0 < len(resource) <= MAX_TEXT:
            return False
        key = operation.short_name, resource
        decision = self._decided.get(key)
        if decision is None:
            decision = self._decide(operation, resource)
            if len(self._decided) >= _MAX_DECISIONS:
                self._decided.clear()
            self._decided[key] = decision
        return decision

    def _decide(self, operation: Operation, resource: str) -> bool:
        return any(
            any(covers(pattern, resource) for pattern in grant.patterns)
            for grant in self.grants.get(operation.service or "", ())
            if operation.name in grant.operations or "*" in grant.operations
        )


def parse_policies(access_control: Any, complain: Callable[[str], None], thing_name: str = "") -> Policies:
    """The policies in the value of ``accessControl`` (a map, or JSON text of one; ``None``: no policies)."""
    if isinstance(access_control, str):
        try:
            access_control = json.loads(access_control)
        except (ValueError, RecursionError):
            complain("accessControl is text, but no JSON")
            return Policies()
    if access_control is None:
        return Policies()
    if not isinstance(access_control, dict):
        complain("accessControl is no map")
        return Policies()
    grants: dict[str, tuple[Grant, ...]] = {}
    for service, policies in access_control.items():
        if not isinstance(policies, dict):
            complain(f"accessControl of {service} is no map of policies")
            continue
        found = (_parse_policy(service, name, policy, complain, thing_name) for name, policy in policies.items())
        grants[service] = tuple(grant for grant in found if grant is not None)
    return Policies(grants)


def _parse_policy(
    service: str, name: str, policy: Any, complain: Callable[[str], None], thing_name: str
) -> Grant | None:
    if not isinstance(policy, dict):
        complain(f"policy '{name}' is no map")
        return None
    members = {key.lower(): value for key, value in policy.items()}
    if unknown := members.keys() - _KNOWN_KEYS:
        # It may be meant to restrict the policy: whoever wrote it expects less to be allowed than we would allow.
        complain(f"policy '{name}' has the unknown member '{min(unknown)}'")
        return None
    operations, resources = members.get("operations"), members.get("resources")
    if not _is_text_list(operations) or not _is_text_list(resources):
        complain(f"policy '{name}' must have lists of text as its operations and resources")
        return None
    patterns = []
    for resource in resources or ():
        try:
            patterns.append(parse_pattern(resource.replace(THING_NAME, thing_name or THING_NAME), service == MQTT))
        except ValueError as error:
            complain(f"policy '{name}', resource '{resource}': {error}")
    return Grant(frozenset(operations or ()), tuple(patterns))


def _is_text_list(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(element, str) for element in value))


def parse_pattern(text: str, topics: bool = False) -> Pattern:
    """The parts of a resource pattern; with ``topics``, ``+`` and ``#`` are wildcards. Raises ``ValueError``."""
    if not text:
        raise ValueError("it is empty")
    if len(text) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT} characters")
    parts: list[str | Wildcard] = []
    literal = ""

    def add(wildcard: Wildcard) -> None:
        nonlocal literal
        if literal:
            parts.append(literal)
        if parts[-1:] != [Wildcard.ANY] or wildcard is not Wildcard.ANY:
            parts.append(wildcard)
        literal = ""

    position = 0
    while position < len(text):
        character = text[position]
        level_start = position == 0 or text[position - 1] == "/"
        at_end = position + 1 == len(text)
        if text.startswith("${", position):
            escape = text[position : position + 4]
            if escape not in _ESCAPES:
                raise ValueError("after '${' only '*}', '?}' or '$}' may follow")
            literal += _ESCAPES[escape]
            position += 4
            continue
        if character == "?":
            raise ValueError("a '?' must be written '${?}'")
        if character == "*":
            add(Wildcard.ANY)
        elif topics and character == "+" and level_start and (at_end or text[position + 1] == "/"):
            add(Wildcard.LEVEL)
        elif topics and character == "#" and level_start and at_end:
            literal = literal.removesuffix("/")  # a/# covers a as well
            add(Wildcard.REST if position else Wildcard.ANY)
        else:
            literal += character
        position += 1
    if literal:
        parts.append(literal)
    return tuple(parts)


def covers(pattern: Pattern, text: str) -> bool:
    """Whether ``pattern`` matches all of ``text``, in time proportional to the product of their lengths at worst."""
    length = len(text)
    positions = {0}
    for part in pattern:
        if part is Wildcard.ANY:
            positions = set(range(min(positions), length + 1))
        elif part is Wildcard.LEVEL:
            ends = (text.find("/", position) for position in positions)
            positions = {end if end >= 0 else length for end in ends}
        elif part is Wildcard.REST:
            return any(position == length or text[position] == "/" for position in positions)
        else:
            assert isinstance(part, str)
            positions = {position + len(part) for position in positions if text.startswith(part, position)}
        if not positions:
            return False
    return length in positions
