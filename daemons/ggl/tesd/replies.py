"""What is made of an answer of AWS for whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode

if TYPE_CHECKING:
    from ggl.tesd.cache import Answer, Entry


def told(entry: Entry) -> dict[str, Any]:
    """What a component is told: the status of HTTP and the text."""
    return {"status": entry.status, "text": entry.answer.body if entry.status == 200 else entry.answer.text}


def plain(entry: Entry) -> dict[str, str]:
    """What a daemon is told; raises ``BusError``."""
    answer = entry.answer
    if not answer.credentials:
        code = ErrorCode.CONFIG if answer.local else ErrorCode.REMOTE if answer.status else ErrorCode.NOCONN
        raise BusError(code, answer.text)
    return dict(answer.credentials)


def formatted(entry: Entry) -> dict[str, str]:
    """The same as components get it; raises ``BusError``."""
    credentials = plain(entry)
    return {
        "AccessKeyId": credentials["accessKeyId"],
        "SecretAccessKey": credentials["secretAccessKey"],
        "Token": credentials["sessionToken"],
        "Expiration": credentials["expiration"],
    }


def verdict(answer: Answer) -> None:
    """Raises ``BusError`` unless there are credentials."""
    if answer.local:
        raise BusError(ErrorCode.CONFIG, answer.text)
    if not answer.credentials:
        kind = "AUTH_FAILURE" if 400 <= answer.status < 500 else "SERVER_ERROR"
        raise BusError(ErrorCode.REMOTE, f"CREDENTIAL_ENDPOINT_{kind}: {answer.text}")
