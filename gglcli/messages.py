"""Messages of local publish/subscribe as the command line takes and shows them."""

from __future__ import annotations

import json
import sys
import time
from base64 import b64decode, b64encode
from typing import Any

from gglcli import output
from gglcli.errors import INVALID, CliError
from gglcli.line import Columns, Line

PUBLISHER = "ggl"
"""What subscribers over the bus see as the publisher."""


def payload_of(data: bytes, kind: str) -> dict[str, Any]:
    """What to publish for ``data``: the JSON object it is, or its bytes. ``kind``: ``auto``, ``json`` or ``bytes``."""
    if kind != "bytes":
        try:
            value = json.loads(data)
            # What Python takes for JSON and others do not: NaN, infinity, halves of surrogate pairs.
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            if kind == "json":
                raise CliError(f"the message is not JSON: {error}", INVALID, hint="quote it for the shell") from None
            value = None
        if isinstance(value, dict):
            return {"jsonMessage": {"message": value}}
        if kind == "json":
            hint = "only an object can be a JSON message; publish it with --as bytes"
            raise CliError("the message is JSON, but not an object", INVALID, hint=hint)
    return {"binaryMessage": {"message": b64encode(data).decode()}}


def require_text(topic: str) -> None:
    """Raises ``CliError`` when what the shell passed on as a topic is no UTF-8."""
    try:
        topic.encode()
    except UnicodeEncodeError:
        raise CliError("a topic must be UTF-8", INVALID) from None


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
            (clock(self.time), "dim"), (self.topic, "name"), (self.publisher or "-", "dim"), (self._shown(), "")
        )

    def _shown(self) -> str:
        text = self.text
        if text is None:
            return f"base64:{b64encode(self.content).decode()}"
        if isinstance(self.content, bytes) and not text.isprintable():
            return json.dumps(text, ensure_ascii=False)  # lest it leaves its line
        return text

    def write_raw(self) -> None:
        """The content alone, and a line feed."""
        data = self.content if isinstance(self.content, bytes) else output.to_json(self.content).encode()
        if sys.stdout.isatty():
            output.item(None, Line([(self._shown(), "", 0)]))
            return
        sys.stdout.buffer.write(data + b"\n")
        output.flush()


def clock(milliseconds: int) -> str:
    """The time of day on a terminal, where a line is short; the whole time elsewhere. UTC."""
    text = output.iso_time(milliseconds)
    return text[11:-1] if output.on_terminal() else text
