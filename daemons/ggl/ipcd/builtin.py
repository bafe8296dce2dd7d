"""The IPC operations that the bridge answers itself, because they are about what only the bridge knows.

``ValidateAuthorizationToken``: is this the token of a component? Only the stream manager may ask.
``aws.greengrass.private#GetSystemConfig``: a value below ``system`` of the configuration, for components made for the
C runtime. Read-only; what stands there (thing name, paths) is in every component's environment anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ggl.bus import BusError
from ggl.bus.trail import current
from ggl.ipc.errors import IpcError, invalid_arguments, service_error, unauthorized
from ggl.ipc.model import PREFIX
from ggl.ipcd.backends import Backends
from ggl.ipcd.stream import Stream
from ggl.ipcd.tokens import Tokens
from ggl.values import InvalidValue, get_str

VALIDATE_TOKEN = PREFIX + "ValidateAuthorizationToken"
GET_SYSTEM_CONFIG = "aws.greengrass.private#GetSystemConfig"
STREAM_MANAGER = "aws.greengrass.StreamManager"


def builtins(tokens: Tokens, backends: Backends) -> dict[str, Callable[[Stream, dict[str, Any]], None]]:
    def validate_token(stream: Stream, request: dict[str, Any]) -> None:
        if stream.component != STREAM_MANAGER:
            raise unauthorized(f"{stream.component} is not authorized to perform {VALIDATE_TOKEN}")
        token = request.get("token")
        if not isinstance(token, str) or tokens.component_of(token) is None:
            raise IpcError("InvalidTokenError", "Invalid token used by the client")
        stream.respond({"isValid": True})

    def get_system_config(stream: Stream, request: dict[str, Any]) -> None:
        try:
            key = get_str(request, "key")
        except InvalidValue as error:
            raise invalid_arguments(str(error)) from None

        def fail(_error: BusError) -> None:
            stream.fail(service_error("Failed to read the system configuration."))

        backends["gg_config"].call(
            "read", {"key_path": ["system", key]}, lambda value: stream.respond({"value": value}), fail, current.trail
        )

    return {VALIDATE_TOKEN: validate_token, GET_SYSTEM_CONFIG: get_system_config}
