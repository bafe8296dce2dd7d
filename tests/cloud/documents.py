"""Deployment documents, as Greengrass writes them for a device."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Mapping
from typing import Any

REGION = "us-east-1"
ACCOUNT = "123456789012"
_revisions = itertools.count(1)

Components = Mapping[str, str | Mapping[str, Any]]
"""By name: a version, or the whole entry (``version``, ``configurationUpdate``, ``runWith``)."""


def document(components: Components, target: str, **more: Any) -> dict[str, Any]:
    """For ``target``, ``thinggroup/<name>`` or ``thing/<name>``: a new revision, younger than any before it."""
    revision = next(_revisions)
    return {
        "schemaDate": "2021-05-17",
        "deploymentId": str(uuid.uuid4()),
        "deploymentName": f"revision {revision}",
        "configurationArn": f"arn:aws:greengrass:{REGION}:{ACCOUNT}:configuration:{target}:{revision}",
        "creationTimestamp": int(time.time() * 1000) + revision,
        "requiredCapabilities": [],
        "failureHandlingPolicy": "ROLLBACK",
        "componentUpdatePolicy": {"timeout": 60, "action": "NOTIFY_COMPONENTS"},
        "configurationValidationPolicy": {"timeout": 30},
        "components": {
            name: {"version": entry} if isinstance(entry, str) else dict(entry) for name, entry in components.items()
        },
        **more,
    }
