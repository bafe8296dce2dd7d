"""The deployment document: the one input of a deployment, wherever it comes from.

A cloud deployment brings its document along (``decode``); for a local one it is made when its turn comes (``local``).
``encode`` gives the form that is kept on disk, so that a deployment that was interrupted goes on with the very same
document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.configdb import MAX_TIMESTAMP
from ggl.deploymentd.update import (
    ComponentUpdate,
    choice,
    component_name,
    decode_update,
    encode_update,
    exact_version,
    fields,
)
from ggl.values import InvalidValue, describe, get_dict, get_float, get_int, get_str, get_str_list

DO_NOTHING = "DO_NOTHING"
ROLLBACK = "ROLLBACK"
NOTIFY = "NOTIFY_COMPONENTS"
SKIP_NOTIFY = "SKIP_NOTIFY_COMPONENTS"

GROUP_LIMIT = 128
"""Characters of a group's name, as in AWS IoT."""

DEFAULT_WAIT = 600.0
"""Seconds until every component must be up, where the request does not say."""

_DOCUMENT_FIELDS = (
    "deploymentId",
    "groupName",
    "onBehalfOf",
    "creationTimestamp",
    "deploymentName",
    "configurationArn",
    "failureHandlingPolicy",
    "componentUpdatePolicy",
    "configurationValidationPolicy",
    "requiredCapabilities",
    "waitTimeout",
    "components",
)


@dataclass(frozen=True)
class Document:
    """``roots`` is the group's complete list, name to exact version. Times: ``timestamp`` in milliseconds since the
    epoch, the others in seconds."""

    deployment_id: str
    group: str
    timestamp: int
    roots: Mapping[str, str] = field(default_factory=dict)
    updates: Mapping[str, ComponentUpdate] = field(default_factory=dict)
    name: str = ""
    configuration_arn: str = ""
    failure_policy: str = ROLLBACK
    update_action: str = NOTIFY
    update_timeout: float = 60.0
    validation_timeout: float = 60.0
    required_capabilities: tuple[str, ...] = ()
    wait_timeout: float = DEFAULT_WAIT


def decode(data: Mapping[str, Any]) -> Document:
    """A deployment document; keys in any case, unknown keys ignored. Raises ``InvalidValue``."""
    data = fields(data, *_DOCUMENT_FIELDS)
    roots: dict[str, str] = {}
    updates: dict[str, ComponentUpdate] = {}
    local = "groupName" in data
    for name, entry in get_dict(data, "components", {}).items():
        component_name(name)
        if not isinstance(entry, dict):
            raise InvalidValue(f"component '{name}' of the deployment document must be a map, not {describe(entry)}")
        component = fields(entry, "version", "configurationUpdate", "runWith")
        version = get_str(component, "version", "")
        if version:
            roots[name] = exact_version(name, version)
        elif not local:
            raise InvalidValue(f"component '{name}' of the deployment document has no version")
        update = decode_update(name, component.get("configurationUpdate"), component.get("runWith"))
        if update != ComponentUpdate():
            updates[name] = update
    update_policy = fields(get_dict(data, "componentUpdatePolicy", {}), "action", "timeout")
    validation_policy = fields(get_dict(data, "configurationValidationPolicy", {}), "timeout")
    arn = get_str(data, "configurationArn", "")
    identifier = get_str(data, "deploymentId")
    if not identifier:
        raise InvalidValue("'deploymentId' must not be empty")
    timestamp = get_int(data, "creationTimestamp")
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise InvalidValue(f"'creationTimestamp' must be milliseconds since 1970, not {timestamp}")
    group = get_str(data, "groupName", "") or _parent_of(get_str(data, "onBehalfOf", "")) or _group_of(arn)
    if len(group) > len("thinggroup/") + GROUP_LIMIT:
        raise InvalidValue(f"a group name has at most {GROUP_LIMIT} characters, unlike {group[:140]!r}")
    wait = get_float(data, "waitTimeout", DEFAULT_WAIT)
    if not 0 < wait < math.inf:
        raise InvalidValue("'waitTimeout' must be more than 0 seconds")
    return Document(
        deployment_id=identifier,
        group=group,
        timestamp=timestamp,
        roots=roots,
        updates=updates,
        name=get_str(data, "deploymentName", ""),
        configuration_arn=arn,
        failure_policy=choice(data, "failureHandlingPolicy", ROLLBACK, (ROLLBACK, DO_NOTHING)),
        update_action=choice(update_policy, "action", NOTIFY, (NOTIFY, SKIP_NOTIFY)),
        update_timeout=_timeout(update_policy, "componentUpdatePolicy"),
        validation_timeout=_timeout(validation_policy, "configurationValidationPolicy"),
        required_capabilities=tuple(get_str_list(data, "requiredCapabilities", [])),
        wait_timeout=wait,
    )


def encode(document: Document) -> dict[str, Any]:
    """The map from which ``decode`` makes the same document."""
    return {
        "deploymentId": document.deployment_id,
        "groupName": document.group,
        "creationTimestamp": document.timestamp,
        "deploymentName": document.name,
        "configurationArn": document.configuration_arn,
        "failureHandlingPolicy": document.failure_policy,
        "componentUpdatePolicy": {"action": document.update_action, "timeout": document.update_timeout},
        "configurationValidationPolicy": {"timeout": document.validation_timeout},
        "requiredCapabilities": list(document.required_capabilities),
        "waitTimeout": document.wait_timeout,
        "components": {
            name: {
                "version": document.roots.get(name, ""),
                **encode_update(document.updates.get(name, ComponentUpdate())),
            }
            for name in {**document.roots, **document.updates}
        },
    }


def _timeout(data: Mapping[str, Any], policy: str) -> float:
    timeout: float = get_float(data, "timeout", 60.0)
    if not 0 <= timeout < math.inf:
        raise InvalidValue(f"'timeout' of '{policy}' must be 0 seconds or more")
    return timeout


def _parent_of(behalf: str) -> str:
    """The group that a deployment to a part of it is meant for: the ARN of a thing group, or its name in our form."""
    if not behalf.startswith("arn:"):
        return behalf
    parts = behalf.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("thinggroup/"):
        raise InvalidValue(f"'onBehalfOf' names no thing group: {behalf!r}")
    return parts[5]


def _group_of(arn: str) -> str:
    """``thinggroup/NAME`` or ``thing/NAME``, whose name may have colons: the resource of a configuration ARN without
    its revision."""
    resource = "".join(arn.split(":", 6)[6:])
    target = resource.rpartition(":")[0] or resource
    if "/" not in target:
        raise InvalidValue(f"'configurationArn' names no target: {arn!r}")
    return target
