"""Why a resource pattern does not cover what its author thought it would: the mistakes that people make. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ggl.ipc.model import MQTT, Operation
from ggl.ipcd.authorization import THING_NAME, Policies
from ggl.ipcd.patterns import covers, parse_pattern

MAX_NEAR = 5
MAX_EXAMINED = 50
"""Resources of which it is found out why they do not cover what was asked for: those that begin like it."""


def nearest(policies: Policies, thing_name: str, operation: Operation, resource: str) -> list[dict[str, str]]:
    """Resources that nearly cover it, as maps policy, resource, why; the nearest first."""
    candidates = [
        (-_common(pattern, resource), grant.policy, pattern)
        for grant in policies.grants.get(operation.service or "", ())
        if grant.names(operation)
        for pattern in grant.resources
    ]
    candidates.sort(key=lambda candidate: candidate[0])
    found = []
    for common, policy, pattern in candidates[:MAX_EXAMINED]:
        why = why_not(pattern, resource, operation.service == MQTT, thing_name)
        near = {"policy": policy, "resource": pattern, "why": why or "it stands for other texts"}
        found.append(((not why, common), near))
    return [near for _rank, near in sorted(found, key=lambda entry: entry[0])[:MAX_NEAR]]


def _common(left: str, right: str) -> int:
    """Characters with which both begin."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def why_not(pattern: str, resource: str, topics: bool, thing_name: str = "") -> str:
    """Why a valid ``pattern`` does not cover ``resource``, if it is one of the mistakes that people make; or empty."""
    text = pattern.replace(THING_NAME, thing_name or THING_NAME)

    def would(changed: str, asked: str = resource, as_mqtt: bool = topics) -> bool:
        try:
            return covers(parse_pattern(changed, as_mqtt), asked)
        except ValueError:
            return False

    for covering, why in _mistakes(text, resource, topics, would):
        if covering:
            return why
    if THING_NAME in pattern:
        if not thing_name:
            return f"{THING_NAME} stands for itself, since this device has no thing name yet"
        if would(pattern.replace(THING_NAME, "*")):
            return f"{THING_NAME} is '{thing_name}' here"
    elif "{" in text and would(_without_variables(text)):
        return "a variable in braces stands for itself here"
    return ""


def _mistakes(text: str, resource: str, topics: bool, would: Callable[..., bool]) -> Iterable[tuple[bool, str]]:
    if not topics:
        yield would(text, as_mqtt=True), "'+' and '#' are plain text here; only '*' is a wildcard"
    else:
        starred = "/".join("*" if level in ("+", "#") else level for level in text.split("/"))
        yield starred != text and would(starred), "'+' covers exactly one level, and '#' is a wildcard at the end only"
    yield would(text.casefold(), resource.casefold()), "upper and lower case are not the same"
    yield would(text.rstrip("/")), "it ends with '/'"
    yield would(text, "/" + resource), "it begins with '/'"
    yield would(text, resource + "/"), "it covers what is below, not the level itself"
    yield would(text, resource.strip("/")), "the '/' at an end of what was asked for counts"
    yield would(text.strip()), "it has white space at an end"
    for escaped in ("${*}", "${?}", "${$}"):
        yield escaped in text and would(text.replace(escaped, "*")), f"{escaped} stands for the character itself"
    if "+" in resource or "#" in resource:
        as_filter = "/".join("*" if level in ("+", "#") else level for level in resource.split("/"))
        yield would(as_filter, text), "it is less than the filter asks for, which is compared as text"


def _without_variables(text: str) -> str:
    from re import sub

    return sub(r"\{[^{}]*\}", "*", text)
