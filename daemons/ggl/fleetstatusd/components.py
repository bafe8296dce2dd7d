"""What an update says of each component. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

ERRORED, BROKEN, UNINSTALLED = "ERRORED", "BROKEN", "UNINSTALLED"
SETTLED = ("RUNNING", "FINISHED", "BROKEN")
"""States that last."""
MAX_REASON = 1024
"""Characters."""

_CODES = frozenset(
    {
        *(
            f"{step}_{what}"
            for step in ("INSTALL", "STARTUP", "RUN")
            for what in ("ERROR", "CONFIG_NOT_VALID", "IO_ERROR", "MISSING_DEFAULT_RUNWITH", "TIMEOUT")
        ),
        *("SHUTDOWN_ERROR", "SHUTDOWN_TIMEOUT", "UNINSTALL_ERROR", "UNINSTALL_TIMEOUT"),
    }
)
"""Those that AWS IoT Greengrass knows."""

Entry = dict[str, Any]


@dataclass(frozen=True)
class Origins:
    """Which components deployments ask for, and the configuration ARNs of those that brought a component."""

    roots: frozenset[str] = frozenset()
    arns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def origins(groups: Any, dependencies: Mapping[str, Iterable[str]]) -> Origins:
    """``groups`` is ``GroupToRootComponents`` of the configuration; ``dependencies`` are a component's, by its name."""
    roots: dict[str, set[str]] = {}
    for group in groups.values() if isinstance(groups, Mapping) else ():
        for name, root in group.items() if isinstance(group, Mapping) else ():
            arn = root.get("groupConfigArn") if isinstance(root, Mapping) else None
            # A deployment of this device has an id of its own, which is nothing to the cloud.
            found = roots.setdefault(name, set())
            if isinstance(arn, str) and arn.startswith("arn:"):
                found.add(arn)
    arns: dict[str, set[str]] = {}
    for root, brought in roots.items():
        for name in _reached(root, dependencies):
            arns.setdefault(name, set()).update(brought)
    return Origins(frozenset(roots), {name: tuple(sorted(found)) for name, found in arns.items()})


def _reached(root: str, dependencies: Mapping[str, Iterable[str]]) -> set[str]:
    reached, left = {root}, [root]
    while left:
        new = set(dependencies.get(left.pop(), ())) - reached
        reached |= new
        left += new
    return reached


def entries(healths: Iterable[Mapping[str, Any]], where_from: Origins) -> dict[str, Entry]:
    """One entry for each of ``healths`` (as ``gg_health`` has them), by name."""
    return {health["component"]: _entry(health, where_from) for health in healths}


def _entry(health: Mapping[str, Any], where_from: Origins) -> Entry:
    name, state = health["component"], health["state"]
    entry: Entry = {
        "componentName": name,
        "version": health["version"],
        "fleetConfigArns": list(where_from.arns.get(name, ())),
        "isRoot": name in where_from.roots,
        "status": state,
    }
    if state in (ERRORED, BROKEN):
        reason = str(health["reason"])[:MAX_REASON]
        entry["componentStatusDetails"] = {"statusCodes": [_code(health["status_code"])], "statusReason": reason}
    return entry


def removed_entry(name: str) -> Entry:
    """In this form the cloud forgets a component."""
    return {"componentName": name, "version": "", "fleetConfigArns": [], "isRoot": True, "status": UNINSTALLED}


def _code(code: str) -> str:
    """The step and what happened; what the cloud has no word for is an error of that step."""
    if code in _CODES:
        return code
    step = f"{code.partition('_')[0]}_ERROR"
    return step if step in _CODES else "RUN_ERROR"


def is_settled(entries: Mapping[str, Entry]) -> bool:
    """Whether every component is in a state that lasts."""
    return all(entry["status"] in SETTLED for entry in entries.values())
