"""What is published: either a JSON object or bytes in base64, as the IPC model has it. Pure."""

from __future__ import annotations

from binascii import Error, a2b_base64
from typing import Any

from ggl.values import InvalidValue, get_dict, get_str


def event_of(topic: str, message: dict[str, Any]) -> dict[str, Any]:
    """What subscribers of ``topic`` get for a ``PublishMessage``. Raises ``InvalidValue``.

    A ``context`` that the publisher sent is replaced: subscribers must be able to believe it.
    """
    kinds = [kind for kind in ("jsonMessage", "binaryMessage") if message.get(kind) is not None]
    if len(kinds) != 1:
        raise InvalidValue("a message must have exactly one of 'jsonMessage' and 'binaryMessage'")
    kind = kinds[0]
    body = get_dict(message, kind)
    content: Any
    if kind == "jsonMessage":
        content = get_dict(body, "message")
    else:
        content = get_str(body, "message")
        try:
            a2b_base64(content, strict_mode=True)
        except (Error, ValueError):
            raise InvalidValue("'message' of a binaryMessage must be base64") from None
    return {kind: {"message": content, "context": {"topic": topic}}}
