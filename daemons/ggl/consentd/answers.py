"""What components answer to the two questions, and what a round of each comes to. Pure.

The texts of the errors are those of the original nucleus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.ipc.errors import invalid_arguments
from ggl.values import get_dict, get_int, get_str

if TYPE_CHECKING:
    from ggl.consentd.rounds import Round

ACCEPTED = "ACCEPTED"
REJECTED = "REJECTED"


@dataclass(frozen=True)
class Deferral:
    """An answer to the coming update: in how many milliseconds to ask again, 0 to go on now."""

    recheck_after_ms: int
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """An answer to a new configuration."""

    accepted: bool
    message: str = ""


def deferral_of(request: Mapping[str, Any]) -> tuple[str, Deferral | None]:
    """The deployment and the answer in a ``DeferComponentUpdate``; ``None`` when it does not say how long.

    Raises ``IpcError`` without a deployment, and ``InvalidValue``.
    """
    deployment_id = get_str(request, "deploymentId", None)
    if deployment_id is None:
        raise invalid_arguments("Deployment id is required to defer a component update")
    delay = get_int(request, "recheckAfterMs", None)
    message = get_str(request, "message", "")
    return deployment_id, None if delay is None else Deferral(max(0, delay), message)


def verdict_of(request: Mapping[str, Any]) -> tuple[str, Verdict]:
    """The deployment and the answer in a ``SendConfigurationValidityReport``.

    Raises ``IpcError`` without a deployment or with a status that nobody knows, and ``InvalidValue``.
    """
    report = get_dict(request, "configurationValidityReport", {})
    deployment_id = get_str(report, "deploymentId", None)
    if deployment_id is None:
        raise invalid_arguments("Deployment id is required to report on a configuration")
    status = get_str(report, "status", "")
    if status not in (ACCEPTED, REJECTED):
        raise invalid_arguments(f"The status of a configuration validity report must be {ACCEPTED} or {REJECTED}")
    return deployment_id, Verdict(status == ACCEPTED, get_str(report, "message", ""))


def update_result(round_: Round[Deferral]) -> dict[str, Any]:
    """What ``pre_update`` ends with."""
    answers = round_.answers
    return {
        "recheck_after_ms": max((answer.recheck_after_ms for answer in answers.values()), default=0),
        "replies": {
            component: {"recheck_after_ms": answer.recheck_after_ms, "message": answer.message}
            for component, answer in answers.items()
        },
        "silent": round_.silent,
    }


def validation_result(round_: Round[Verdict]) -> dict[str, Any]:
    """What ``validate`` ends with."""
    answers = round_.answers
    return {
        "rejected": {component: answer.message for component, answer in answers.items() if not answer.accepted},
        "accepted": sorted(component for component, answer in answers.items() if answer.accepted),
        "silent": round_.silent,
    }
