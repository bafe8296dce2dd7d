"""What would allow a request: a policy more, and how to put it into the configuration of a device. Pure."""

from __future__ import annotations

import json
from typing import Any

from ggl.ipc.model import MQTT, PUBSUB, Operation
from ggl.ipcd.patterns import escape
from ggl.ipcd.written import Written


def remedy(component: str, written: list[Written], operation: Operation, resource: str) -> dict[str, Any]:
    """An ``accessControl`` with one policy, whose id the component has not used yet."""
    service = operation.service or ""
    taken = {each.policy for each in written}
    kind = "mqttproxy" if service == MQTT else "pubsub" if service == PUBSUB else service.rpartition(".")[2]
    number = 1
    while (name := f"{component}:{kind}:{number}") in taken:
        number += 1
    pattern = "*" if resource == "*" else escape(resource)
    return {service: {name: {"operations": [operation.name], "resources": [pattern]}}}


def writing(access_control: Any, remedy: dict[str, Any]) -> dict[str, Any]:
    """Where to write what, so that ``remedy`` is added: nothing can be written below what is no map."""
    [(service, added)] = remedy.items()
    [(name, policy)] = added.items()
    if isinstance(access_control, str):
        try:
            parsed = json.loads(access_control)
        except (ValueError, RecursionError):
            parsed = None
        access_control = parsed if isinstance(parsed, dict) else None
    elif isinstance(access_control, dict):
        if isinstance(access_control.get(service, {}), dict):
            return {"key_path": ["accessControl", service, name], "value": policy}
        return {"key_path": ["accessControl", service], "value": added}
    elif access_control is None:
        return {"key_path": ["accessControl", service, name], "value": policy}
    whole = access_control if isinstance(access_control, dict) else {}
    here = whole.get(service)
    return {
        "key_path": ["accessControl"],
        "value": {**whole, service: {**here, **added} if isinstance(here, dict) else added},
    }
