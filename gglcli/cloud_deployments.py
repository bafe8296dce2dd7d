"""Deployments from the cloud: what AWS IoT has assigned to this device, and what it knows of how they went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ggl.bus import BusError
from gglcli import output
from gglcli.client import call, root

INTERFACE = "gg_jobs"
TYPES = ("IOT_JOBS", "SHADOW")


def may_have_assignments(deployments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether it makes sense to ask: a device that never had any need not start a daemon to say so."""
    if any(each.get("type") in TYPES for each in deployments):
        return True
    state = root().state
    try:
        return (state / "jobs-finished.json").exists() or any((state / "jobs").glob("*"))
    except PermissionError:
        return True


def assignments() -> list[dict[str, Any]]:
    """The last ones, oldest first. If nobody can tell, a deployment is shown without what the cloud knows of it."""
    try:
        found: list[dict[str, Any]] = call(INTERFACE, "list")
    except BusError as error:
        output.note(f"what the cloud knows of the deployments cannot be shown: {error.message}")
        return []
    return found


def with_cloud(deployments: Sequence[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``deployments``, each with what the cloud knows of it, and what never became one; oldest first."""
    by_request = {each["request_id"]: each for each in known}
    merged = [
        {**each, "cloud": by_request.pop(each.get("request_id", ""), None) if each.get("type") in TYPES else None}
        for each in deployments
    ]
    alone = [
        {
            "deployment_id": each["deployment_id"],
            "type": each["type"],
            "name": each["name"],
            "status": each["status"] or "QUEUED",
            "created": each["received"],
            "finished": each["finished"],
            "cloud": each,
        }
        for each in by_request.values()
    ]
    return sorted([*merged, *alone], key=lambda each: each["created"]) if alone else merged


def told(cloud: Mapping[str, Any]) -> str:
    """What the cloud knows, in a word or a few."""
    if cloud["pending"]:
        return f"{cloud['pending'][-1]} is to be reported"
    if cloud["withdrawn"]:
        return "withdrawn"
    if cloud["refused"] and cloud["reported"] != cloud["status"]:
        return "report refused"
    return str(cloud["reported"]) or "-"
