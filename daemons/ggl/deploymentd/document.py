"""The deployment document: the one input of a deployment, wherever it comes from.

A cloud deployment brings its document along (``decode``); for a local one it is made when its turn comes, from the
request and the group's roots as they are then (``local_document``). ``encode`` gives the form that is kept on disk, so
that a deployment that was interrupted goes on with the very same document.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ggl.recipe.load import check_component_name
from ggl.recipe.version import is_version
from ggl.values import InvalidValue, describe, get_dict, get_float, get_int, get_str, get_str_list

LOCAL_GROUP = "LOCAL_DEPLOYMENT"
"""The group of local deployments that name none."""

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
class RunWith:
    """As whom a component runs, and within which limits (memory in kilobytes, cpus as a share of processors)."""

    posix_user: str | None = None
    memory: int | None = None
    cpus: float | None = None


@dataclass(frozen=True)
class ComponentUpdate:
    """What a deployment changes about one component besides its version. ``reset`` holds JSON pointers."""

    merge: Mapping[str, Any] | None = None
    reset: tuple[str, ...] = ()
    run_with: RunWith | None = None


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


@dataclass(frozen=True)
class LocalRequest:
    """A request for a local deployment: a change to a group's roots."""

    recipe_directory: str = ""
    artifacts_directory: str = ""
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    updates: Mapping[str, ComponentUpdate] = field(default_factory=dict)
    group: str = LOCAL_GROUP
    requested_by: str = ""
    failure_policy: str = DO_NOTHING
    wait_timeout: float = DEFAULT_WAIT


def decode_request(params: Mapping[str, Any]) -> LocalRequest:
    """A local request as it comes over the bus. Raises ``InvalidValue``."""
    group = get_str(params, "group_name", "")
    if ":" in group or len(group) > GROUP_LIMIT:
        raise InvalidValue(f"a group name has at most {GROUP_LIMIT} characters and no ':', unlike {group[:140]!r}")
    configuration = get_dict(params, "component_to_configuration", {})
    run_with = get_dict(params, "component_to_run_with_info", {})
    timeout = get_float(params, "timeout", DEFAULT_WAIT)
    if not 0 < timeout < math.inf:
        raise InvalidValue("'timeout' must be more than 0 seconds")
    policy = _choice(params, "failure_handling_policy", DO_NOTHING, (DO_NOTHING, ROLLBACK))
    return LocalRequest(
        recipe_directory=get_str(params, "recipe_directory_path", ""),
        artifacts_directory=get_str(params, "artifacts_directory_path", ""),
        add=_versions(get_dict(params, "root_component_versions_to_add", {})),
        remove=tuple(get_str_list(params, "root_components_to_remove", [])),
        updates={
            _component(name): _update(name, configuration.get(name), run_with.get(name))
            for name in {**configuration, **run_with}
        },
        group=f"thinggroup/{group}" if group and group != LOCAL_GROUP else LOCAL_GROUP,
        requested_by=get_str(params, "requested_by", ""),
        failure_policy=policy,
        wait_timeout=timeout,
    )


def local_document(
    request: LocalRequest, deployment_id: str, timestamp: int, current_roots: Mapping[str, str]
) -> Document:
    """The document of a local deployment: the group's roots as they are, without the removed, with the added."""
    roots = {name: version for name, version in current_roots.items() if name not in request.remove}
    return Document(
        deployment_id=deployment_id,
        group=request.group,
        timestamp=timestamp,
        roots={**roots, **request.add},
        updates=request.updates,
        failure_policy=request.failure_policy,
        update_action=SKIP_NOTIFY,
        validation_timeout=20.0,
        wait_timeout=request.wait_timeout,
    )


def decode(data: Mapping[str, Any]) -> Document:
    """A deployment document; keys in any case, unknown keys ignored. Raises ``InvalidValue``."""
    data = _fields(data, *_DOCUMENT_FIELDS)
    roots: dict[str, str] = {}
    updates: dict[str, ComponentUpdate] = {}
    local = "groupName" in data
    for name, entry in get_dict(data, "components", {}).items():
        _component(name)
        if not isinstance(entry, dict):
            raise InvalidValue(f"component '{name}' of the deployment document must be a map, not {describe(entry)}")
        component = _fields(entry, "version", "configurationUpdate", "runWith")
        version = get_str(component, "version", "")
        if version:
            roots[name] = _exact(name, version)
        elif not local:
            raise InvalidValue(f"component '{name}' of the deployment document has no version")
        update = _update(name, component.get("configurationUpdate"), component.get("runWith"))
        if update != ComponentUpdate():
            updates[name] = update
    update_policy = _fields(get_dict(data, "componentUpdatePolicy", {}), "action", "timeout")
    validation_policy = _fields(get_dict(data, "configurationValidationPolicy", {}), "timeout")
    arn = get_str(data, "configurationArn", "")
    identifier = get_str(data, "deploymentId")
    if not identifier:
        raise InvalidValue("'deploymentId' must not be empty")
    timestamp = get_int(data, "creationTimestamp")
    if timestamp < 0:
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
        failure_policy=_choice(data, "failureHandlingPolicy", ROLLBACK, (ROLLBACK, DO_NOTHING)),
        update_action=_choice(update_policy, "action", NOTIFY, (NOTIFY, SKIP_NOTIFY)),
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
                **_encode_update(document.updates.get(name, ComponentUpdate())),
            }
            for name in {**document.roots, **document.updates}
        },
    }


def _encode_update(update: ComponentUpdate) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    if update.merge is not None or update.reset:
        encoded["configurationUpdate"] = {"merge": update.merge, "reset": list(update.reset)}
    if update.run_with is not None:
        limits = {"memory": update.run_with.memory, "cpus": update.run_with.cpus}
        encoded["runWith"] = {"systemResourceLimits": limits}
        if update.run_with.posix_user is not None:
            encoded["runWith"]["posixUser"] = update.run_with.posix_user
    return encoded


def _fields(data: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """What ``data`` holds under these names, however it spells them."""
    known = {name.lower(): name for name in names}
    return {known[key.lower()]: value for key, value in data.items() if key.lower() in known}


def _versions(data: Mapping[str, Any]) -> dict[str, str]:
    return {_component(name): _exact(name, get_str(data, name)) for name in data}


def _exact(name: str, version: str) -> str:
    """``version``, which is no range: a deployment says what shall run. Raises ``InvalidValue``."""
    if not is_version(version):
        raise InvalidValue(f"the version of '{name}' must be an exact one like 1.0.0, not {version!r}")
    return version


def _component(name: str) -> str:
    """``name``, which becomes part of paths and keys. Raises ``InvalidValue`` when it cannot be a component's."""
    if wrong := check_component_name(name):
        raise InvalidValue(f"the name of a component {wrong}")
    return name


def _timeout(data: Mapping[str, Any], policy: str) -> float:
    timeout: float = get_float(data, "timeout", 60.0)
    if not 0 <= timeout < math.inf:
        raise InvalidValue(f"'timeout' of '{policy}' must be 0 seconds or more")
    return timeout


def _choice(data: Mapping[str, Any], key: str, default: str, choices: tuple[str, ...]) -> str:
    value = get_str(data, key, default).upper()
    if value not in choices:
        raise InvalidValue(f"'{key}' must be {' or '.join(choices)}, not {value!r}")
    return value


def _update(name: str, configuration: Any, run_with: Any) -> ComponentUpdate:
    entry = _fields(_map(f"the configuration update of '{name}'", configuration), "merge", "reset")
    merge = entry.get("merge")
    reset = entry.get("reset")
    pointers = _json(f"'reset' of '{name}'", reset) if reset is not None else []
    if not isinstance(pointers, list):
        raise InvalidValue(f"'reset' of '{name}' must be a list of JSON pointers, not {describe(pointers)}")
    for pointer in pointers:
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise InvalidValue(f"'reset' of '{name}': {pointer!r} is no JSON pointer (it is empty or begins with '/')")
    return ComponentUpdate(
        merge=None if merge is None else _map(f"'merge' of '{name}'", merge),
        reset=tuple(pointers),
        run_with=None if run_with is None else _run_with(name, run_with),
    )


def _run_with(name: str, value: Any) -> RunWith:
    entry = _fields(_map(f"'runWith' of '{name}'", value), "posixUser", "systemResourceLimits")
    try:
        limits = limits_of(_map("systemResourceLimits", entry.get("systemResourceLimits")))
    except InvalidValue as error:
        raise InvalidValue(f"'runWith' of '{name}': {error}") from None
    # Null removes the user of before, as empty text does; only what is absent keeps it.
    return replace(limits, posix_user=get_str(entry, "posixUser", "") if "posixUser" in entry else None)


def limits_of(data: Mapping[str, Any]) -> RunWith:
    """The limits in a ``systemResourceLimits`` map. Raises ``InvalidValue``."""
    limits = _fields(data, "memory", "cpus")
    memory, cpus = get_int(limits, "memory", None), get_float(limits, "cpus", None)
    if (memory is not None and memory <= 0) or (cpus is not None and not 0 < cpus < math.inf):
        raise InvalidValue("'memory' (kilobytes) and 'cpus' of 'systemResourceLimits' must be more than 0")
    return RunWith(memory=memory, cpus=cpus)


def _map(what: str, value: Any) -> dict[str, Any]:
    value = {} if value is None else _json(what, value)
    if not isinstance(value, dict):
        raise InvalidValue(f"{what} must be a map, not {describe(value)}")
    return value


def _json(what: str, value: Any) -> Any:
    """Some senders put JSON text where a map or a list belongs."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(f"{what} is not JSON: {error}") from None


def _parent_of(behalf: str) -> str:
    """The group that a deployment to a part of it is meant for: the ARN of a thing group, or its name in our form."""
    if not behalf.startswith("arn:"):
        return behalf
    parts = behalf.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("thinggroup/"):
        raise InvalidValue(f"'onBehalfOf' names no thing group: {behalf!r}")
    return parts[5]


def _group_of(arn: str) -> str:
    """``thinggroup/NAME`` or ``thing/NAME``: the resource of a configuration ARN without its revision."""
    parts = arn.split(":")
    if len(parts) < 7 or "/" not in parts[6]:
        raise InvalidValue(f"'configurationArn' names no target: {arn!r}")
    return parts[6]
