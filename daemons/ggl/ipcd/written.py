"""Access control policies as they are written, be they valid or not: for telling people what they meant. Pure.

What decides is ``ggl.ipcd.authorization``; here a misspelt policy is read the way its author may have meant it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ggl.ipc.model import MQTT, OPERATIONS, Operation
from ggl.ipcd.authorization import KNOWN_KEYS, SERVICES, THING_NAME, is_unknown
from ggl.ipcd.patterns import covers, parse_pattern
from ggl.ipcd.spelling import closest


@dataclass(frozen=True, slots=True)
class Written:
    """One policy. ``faults``: what has to be done to its members before any of it counts."""

    service: str
    policy: str
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    faults: tuple[str, ...] = ()


def read_written(access_control: Any) -> list[Written]:
    """All policies in the value of ``accessControl``."""
    if isinstance(access_control, str):
        try:
            access_control = json.loads(access_control)
        except (ValueError, RecursionError):
            return []
    if not isinstance(access_control, dict):
        return []
    return [
        _read(service, name, policy)
        for service, policies in access_control.items()
        if isinstance(policies, dict)
        for name, policy in policies.items()
    ]


def _read(service: str, name: str, policy: Any) -> Written:
    faults = []
    members: dict[str, tuple[str, ...]] = {"operations": (), "resources": ()}
    if not isinstance(policy, dict):
        return Written(service, name, (), (), ("make it a map",))
    for key, value in policy.items():
        meant = key.lower()
        if meant not in KNOWN_KEYS:
            near = closest(meant, KNOWN_KEYS)
            faults.append(f"write '{near}' for '{key}'" if near else f"take out '{key}', which nobody knows")
            meant = near
        if meant in members:
            if isinstance(value, str):
                faults.append(f"make '{key}' a list")
                members[meant] += (value,)
            elif isinstance(value, list):
                texts = tuple(element for element in value if isinstance(element, str))
                if len(texts) < len(value):
                    faults.append(f"make '{key}' a list of texts")
                members[meant] += texts
    return Written(service, name, members["operations"], members["resources"], tuple(faults))


def how_to_mend(
    written: Written, operation: Operation, resource: str, thing_name: str
) -> tuple[str, tuple[str, ...]] | None:
    """What to change in a policy for it to allow ``operation`` on ``resource``, after the resource in it that covers
    it; ``None`` if that is not what it was meant for."""
    faults = list(written.faults)
    if written.service != operation.service:
        if not is_unknown(written.service) or suggested_service(written.service) != operation.service:
            return None
        faults.append(f"write '{operation.service}' for '{written.service}'")
    if not {"*", operation.name} & set(written.operations):
        said = next((name for name in written.operations if suggested_operation(name) == operation.name), None)
        if said is None:
            return None
        faults.append(f"write '{operation.name}' for '{said}'")
    for text in written.resources:
        if _covers(text.replace(THING_NAME, thing_name or THING_NAME), resource, operation.service == MQTT):
            return text, tuple(faults)
    return None


def _covers(text: str, resource: str, topics: bool) -> bool:
    try:
        return covers(parse_pattern(text, topics), resource)
    except ValueError:
        return False


def suggested_service(name: str) -> str:
    """The service id that ``name`` was meant to be, or nothing."""
    return _closest(name, SERVICES)


def suggested_operation(name: str) -> str:
    """The full name of the operation that ``name``, which is none, was meant to be; or nothing."""
    return "" if name in OPERATIONS else _closest(name, OPERATIONS)


def _closest(name: str, known: Iterable[str]) -> str:
    meant = {_distinctive(each): each for each in known}
    return meant.get(closest(_distinctive(name), meant), "")


def _distinctive(name: str) -> str:
    """Without what all share, which would make everything look alike; in small letters."""
    name = name.rpartition("#")[2].casefold()
    return name.removeprefix("aws.").removeprefix("greengrass.").removeprefix("ipc.")
