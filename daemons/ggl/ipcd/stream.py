"""One stream of a component's connection: one call of an operation, with its answer and its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.ipc.errors import IpcError, service_error
from ggl.ipc.model import OPERATIONS, PREFIX, SERVICE, Operation
from ggl.ipcd import eventstream as es
from ggl.ipcd import trace
from ggl.ipcd.jsontext import encode
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.ipcd.connection import Connection

JSON = (":content-type", es.STRING, "application/json")

MAX_ERROR = 64 * 1024
"""Bytes of an error; what is more comes from somebody who means no good."""

_MAX_HEADERS = 500
"""Bytes that the headers of an error have at most, and what frames it."""
_MAX_DAMAGED = 500
_ERROR_MEMBERS = ("message", "_message", "_errorCode", "_service", "resourceType", "resourceName")

_END_OF_STREAM = es.Template(es.APPLICATION_MESSAGE, es.TERMINATE_STREAM)
_templates: dict[tuple[int, int, str], es.Template] = {}

_log = get_logger("ipc")


class Stream:
    """Exactly one of ``respond`` and ``fail`` answers it; a subscription then goes on with ``event``, until ``end`` or
    ``fail``. ``on_close`` is called once if the component ends the stream, or is gone, before we did. All of them do
    nothing on a stream that is over.
    """

    __slots__ = (
        "answered",
        "began",
        "component",
        "connection",
        "dropped",
        "id",
        "interface",
        "name",
        "on_close",
        "open",
        "operation",
        "resources",
        "size",
        "trail",
    )

    def __init__(self, connection: Connection, number: int, name: str, size: int) -> None:
        self.connection = connection
        self.component = connection.component
        self.id = number
        self.name = name
        self.operation: Operation | None = OPERATIONS.get(name)
        self.open = True
        self.answered = False
        self.size = size
        """Bytes of the request while it is unanswered."""
        self.on_close: Callable[[], None] | None = None
        self.trail = ""
        self.interface = ""
        """Who serves it, once that is known."""
        self.resources: list[str] = []
        """What its policies are checked for."""
        self.began = 0.0
        """When the request came (monotonic seconds), if anybody watches."""
        self.dropped = 0
        """Events that were too large for this client."""

    @property
    def streaming(self) -> bool:
        return self.operation is not None and self.operation.streaming

    def respond(self, response: dict[str, Any], payload: bytes | None = None) -> None:
        """Send ``response``; ``payload`` is its encoding, if that is known."""
        self._send(response, f"{self.name}Response", 0 if self.streaming else es.TERMINATE_STREAM, payload)

    def event(self, event: dict[str, Any], payload: bytes | None = None) -> None:
        """Send ``event``; ``payload`` is its encoding, when several streams share it."""
        if self.operation is not None and self.operation.event_shape is not None:
            self._send(event, self.operation.event_shape, 0, payload)

    def fail(self, error: IpcError) -> None:
        if self.open:
            payload = {
                "message": error.message,
                "_message": error.message,
                "_errorCode": error.shape,
                "_service": SERVICE,
                **error.members,
            }
            text = error_text(payload, min(MAX_ERROR, self.connection.max_out - _MAX_HEADERS))
            if self.connection.tracer.watchers:
                self._report(len(text), error)
            self.connection.forget(self)
            template = _template(es.APPLICATION_ERROR, es.TERMINATE_STREAM, PREFIX + error.shape)
            self.connection.send(template.encode(self.id, text))

    def end(self) -> None:
        if self.open:
            if self.connection.tracer.watchers:
                self.connection.tracer.report(trace.END, self)
            self.connection.forget(self)
            self.connection.send(_END_OF_STREAM.encode(self.id))

    def closed(self) -> None:
        """The component's side ended it."""
        if self.open and self.connection.tracer.watchers:
            self.connection.tracer.report(trace.END, self)
        self.connection.forget(self)
        if self.on_close is not None:
            self.on_close()

    def _send(self, value: dict[str, Any], shape: str, flags: int, payload: bytes | None = None) -> None:
        if not self.open:
            return
        connection = self.connection
        try:
            payload = encode(value) if payload is None else payload
            data = _template(es.APPLICATION_MESSAGE, flags, shape).encode(self.id, payload)
        except (ValueError, TypeError, RecursionError, es.EventStreamError) as error:
            self._give_up(service_error(f"{self.name}: the answer cannot be sent as JSON: {error}"))
            return
        if len(data) > connection.max_out:
            self._too_large(len(data))
            return
        if not self.answered and connection.backlogged:
            self._give_up(service_error(f"{self.name}: too many answers wait to be read by the component"))
            return
        if connection.tracer.watchers:
            self._report(len(payload))
        self.answered = True
        if flags & es.TERMINATE_STREAM:
            connection.forget(self)
        elif self.size:
            connection.answered(self)
        connection.send(data)

    def _too_large(self, size: int) -> None:
        """To send it would cost the client its connection."""
        limit = self.connection.max_out
        if not self.answered:
            self._give_up(
                service_error(f"{self.name}: the answer has {size} bytes, and the component can take only {limit}")
            )
            return
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # the first, and then ever less often
            _log.warning(
                "%s: %d events of %s were left out so far, this one has %d bytes and the component can take only %d",
                *(self.component, self.dropped, self.name, size, limit),
            )

    def _give_up(self, error: IpcError) -> None:
        self.fail(error)
        if self.on_close is not None:
            self.on_close()  # whoever feeds a subscription cannot know

    def _report(self, bytes_out: int, error: IpcError | None = None) -> None:
        if self.answered:
            kind = trace.EVENT if error is None else trace.END
        else:
            kind = trace.SUBSCRIPTION if self.streaming else trace.CALL
        self.connection.tracer.report(kind, self, self.size, bytes_out, error)


def error_text(value: dict[str, Any], limit: int = MAX_ERROR) -> bytes:
    """``value`` in any case: an error must reach the component, even if its text is damaged or over ``limit`` bytes."""
    try:
        text = encode(value)
    except (ValueError, TypeError, RecursionError):
        text = b""
    if 0 < len(text) <= limit:
        return text
    texts = [(key, ascii(value[key])[1:-1]) for key in _ERROR_MEMBERS if isinstance(value.get(key), str)]
    return encode({key: text[:_MAX_DAMAGED] for key, text in texts})


def _template(kind: int, flags: int, shape: str) -> es.Template:
    template = _templates.get((kind, flags, shape))
    if template is None:
        if len(_templates) > 1000:
            _templates.clear()  # names of errors and operations may come from registered daemons
        template = es.Template(kind, flags, [JSON, ("service-model-type", es.STRING, shape)])
        _templates[kind, flags, shape] = template
    return template
