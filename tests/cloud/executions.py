"""Executions of jobs, and what a request about one has to look like."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

MAX_DETAILS = 10
_KEY = re.compile(r"[a-zA-Z0-9:_-]{1,128}")


class Rejection(Exception):
    """A request is refused. ``state``: how the execution is, where AWS tells that."""

    def __init__(self, code: str, message: str, state: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.state = state


@dataclass
class Execution:
    """One job on one thing."""

    job_id: str
    thing: str
    document: dict[str, Any]
    queued_at: int
    status: str = "QUEUED"
    details: dict[str, str] = field(default_factory=dict)
    started_at: int | None = None
    updated_at: int = 0
    version: int = 1
    history: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Status and details after each update that was accepted."""

    def summary(self) -> dict[str, Any]:
        started = {} if self.started_at is None else {"startedAt": self.started_at}
        return {
            "jobId": self.job_id,
            "queuedAt": self.queued_at,
            **started,
            "lastUpdatedAt": self.updated_at,
            "versionNumber": self.version,
            "executionNumber": 1,
        }

    def described(self, *, with_document: bool) -> dict[str, Any]:
        content = {"jobDocument": self.document} if with_document else {}
        details = {"statusDetails": self.details} if self.details else {}
        return {**self.summary(), "thingName": self.thing, "status": self.status, **details, **content}

    def state(self) -> dict[str, Any]:
        return {"status": self.status, "statusDetails": self.details, "versionNumber": self.version}


def decode(payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload or b"{}")
    except ValueError:
        raise Rejection("InvalidJson", "the payload is not JSON") from None
    if not isinstance(content, dict):
        raise Rejection("InvalidJson", "the payload is not an object")
    return content


def check_details(details: Any) -> None:
    if details is None:
        return
    if not isinstance(details, dict) or len(details) > MAX_DETAILS:
        raise Rejection("InvalidRequest", f"statusDetails must be an object of at most {MAX_DETAILS} entries")
    for key, value in details.items():
        good = isinstance(value, str) and 1 <= len(value) <= 1024 and not any(_is_control(each) for each in value)
        if not _KEY.fullmatch(key) or not good:
            raise Rejection("InvalidRequest", f"statusDetails: bad entry {key!r}: {value!r}")


def _is_control(character: str) -> bool:
    return unicodedata.category(character).startswith("C")
