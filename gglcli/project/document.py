"""Deployment documents: as devices receive them, or as the cloud's API and its tools write them.

The API's form (``create-deployment --cli-input-json``, the output of ``get-deployment``) says the same under other
names: ``componentVersion``, ``deploymentPolicies``, ``targetArn``. It is what people have at hand, so it is converted.
What only the cloud needs, such as the rollout of a job, is left out. The case of a key does not matter.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggl.values import describe
from gglcli.errors import INVALID, CliError
from gglcli.files import unusable
from gglcli.project.value import parse_value
from gglcli.project.versions import require_version

_TARGET = re.compile(r"arn:([^:]+):iot:([^:]*):([^:]*):(thing(?:group)?/[^:]+)")
_ARN_HINT = 'for example "arn:aws:iot:REGION:ACCOUNT:thinggroup/NAME"'
_CLOUD_ONLY = ("iotJobConfiguration", "tags", "clientToken")
_COPIED = (
    *("deploymentId", "deploymentName", "parentTargetArn", "onBehalfOf", "creationTimestamp", "requiredCapabilities"),
    *("schemaDate", "configurationArn", "groupName", "failureHandlingPolicy", "componentUpdatePolicy"),
    "configurationValidationPolicy",
)
_POLICIES = ("failureHandlingPolicy", "componentUpdatePolicy", "configurationValidationPolicy")
_SECONDS_LIMIT = 100_000_000_000
"""A time below this is in seconds: as milliseconds it would lie in 1973."""


@dataclass(frozen=True)
class DocumentFile:
    """``data`` is in the form that devices receive; ``notes`` say what was done to bring it there. ``where``: what it
    was read from, for messages."""

    where: str
    data: Mapping[str, Any]
    notes: tuple[str, ...]


def read_document(file: str) -> DocumentFile:
    """The document in ``file`` (``-``: standard input), JSON or YAML. Raises ``CliError``, which names the file."""
    where = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except UnicodeDecodeError:
        raise CliError(f"{where}: not UTF-8 text", INVALID) from None
    except OSError as error:
        raise unusable(where, error) from None
    if not text.strip():
        raise CliError(f"{where} is empty", INVALID)
    data = parse_value(text, where)
    try:
        return complete(data, where)
    except CliError as error:
        raise CliError(f"{where}: {error.message}", INVALID, hint=error.hint) from None


def complete(data: Any, where: str) -> DocumentFile:
    """``data`` in the form that devices receive, with an id and a time. Raises ``CliError``."""
    if not isinstance(data, dict):
        raise CliError(f"a deployment document is a map, not {describe(data)}", INVALID)
    fields = {key.lower(): value for key, value in data.items()}
    components = fields.get("components")
    if not isinstance(components, dict):
        said = "is missing" if components is None else f"must be a map, not {describe(components)}"
        hint = "it holds what the group shall have; {} removes everything of the group"
        raise CliError(f"'components' {said}", INVALID, hint=hint)
    document = {name: fields[name.lower()] for name in _COPIED if fields.get(name.lower()) is not None}
    document["components"] = {name: _component(name, entry) for name, entry in components.items()}
    notes = []
    if document["components"] != components or "targetarn" in fields or "deploymentpolicies" in fields:
        notes.append("converted from the form of the cloud's API")
    _add_policies(document, fields)
    _add_target(document, fields)
    ignored = [name for name in _CLOUD_ONLY if name.lower() in fields]
    if ignored:
        notes.append(f"left out, as only the cloud needs it: {', '.join(ignored)}")
    document["deploymentId"] = str(document.get("deploymentId") or uuid.uuid4())
    document["creationTimestamp"] = _milliseconds(document.get("creationTimestamp"))
    return DocumentFile(where, document, tuple(notes))


def _component(name: str, entry: Any) -> Any:
    if not isinstance(entry, dict):
        hint = f'write {{"version": "{entry}"}}' if isinstance(entry, str) else ""
        raise CliError(f"component '{name}' must be a map, not {describe(entry)}", INVALID, hint=hint)
    fields = {key.lower(): key for key in entry}
    component = dict(entry)
    if "componentversion" in fields:
        version = component.pop(fields["componentversion"])
        if "version" in fields and component[fields["version"]] != version:
            raise CliError(f"component '{name}' has both 'version' and 'componentVersion'", INVALID, hint="keep one")
        component[fields.get("version", "version")] = version
    version = component.get(fields.get("version", "version"))
    if version is None:
        raise CliError(f"component '{name}' has no 'version'", INVALID, hint="a document names exact versions")
    if not isinstance(version, str):
        raise CliError(f"'version' of component '{name}' must be text", INVALID, hint=f'write "{version}" in quotes')
    require_version(name, version)
    update = component.get(fields.get("configurationupdate", ""))
    if isinstance(update, dict):
        component[fields["configurationupdate"]] = {key: _merge(name, key, part) for key, part in update.items()}
    return component


def _merge(name: str, key: str, value: Any) -> Any:
    """The API has JSON text where devices have the map itself."""
    if key.lower() != "merge" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise CliError(f"'merge' of component '{name}' is not valid JSON: {error}", INVALID) from None


def _add_policies(document: dict[str, Any], fields: Mapping[str, Any]) -> None:
    policies = fields.get("deploymentpolicies")
    if policies is None:
        return
    if not isinstance(policies, dict):
        raise CliError(f"'deploymentPolicies' must be a map, not {describe(policies)}", INVALID)
    found = {key.lower(): value for key, value in policies.items()}
    for name in _POLICIES:
        if found.get(name.lower()) is None:
            continue
        if name in document:
            raise CliError(f"'{name}' is there twice: in 'deploymentPolicies' and beside it", INVALID, hint="keep one")
        value = found[name.lower()]
        if isinstance(value, dict):
            value = {"timeout" if key.lower() == "timeoutinseconds" else key: part for key, part in value.items()}
        document[name] = value


def _add_target(document: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Whose components these are: the ARN of a configuration, made from that of the target if need be."""
    target = fields.get("targetarn")
    if target is None:
        if not any(document.get(name) for name in ("configurationArn", "onBehalfOf", "groupName")):
            raise CliError("the document names no group", INVALID, hint=f"add 'groupName', or 'targetArn' {_ARN_HINT}")
        return
    match = _TARGET.fullmatch(str(target))
    if not match:
        raise CliError(f"'targetArn' names no thing and no thing group: {target!r}", INVALID, hint=_ARN_HINT)
    partition, region, account, resource = match.groups()
    arn = f"arn:{partition}:greengrass:{region}:{account}:configuration:{resource}:{fields.get('revisionid') or 1}"
    known = str(document.setdefault("configurationArn", arn))
    if f":{resource}:" not in known:
        raise CliError(f"'targetArn' and 'configurationArn' name different targets: {known}", INVALID, hint="keep one")


def _milliseconds(value: Any) -> int:
    """The API's tools write seconds or ISO text; devices get milliseconds since the epoch. Absent is now."""
    if value is None:
        return time.time_ns() // 1_000_000
    if isinstance(value, str):
        from datetime import UTC, datetime

        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise CliError(f"'creationTimestamp' is no time: {value!r}", INVALID, hint="leave it out for now") from None
        return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CliError(f"'creationTimestamp' must be a time, not {describe(value)}", INVALID)
    return round(value * 1000) if value < _SECONDS_LIMIT else round(value)
