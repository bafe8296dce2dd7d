"""What recovery reads in the answers of deploymentd. Pure; nothing in them is taken for granted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_UNDER_WAY = ("QUEUED", "IN_PROGRESS")


def is_over(deployment: Mapping[str, Any]) -> bool:
    return deployment.get("status") not in _UNDER_WAY


def has_succeeded(deployment: Mapping[str, Any]) -> bool:
    return deployment.get("status") == "SUCCEEDED"


def concerning(deployments: Iterable[Mapping[str, Any]], component: str) -> str:
    """The id of a deployment under way that includes ``component``, or may: one that is not resolved yet can be about
    anything. Empty when there is none."""
    for deployment in deployments:
        if is_over(deployment):
            continue
        included = [*(deployment.get("components") or ()), *(deployment.get("removed") or ())]
        if component in included or not deployment.get("components"):
            return str(deployment.get("deployment_id") or "?")
    return ""


def asked_for_by(deployments: Iterable[Mapping[str, Any]], requested_by: str) -> str:
    """The id of the deployment that ``requested_by`` asked for, whatever became of it; empty when there is none."""
    found = (each.get("deployment_id") for each in deployments if each.get("requested_by") == requested_by)
    return str(next(found, "") or "")


def current_generation(generations: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """Number and time (ms) of the generation that is current; zeros when there is none."""
    for generation in generations:
        if generation.get("current") is True:
            number, created = generation.get("number"), generation.get("created")
            return (number if isinstance(number, int) else 0), (created if isinstance(created, int) else 0)
    return 0, 0


def version_change(difference: Mapping[str, Any], component: str) -> tuple[str, str]:
    """From which version to which ``component`` would go; the same when it would not."""
    for change in difference.get("components") or ():
        if isinstance(change, dict) and change.get("component") == component:
            return str(change.get("from") or ""), str(change.get("to") or "")
    return "", ""
