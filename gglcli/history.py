"""What was deployed: one deployment by its name, all of them as a table, one in every detail.

A deployment from the cloud has, as ``cloud``, what the cloud knows of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gglcli.client import command, connect
from gglcli.cloud_deployments import assignments, may_have_assignments, told, with_cloud
from gglcli.deployment import INTERFACE, OUTCOMES, OVER, generation_of, shown_status
from gglcli.errors import INVALID, NOT_FOUND, CliError
from gglcli.output import Block, Cell, Fields, Id, State, Table, Text, Time, duration

LAST = "last"
TYPES = {"LOCAL": "local", "DOCUMENT": "document", "IOT_JOBS": "job", "SHADOW": "thing", "ROLLBACK": "rollback"}
"""Where a deployment came from, in a word."""


def everything() -> list[dict[str, Any]]:
    """All deployments that are known, oldest first."""
    with connect(INTERFACE) as client:
        deployments = client.call("list")
    return with_cloud(deployments, assignments() if may_have_assignments(deployments) else [])


def find(text: str) -> dict[str, Any]:
    """The deployment or job with the id ``text``, or the only one whose id begins so, or the last. Raises
    ``CliError``."""
    deployments = everything()
    if text == LAST and not deployments:
        raise CliError("nothing has been deployed yet", NOT_FOUND)
    if text == LAST:
        return deployments[-1]
    found = [entry for entry in deployments if any(name.startswith(text) for name in _names(entry))]
    exact = [entry for entry in found if text in _names(entry)]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if exact and text not in {entry["deployment_id"] for entry in exact}:
        return exact[-1]  # a job that was queued more than once
    why = f"several deployments begin with '{text}'" if found else f"there is no deployment '{text}'"
    raise CliError(why, INVALID if found else NOT_FOUND, hint=f"'{command('deploy list')}' shows what there is")


def _names(entry: Mapping[str, Any]) -> list[str]:
    cloud = entry.get("cloud") or {}
    return [name for name in (entry["deployment_id"], cloud.get("job_id")) if name]


def table(deployments: Sequence[Mapping[str, Any]]) -> Table:
    in_cloud = any(entry.get("cloud") for entry in deployments)
    rows: list[list[Cell]] = [
        [
            *(Id(next(iter(_names(entry)), "")), State(shown_status(entry)), origin(entry), generation_of(entry)),
            Time(entry["created"]),
            *([told(entry["cloud"]) if entry.get("cloud") else None] if in_cloud else []),
            roots_text(entry.get("roots") or {}) or entry.get("name"),
        ]
        for entry in deployments
    ]
    # What was deployed comes last: it is long, and may take several lines there.
    heads = ["DEPLOYMENT", "STATUS", "TYPE", "GENERATION", "AGE", *(["CLOUD"] if in_cloud else []), "WHAT"]
    return Table(heads, rows, empty="no deployments")


def origin(entry: Mapping[str, Any]) -> str:
    name = entry.get("type") or ""
    return TYPES.get(name, name.lower())


def roots_text(roots: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={version}" for name, version in roots.items())


def details(deployment: Mapping[str, Any]) -> list[Block]:
    rows: list[tuple[str, Cell]] = [
        ("deployment", deployment["deployment_id"]),
        ("status", State(shown_status(deployment))),
    ]
    if outcome := OUTCOMES.get(deployment.get("detailed_status") or ""):
        rows.append(("outcome", outcome))
    rows += [
        ("detail", deployment.get("detailed_status")),
        ("type", origin(deployment)),
        ("policy", (deployment.get("policy") or "").lower().replace("_", "-")),
        ("group", deployment.get("group")),
        ("requested by", deployment.get("requested_by")),
        ("created", Time(deployment["created"])),
    ]
    if cloud := deployment.get("cloud"):
        rows[-1:-1] = [("job", cloud["job_id"]), ("target", cloud["target"]), ("cloud", told(cloud))]
    if deployment.get("name"):
        rows.insert(1, ("name", deployment["name"]))
    if generation_of(deployment) is not None:
        rows.append(("generation", generation_of(deployment)))
    if deployment.get("finished"):
        rows.append(("took", duration((deployment["finished"] - deployment["created"]) / 1000)))
    if deployment["status"] != "SUCCEEDED":
        rows.append(("step", deployment.get("step")))  # how far it is, or where it failed
    if deployment.get("message", "").upper() not in ("", deployment["status"]):
        rows.append(("message", deployment["message"]))
    if deployment.get("cause"):
        rows.append(("cause", deployment["cause"]))
    for label, key in (("errors", "error_stack"), ("broken", "broken"), ("removed", "removed")):
        if deployment.get(key):
            rows.append((label, ", ".join(deployment[key])))
    states, roots = deployment.get("states") or {}, deployment.get("roots") or {}
    if deployment.get("rolling_back") and deployment["status"] in OVER:
        # What came up in the end is what ran before, not the versions that are shown here.
        states = dict.fromkeys(deployment.get("broken") or (), "BROKEN")
    components = [
        [name, version, State(states.get(name, "")), "root" if name in roots else "dependency"]
        for name, version in sorted((deployment.get("components") or {}).items())
    ]
    blocks: list[Block] = [Fields(rows)]
    if components:
        blocks += [Text(""), Table(["COMPONENT", "VERSION", "STATE", "ROLE"], components)]
    return blocks
