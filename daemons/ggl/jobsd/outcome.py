"""How a deployment fares, in the words of AWS IoT: the state of a job or of a shadow deployment, and its details."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LIMIT = 1024
"""Characters of one value of a job's status details."""

IN_PROGRESS = "IN_PROGRESS"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
REJECTED = "REJECTED"
CANCELED = "CANCELED"
OVER = (SUCCEEDED, FAILED, REJECTED, CANCELED)

NO_CHANGE = "FAILED_NO_STATE_CHANGE"


@dataclass(frozen=True)
class Outcome:
    """``detailed``, ``cause``, ``stack`` and ``types`` are those of Greengrass' reports; empty: left out."""

    status: str
    detailed: str = ""
    cause: str = ""
    stack: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "detailed": self.detailed,
            "cause": self.cause,
            "stack": list(self.stack),
            "types": list(self.types),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Outcome:
        return Outcome(
            str(data["status"]), str(data["detailed"]), str(data["cause"]), tuple(data["stack"]), tuple(data["types"])
        )


def outcome_of(record: Mapping[str, Any]) -> Outcome:
    """Of a deployment as deploymentd shows it."""
    return Outcome(
        str(record.get("status") or ""),
        str(record.get("detailed_status") or ""),
        fit(str(record.get("cause") or "")),
        _names(record.get("error_stack")),
        _names(record.get("error_types")),
    )


def unusable(cause: str, code: str = "DEPLOYMENT_DOCUMENT_NOT_VALID") -> Outcome:
    """Of a document that no deployment can be made of: the sender's fault."""
    return Outcome(FAILED, NO_CHANGE, fit(cause), ("DEPLOYMENT_FAILURE", code), ("CLOUD_SERVICE_ERROR",))


def not_begun(cause: str) -> Outcome:
    """Of a deployment that this device could not even begin."""
    return Outcome(FAILED, NO_CHANGE, fit(cause), ("DEPLOYMENT_FAILURE", "IO_ERROR"), ("DEVICE_ERROR",))


def refused_here() -> Outcome:
    """Of a job whose deployment somebody on this device has canceled: only AWS IoT itself can cancel a job."""
    return Outcome(REJECTED, REJECTED, "it was canceled on the device", ("DEPLOYMENT_REJECTED",))


def job_details(outcome: Outcome) -> dict[str, str]:
    """``statusDetails`` of a job: text, all of it."""
    found = {
        "detailed-deployment-status": outcome.detailed,
        "deployment-failure-cause": outcome.cause,
        "deployment-error-stack": _json(outcome.stack),
        "deployment-error-types": _json(outcome.types),
    }
    return {key: value for key, value in found.items() if value}


def shadow_details(outcome: Outcome) -> dict[str, Any]:
    """``statusDetails`` of a shadow deployment. What there is not is null, which removes what an earlier one left."""
    return {
        "detailedStatus": outcome.detailed or None,
        "failureCause": outcome.cause or None,
        "errorStack": list(outcome.stack) or None,
        "errorTypes": list(outcome.types) or None,
    }


def fit(text: str) -> str:
    """``text`` as AWS IoT takes it: without control characters, and not too long."""
    return "".join(character if character.isprintable() else " " for character in text[:LIMIT])


def _names(values: object) -> tuple[str, ...]:
    return tuple(str(value) for value in values) if isinstance(values, (list, tuple)) else ()


def _json(values: Iterable[str]) -> str:
    """A list as JSON text. Where it would be too long, the last ones are left out: half a list could not be read."""
    kept = list(values)
    while len(text := json.dumps(kept)) > LIMIT:
        kept.pop()
    return text if kept else ""
