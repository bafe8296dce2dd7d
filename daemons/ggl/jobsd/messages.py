"""What AWS IoT sends, from bytes to what is meant. Nothing in a message is taken for granted.

Times are seconds since the epoch, as AWS IoT gives them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from ggl.values import InvalidValue, get_dict, get_int, get_str

MAX_PAYLOAD = 256 * 1024
"""Bytes; AWS IoT itself sends no more than 128 KiB."""
MAX_JOB_ID = 64
MAX_NAME = 1024
"""Characters of a deployment's id, name or ARN that we keep and show."""

QUEUED = "QUEUED"
IN_PROGRESS = "IN_PROGRESS"
WAITING = (QUEUED, IN_PROGRESS)
ENDED = ("SUCCEEDED", "FAILED", "REJECTED")
WITHDRAWN = ("TIMED_OUT", "REMOVED", "CANCELED")
_STATUSES = (*WAITING, *ENDED, *WITHDRAWN)

_PASSING = ("InternalError", "RequestThrottled", "429", "500", "503")
_PERMANENT = (
    *("InvalidTopic", "InvalidJson", "InvalidRequest", "InvalidStateTransition", "ResourceNotFound"),
    *("VersionMismatch", "TerminalStateReached"),
)
_CONFLICT = "409"


@dataclass(frozen=True)
class Execution:
    """A job for this device. ``document``: the deployment document as it came; may be anything."""

    job_id: str
    status: str
    queued_at: int
    document: Any = None


@dataclass(frozen=True)
class Brief:
    """What is to be known of a deployment document before it is deployed. ``problem``: why it cannot be."""

    deployment_id: str = ""
    name: str = ""
    arn: str = ""
    problem: str = ""

    @property
    def target(self) -> str:
        """``thinggroup/NAME`` or ``thing/NAME``."""
        resource = "".join(self.arn.split(":", 6)[6:])
        return resource.rpartition(":")[0] or resource


@dataclass(frozen=True)
class Refusal:
    """A request was rejected. ``status``: what the job is in instead, where that is known."""

    code: str
    message: str
    status: str = ""

    @property
    def is_passing(self) -> bool:
        """It may be accepted later. A code that nobody knows counts as such."""
        if self.code.isdecimal():
            return self.code in _PASSING
        return self.code not in _PERMANENT

    @property
    def is_conflict(self) -> bool:
        """The shadow has another version than the one that was to be changed."""
        return self.code == _CONFLICT

    @property
    def is_missing(self) -> bool:
        """There is no such shadow."""
        return self.code == "404"

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


def decode(payload: object) -> dict[str, Any]:
    """The map in a payload. Raises ``InvalidValue``."""
    if isinstance(payload, str):
        payload = payload.encode("utf-8", "surrogatepass")
    if not isinstance(payload, bytes):
        raise InvalidValue("the payload is neither text nor bytes")
    if len(payload) > MAX_PAYLOAD:
        raise InvalidValue(f"the payload has {len(payload)} bytes, which is more than {MAX_PAYLOAD}")
    return parse_map(payload)


def parse_map(text: bytes | str) -> dict[str, Any]:
    """Raises ``InvalidValue`` for text that is no JSON object, or that could not be handed on."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except UnicodeError:
        raise InvalidValue("it is no UTF-8") from None
    except RecursionError:
        raise InvalidValue("it is nested too deeply") from None
    except ValueError as error:
        raise InvalidValue(f"it is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidValue("it is no JSON object")
    return value


def execution_of(message: Mapping[str, Any]) -> Execution | None:
    """The execution that a message carries; ``None``: nothing waits. Raises ``InvalidValue``."""
    data = get_dict(message, "execution", {})
    if not data:
        return None
    status = get_str(data, "status")
    if status not in _STATUSES:
        raise InvalidValue(f"no job is in status {status[:40]!r}")
    return Execution(_job_id(data), status, seconds(data, "queuedAt"), data.get("jobDocument"))


def is_empty_notice(message: Mapping[str, Any]) -> bool:
    """Whether a notice says that nothing waits. Raises ``InvalidValue``."""
    return not get_dict(message, "jobs", {}) and not get_dict(message, "execution", {})


def refusal_of(message: Mapping[str, Any]) -> Refusal:
    """Whatever is in ``message``, it is a refusal."""
    code, text = message.get("code"), message.get("message")
    state = message.get("executionState")
    status = state.get("status") if isinstance(state, dict) else None
    return Refusal(
        str(code)[:64] if isinstance(code, (str, int)) and not isinstance(code, bool) else "",
        text[:MAX_NAME] if isinstance(text, str) else "",
        status if isinstance(status, str) and status in _STATUSES else "",
    )


def token_of(message: Mapping[str, Any]) -> str:
    """The mark of the request that this is the answer to."""
    token = message.get("clientToken")
    return token if isinstance(token, str) else ""


def brief_of(document: Any) -> Brief:
    """The keys of a deployment document may be written in any case."""
    if not isinstance(document, dict) or not document:
        return Brief(problem="there is no deployment document")
    data = {key.lower(): value for key, value in document.items()}
    found: dict[str, str] = {}
    problem = ""
    for field, key in (("deployment_id", "deploymentId"), ("name", "deploymentName"), ("arn", "configurationArn")):
        try:
            text = get_str({key: data.get(key.lower())}, key, "")
            if len(text) > MAX_NAME:
                raise InvalidValue(f"'{key}' has more than {MAX_NAME} characters")
            found[field] = text
        except InvalidValue as error:
            problem = problem or f"the deployment document is not valid: {error}"
    if not problem and not found["deployment_id"]:
        problem = "the deployment document is not valid: 'deploymentId' is missing"
    return Brief(**found, problem=problem)


def seconds(data: Mapping[str, Any], key: str) -> int:
    """A time; 0 where there is none. Raises ``InvalidValue``."""
    value = data.get(key)
    if type(value) is float and value == value and abs(value) < 2**53:
        return int(value)
    number: int = get_int(data, key, 0)
    if abs(number) >= 2**53:
        raise InvalidValue(f"'{key}' is no time: {number}")
    return number


def _job_id(data: Mapping[str, Any]) -> str:
    job_id = get_str(data, "jobId")
    plain = job_id.replace("-", "").replace("_", "")
    if not 0 < len(job_id) <= MAX_JOB_ID or not (plain.isascii() and (plain.isalnum() or not plain)):
        raise InvalidValue(f"{job_id[:80]!r} is no job id")
    return job_id


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
