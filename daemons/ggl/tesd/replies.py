"""What is made of an answer of AWS for whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ggl.bus.errors import BusError, ErrorCode

if TYPE_CHECKING:
    from ggl.tesd.cache import Answer, Entry
    from ggl.tesd.endpoint import Connection


def answer(connection: Connection, entry: Entry) -> None:
    """What a component is told."""
    if entry.status == 200:
        connection.answer(200, entry.answer.body.encode(), "application/json")
    else:
        connection.answer(entry.status, entry.answer.text.encode())


def result(answer: Answer, formatted: bool) -> dict[str, str]:
    """What a daemon is told; raises ``BusError``."""
    credentials = answer.credentials
    if not credentials:
        code = ErrorCode.CONFIG if answer.local else ErrorCode.REMOTE if answer.status else ErrorCode.NOCONN
        raise BusError(code, answer.text)
    if not formatted:
        return dict(credentials)
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
