"""The shadow by which a deployment for this device alone comes: what is desired, and what is reported of it.

A shadow has a version that every change raises. A report names the version that it changes, and is refused if that is
not the present one: then somebody desires something else, which has to be looked at first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.jobsd.messages import Brief, brief_of, parse_map, seconds
from ggl.values import InvalidValue, get_dict, get_str
from ggl.version import NUCLEUS_VERSION

CANCELED = "CANCELED"
OVER = ("SUCCEEDED", "FAILED", "REJECTED", CANCELED)


@dataclass(frozen=True)
class Shadow:
    """``document`` is what shall be deployed, ``brief`` says what it is; ``canceled``: it shall not any more.
    ``reported``: the last state of it that AWS IoT knows; empty: none."""

    version: int
    brief: Brief | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    canceled: bool = False
    reported: str = ""


def decode_shadow(message: Mapping[str, Any]) -> Shadow:
    """The shadow in an answer to a get. Raises ``InvalidValue``."""
    version = version_of(message)
    state = get_dict(message, "state", {})
    desired, reported = get_dict(state, "desired", {}), get_dict(state, "reported", {})
    text = get_str(desired, "fleetConfig", "")
    if not text:
        return Shadow(version)
    try:
        document = parse_map(text)
    except InvalidValue as error:
        raise InvalidValue(f"'fleetConfig' in version {version} of the shadow cannot be used: {error}") from None
    brief = brief_of(document)
    if not brief.arn:
        raise InvalidValue(f"'fleetConfig' in version {version} of the shadow has no 'configurationArn'")
    status = ""
    if reported.get("fleetConfigurationArnForStatus") == brief.arn:
        status = get_str(reported, "status", "")
    return Shadow(version, brief, document, get_str(desired, "desiredStatus", "") == CANCELED, status)


def version_of(message: Mapping[str, Any]) -> int:
    return seconds(message, "version")


def is_new_desire(message: Mapping[str, Any]) -> bool:
    """Whether an accepted update, by whomever, says what is desired."""
    state = message.get("state")
    return isinstance(state, dict) and bool(state.get("desired"))


def report(arn: str, status: str, details: Mapping[str, Any], version: int, token: str) -> dict[str, Any]:
    """The update that says how the deployment ``arn`` fares. ``version``: 0 for any that the shadow may have."""
    reported = {
        "fleetConfigurationArnForStatus": arn,
        "status": status,
        "statusDetails": dict(details),
        "ggcVersion": NUCLEUS_VERSION,
    }
    return {"state": {"reported": reported}, **({"version": version} if version else {}), "clientToken": token}
