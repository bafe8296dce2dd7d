"""Whether a component may do something: the decision over its access control policies. Pure.

Policies belong to the calling component and stand in its configuration::

    accessControl:
      aws.greengrass.ipc.pubsub:              # service id
        "com.example.Meter:pubsub:1":         # policy id, any text
          operations: ["aws.greengrass#PublishToTopic"]      # or "*"
          resources: ["meter/*/state"]

A request is allowed when one policy of the operation's service id names the operation and has a resource pattern (see
``patterns``) that covers the requested resource; there is no deny. ``{iot:thingName}`` in a pattern stands for the
device's thing name. Resources are compared as text: to subscribe to ``a/#`` takes a pattern that covers this text.

What cannot be understood grants nothing, and is complained about; the rest of the component's policies holds. An
operation or a service id that nobody knows is complained about, too; it cannot have been meant as a restriction, so it
spoils nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.ipc.model import MQTT, OPERATIONS, Operation
from ggl.ipcd.patterns import MAX_TEXT, Pattern, covers, parse_pattern

THING_NAME = "{iot:thingName}"
_MAX_DECISIONS = 512
_MAX_SHOWN = 256
"""Characters of a pattern in a message about it."""
KNOWN_KEYS = frozenset(("policydescription", "operations", "resources"))
SERVICES = frozenset(operation.service for operation in OPERATIONS.values() if operation.service)
_RESERVED = "aws."
"""What service ids begin with that are not for anybody to make up."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One policy, as far as it is valid. ``resources`` are the texts of ``patterns``, one each."""

    policy: str
    operations: frozenset[str]
    resources: tuple[str, ...]
    patterns: tuple[Pattern, ...]

    def names(self, operation: Operation) -> bool:
        return operation.name in self.operations or "*" in self.operations


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in an ``accessControl`` that is not as it should be; as a text, a line of the log."""

    text: str
    service: str = ""
    policy: str = ""
    unknown: str = ""
    """The name that nobody knows, of an operation or a service, if that is what is wrong."""

    def __str__(self) -> str:
        if self.policy:
            return f"policy '{self.policy}' of {self.service}: {self.text}"
        return f"accessControl of {self.service}: {self.text}" if self.service else f"accessControl: {self.text}"


Complain = Callable[[Problem], None]


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
            decision = self.reason(operation, resource) is not None
            if len(self._decided) >= _MAX_DECISIONS:
                self._decided.clear()
            self._decided[key] = decision
        return decision

    def reason(self, operation: Operation, resource: str) -> tuple[Grant, str] | None:
        """The first policy that allows ``operation`` on ``resource``, with the resource it has for it."""
        if 0 < len(resource) <= MAX_TEXT:
            for grant in self.grants.get(operation.service or "", ()):
                if grant.names(operation):
                    for text, pattern in zip(grant.resources, grant.patterns, strict=True):
                        if covers(pattern, resource):
                            return grant, text
        return None


def parse_policies(access_control: Any, complain: Complain, thing_name: str = "") -> Policies:
    """The policies in the value of ``accessControl`` (a map, or JSON text of one; ``None``: no policies)."""
    if isinstance(access_control, str):
        try:
            access_control = json.loads(access_control)
        except (ValueError, RecursionError):
            complain(Problem("it is text, but no JSON"))
            return Policies()
    if access_control is None:
        return Policies()
    if not isinstance(access_control, dict):
        complain(Problem("it is no map"))
        return Policies()
    grants: dict[str, tuple[Grant, ...]] = {}
    for service, policies in access_control.items():
        if is_unknown(service):
            complain(Problem("no operation has this service id", service, unknown=service))
        if not isinstance(policies, dict):
            complain(Problem("it is no map of policies", service))
            continue
        found = (_parse_policy(service, name, policy, complain, thing_name) for name, policy in policies.items())
        grants[service] = tuple(grant for grant in found if grant is not None)
    return Policies(grants)


def is_unknown(service: str) -> bool:
    """Whether ``service`` looks like one of Greengrass and is none; in any case, which counts for service ids."""
    return service not in SERVICES and service.lower().startswith(_RESERVED)


def _parse_policy(service: str, name: str, policy: Any, complain: Complain, thing_name: str) -> Grant | None:
    def problem(text: str) -> None:
        complain(Problem(text, service, name))

    if not isinstance(policy, dict):
        problem("it is no map")
        return None
    members = {key.lower(): value for key, value in policy.items()}
    if unknown := members.keys() - KNOWN_KEYS:
        # It may be meant to restrict the policy: whoever wrote it expects less to be allowed than we would allow.
        problem(f"it has the unknown member '{min(unknown)}', and counts for nothing")
        return None
    operations, resources = members.get("operations"), members.get("resources")
    if not _is_text_list(operations) or not _is_text_list(resources):
        problem("its operations and resources must be lists of text")
        return None
    for key in ("operations", "resources"):
        if not members.get(key):
            problem(f"it has no {key}, and allows nothing")
    for operation in unknown_operations(service, operations or ()):
        complain(Problem(f"{service} has no operation '{operation}'", service, name, operation))
    texts, patterns = [], []
    for text in resources or ():
        try:
            patterns.append(parse_pattern(text.replace(THING_NAME, thing_name or THING_NAME), service == MQTT))
            texts.append(text)
        except ValueError as error:
            problem(f"resource '{text[:_MAX_SHOWN]}': {error}")
    return Grant(name, frozenset(operations or ()), tuple(texts), tuple(patterns))


def unknown_operations(service: str, operations: list[str] | tuple[()]) -> list[str]:
    """Which of the names in a policy no operation of ``service`` has; none when we do not know the service at all."""
    known = {operation.name for operation in OPERATIONS.values() if operation.service == service}
    return [name for name in operations if known and name != "*" and name not in known]


def _is_text_list(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(element, str) for element in value))
