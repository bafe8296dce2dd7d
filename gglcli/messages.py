"""Messages of local publish/subscribe as the command line takes and shows them."""

from __future__ import annotations

import json
import sys
import time
from base64 import b64decode, b64encode
from typing import Any

from ggl.bus.wire import MAX_FRAME
from gglcli import output
from gglcli.errors import INVALID, CliError
from gglcli.line import Columns, Line

MAX_SHOWN = 4000
"""Characters of a message that a terminal gets."""
PUBLISHER = "ggl"
"""What subscribers over the bus see as the publisher."""


MAX_BYTES = (MAX_FRAME - 16 * 1024) // 4 * 3
"""Bytes of a message that is none of JSON: on the bus they are base64, and something is around them."""


def payload_of(data: bytes, kind: str, typed: bool) -> dict[str, Any]:
    """What to publish for ``data``: the JSON object it is, or its bytes. ``kind``: ``auto``, ``json`` or ``bytes``;
    ``typed``: it stood on the command line."""
    if kind != "bytes":
        value, slip = _parse(data)
        if isinstance(value, dict):
            return {"jsonMessage": {"message": value}}
        if kind == "json" and slip:
            hint = "quote it for the shell" if typed else ""
            raise CliError(f"the message is not JSON: {slip}", INVALID, hint=hint)
        if kind == "json":
            hint = "only an object can be a JSON message; publish it with --as bytes"
            raise CliError("the message is JSON, but not an object", INVALID, hint=hint)
    if len(data) > MAX_BYTES:
        raise CliError(f"the message has {len(data)} bytes; it can have at most {MAX_BYTES}", INVALID)
    return {"binaryMessage": {"message": b64encode(data).decode()}}


def slip_in(data: bytes) -> str:
    """Why ``data`` is not JSON, though it begins like an object and so was most likely meant as one."""
    return _parse(data)[1] if data.lstrip().startswith(b"{") else ""


def _parse(data: bytes) -> tuple[Any, str]:
    """The value that it is as JSON, or why it is none."""
    try:
        value = json.loads(data)
        # What Python takes for JSON and others do not: NaN, infinity, halves of surrogate pairs.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return None, str(error)
    return value, ""


def kind_of(payload: dict[str, Any]) -> str:
    return "json" if "jsonMessage" in payload else "bytes"


def require_filter(topic_filter: str) -> str:
    """What is to be said of a filter that may be meant otherwise. Raises ``CliError`` for one that covers nothing."""
    require_text(topic_filter)
    levels = topic_filter.rstrip("/").split("/")
    for level in levels:
        if "*" in level or (level not in ("+", "#") and ("+" in level or "#" in level)):
            hint = "'+' stands for one whole level, and '#' at the end for the rest; no topic has '+', '#' or '*' in it"
            raise CliError(f"the filter '{topic_filter}' covers no topic, because of '{level}'", INVALID, hint=hint)
    if "#" in levels[:-1]:
        meant = "/".join("+" if level == "#" else level for level in levels[:-1])
        return f"'{topic_filter}' is the same as '{meant}/{levels[-1]}': '#' stands for the rest only at the end"
    return ""


def require_text(topic: str) -> None:
    """Raises ``CliError`` when what the shell passed on as a topic is no UTF-8."""
    try:
        topic.encode()
    except UnicodeEncodeError:
        raise CliError("a topic must be UTF-8", INVALID) from None


def _is_binary(text: str) -> bool:
    """Whether it begins with more than a few characters that no text has."""
    start = text[:4096]
    return sum(ord(each) < 32 and each not in "\t\n\r" for each in start) * 10 > len(start)


class Message:
    """One that was received now. ``content`` is the object of a JSON message, or bytes."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.time = int(time.time() * 1000)
        self.topic = str(item.get("topic", ""))
        self.publisher = str(item.get("publisher") or "")
        payload = item.get("payload") or {}
        self.content: Any
        if "jsonMessage" in payload:
            self.content = payload["jsonMessage"].get("message")
        else:
            self.content = b64decode(payload["binaryMessage"].get("message") or "")

    @property
    def text(self) -> str | None:
        """The bytes as text, if they are UTF-8; the JSON text of an object."""
        if not isinstance(self.content, bytes):
            return output.to_json(self.content)
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            return None

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {"time": self.time, "topic": self.topic, "publisher": self.publisher}
        if isinstance(self.content, bytes):
            return {**data, "binary": b64encode(self.content).decode(), "text": self.text}
        return {**data, "message": self.content}

    def line(self, columns: Columns) -> Line:
        return columns.line(
            (clock(self.time), "dim"), (self.topic, "name"), (self.publisher or "-", "dim"), (self.shown(), "")
        )

    def shown(self) -> str:
        limit = MAX_SHOWN if output.on_terminal() else None
        text = self.text
        if isinstance(self.content, bytes) and (text is None or _is_binary(text)):
            text = f"base64:{b64encode(self.content[:limit]).decode()}"
            size = f"{len(self.content)} bytes"
        else:
            assert text is not None
            size = f"{len(text)} characters"
            if isinstance(self.content, bytes) and not text.isprintable():
                text = json.dumps(text[:limit], ensure_ascii=False)  # lest it leaves its line
        return text if limit is None or len(text) <= limit else f"{text[:limit]}… ({size})"

    def write_raw(self) -> None:
        """The content alone, and a line feed."""
        data = self.content if isinstance(self.content, bytes) else output.to_json(self.content).encode()
        if sys.stdout.isatty():
            output.item(None, Line([(self.shown(), "", 0)]))
            return
        sys.stdout.buffer.write(data + b"\n")
        output.flush()


def clock(milliseconds: int) -> str:
    """The time of day on a terminal, where a line is short; the whole time elsewhere. UTC."""
    text = output.iso_time(milliseconds)
    return text[11:-1] if output.on_terminal() else text
