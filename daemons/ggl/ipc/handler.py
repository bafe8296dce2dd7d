"""Serving an IPC operation on the bus.

The IPC bridge calls the method named like the operation (``aws.greengrass#PublishToTopic``) on the interface of the
daemon that serves it, with ``{"component": caller, "request": {...}}``. The result is ``{"response": {...}}`` or
``{"error": {"shape": ..., "message": ...}}``. A subscription opens a bus stream whose items are the event payloads;
whoever refuses one raises before the stream is opened. One that the component has had, until the daemon was restarted,
comes with ``"again": true`` (``opened_again``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.request import DEFERRED, Method
from ggl.ipc.errors import IpcError
from ggl.values import InvalidValue, get_dict, get_str

if TYPE_CHECKING:
    from ggl.bus.request import Request

Handler = Callable[[str, dict[str, Any], "Request"], Any]
"""``handler(component, request, bus_request)`` returns the response members (``None``: none), or raises ``IpcError``.

``InvalidValue`` becomes a ServiceError: the request does not have the shape the model gives it. With
``bus_request.defer()`` the handler answers later, through ``reply`` and ``fail`` of this module.
"""


def ipc_method(handler: Handler, blocking: bool = False) -> Method:
    """``handler`` as a method of the serving daemon's interface."""

    def serve(bus_request: Request, params: dict[str, Any]) -> Any:
        component, request = get_str(params, "component"), get_dict(params, "request")
        try:
            response = handler(component, request, bus_request)
        except IpcError as error:
            return {"error": error.to_dict()}
        except InvalidValue as error:
            return {"error": {"shape": "ServiceError", "message": f"Received invalid parameters: {error}"}}
        return response if response is DEFERRED else {"response": response or {}}

    return Method(serve, blocking)


def opened_again(bus_request: Request) -> bool:
    """Whether the component has this subscription already, and knows nothing of its interruption."""
    return bus_request.params.get("again") is True


def reply(bus_request: Request, response: dict[str, Any] | None = None) -> None:
    """Answer a deferred request."""
    bus_request.reply({"response": response or {}})


def fail(bus_request: Request, error: IpcError) -> None:
    """Answer a deferred request with an error."""
    bus_request.reply({"error": error.to_dict()})
