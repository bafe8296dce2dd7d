"""The IPC operations that the bridge answers itself, because they are about what only the bridge knows.

``ValidateAuthorizationToken``: is this the token of a component? Only the stream manager may ask.
``CreateDebugPassword``: a password for the local debug console, see ``ggl.ipcd.debug_password``.
``aws.greengrass.private#GetSystemConfig``: a value below ``system`` of the configuration, for components made for the
C runtime. Read-only; what stands there (thing name, paths) is in every component's environment anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError
from ggl.bus.trail import current
from ggl.ipc.errors import IpcError, invalid_arguments, service_error, unauthorized
from ggl.ipc.model import PREFIX
from ggl.ipcd.backends import Backends
from ggl.ipcd.debug_password import LIFETIME, USERNAME, DebugPasswords
from ggl.ipcd.stream import Stream
from ggl.ipcd.tokens import Tokens
from ggl.log import get_logger
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.daemon import Context

_log = get_logger("ipc")

VALIDATE_TOKEN = PREFIX + "ValidateAuthorizationToken"
CREATE_DEBUG_PASSWORD = PREFIX + "CreateDebugPassword"
GET_SYSTEM_CONFIG = "aws.greengrass.private#GetSystemConfig"
STREAM_MANAGER = "aws.greengrass.StreamManager"


class DebugConsole:
    """Passwords for the debug console. The daemon stays for as long as one is valid: they are nowhere else."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._passwords = DebugPasswords()
        self._held = False

    def create(self, stream: Stream, _request: dict[str, Any]) -> None:
        """Serves ``CreateDebugPassword``. The hashes of a certificate belong to a console that there is not yet."""
        password = self._passwords.create(time.monotonic())
        if not self._held:
            self._held = True
            self._context.hold()
        self._context.loop.call_later(LIFETIME + 1.0, self._expire)
        stream.respond({"username": USERNAME, "password": password, "passwordExpiration": time.time() + LIFETIME})

    def check(self, _request: Request, params: dict[str, Any]) -> bool:
        """The bus method ``check_debug_password``."""
        return self._passwords.check(get_str(params, "username"), get_str(params, "password"), time.monotonic())

    def _expire(self) -> None:
        if self._held and not self._passwords.expire(time.monotonic()):
            self._held = False
            self._context.release()


def builtins(
    tokens: Tokens, backends: Backends, console: DebugConsole
) -> dict[str, Callable[[Stream, dict[str, Any]], None]]:
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

        def fail(error: BusError) -> None:
            _log.info("%s of %s failed: %s", stream.name, stream.component, error)
            stream.fail(service_error("Failed to read the system configuration."))

        backends["gg_config"].call(
            "read", {"key_path": ["system", key]}, lambda value: stream.respond({"value": value}), fail, current.trail
        )

    return {
        VALIDATE_TOKEN: validate_token,
        CREATE_DEBUG_PASSWORD: console.create,
        GET_SYSTEM_CONFIG: get_system_config,
    }
