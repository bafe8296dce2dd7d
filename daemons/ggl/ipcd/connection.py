"""One component's connection: the RPC protocol on top of event stream messages. Knows no sockets and no bus.

A connection begins with CONNECT, which carries the component's token, and is answered by CONNECT_ACK. From then on the
component opens streams, each with a request; a call's stream ends with its response, a subscription's stays open for
events until either side terminates it. Stream 0 carries what concerns the connection: PING, and protocol errors. Who
breaks the protocol is told so and disconnected; the connection's streams are released whatever it ends by.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ggl.ipc.errors import IpcError, service_error
from ggl.ipcd import eventstream as es
from ggl.ipcd.identity import Identified, Identity, Refused
from ggl.ipcd.jsontext import decode
from ggl.ipcd.rate import MAX_PER_SECOND, Rate
from ggl.ipcd.stream import JSON, Stream, error_text
from ggl.ipcd.stream_ids import StreamIds
from ggl.ipcd.unfinished import LARGE, Unfinished
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.ipcd.trace import Tracer

PROTOCOL_VERSION = "0.1.0"
MAX_STREAMS = 1024
"""Streams one connection may have open at a time."""
MAX_UNANSWERED = 1024 * 1024
"""Bytes of requests that wait for their answers before the next one is left in the socket. One may be larger."""
MAX_NAME = 256
"""Characters of an operation's full name."""
MAX_ANSWERS = 4 * 1024 * 1024
"""Bytes that may wait for a component before further answers become errors: it has asked for more than it reads."""
MAX_CONNECT = 64 * 1024
"""Bytes of a message from somebody who has not shown a token yet."""
SMALL_CLIENT = 10_000
"""Bytes of the largest message that clients made with the Greengrass component SDK for C can take."""

_REFUSE = es.Template(es.CONNECT_ACK, 0).encode()
_VIOLATION = es.Template(es.PROTOCOL_ERROR, 0, [JSON])


_log = get_logger("ipc")


class Output(Protocol):
    """Where a connection's bytes go: see ``Transport``."""

    @property
    def behind(self) -> int: ...
    def send(self, data: bytes) -> None: ...
    def finish(self) -> None: ...
    def hold(self, on: bool) -> None: ...
    def pause(self, seconds: float) -> None: ...


class Connection:
    """``identify(token, component, done)`` finds out who connects, now or later; ``start(stream, request)`` runs an
    operation, and may raise ``IpcError``; ``on_violation(reason)`` is told why a peer was sent away."""

    def __init__(
        self,
        output: Output,
        identify: Callable[[str | None, str | None, Identified], None],
        start: Callable[[Stream, dict[str, Any]], None],
        on_violation: Callable[[str], None],
        tracer: Tracer,
        unfinished: Unfinished,
        pid: int = 0,
    ) -> None:
        self.component = ""
        """The name of who is connected; empty until it has shown who it is."""
        self.identity: Identity | None = None
        self.streams: dict[int, Stream] = {}
        self.closed = False
        self.tracer = tracer
        self.pid = pid
        self.max_out = es.MAX_MESSAGE
        """Bytes of the largest message that the client can take."""
        self.send = output.send
        self.hold = output.hold
        self._output = output
        self._finish = output.finish
        self._pause = output.pause
        self._identify = identify
        self._start = start
        self._on_violation = on_violation
        self._decoder = es.Decoder(MAX_CONNECT)
        self._unfinished = unfinished
        self._large = False
        self._ids = StreamIds()
        self._rate = Rate()
        self._unanswered = 0
        self._held = False
        self._connecting = False
        self._judged = False
        self._slowed = False

    def receive(self, data: bytes) -> None:
        """Take bytes from the component. Not to be called any more once the output was told to finish."""
        try:
            messages = self._decoder.feed(data)
        except es.EventStreamError as error:
            self._violation(str(error))
            return
        if self._large or self._decoder.unfinished > LARGE:
            self._large = self._unfinished.update(self, self._decoder.unfinished)
        if wait := self._rate.spend(len(messages)):
            self._slow_down(wait)
        for message in messages:
            if self.closed:
                return
            if message.stream_id > 0 and self.component:
                self._on_stream_message(message)
            else:
                self._on_connection_message(message)

    def release(self) -> None:
        """The connection is gone: let every stream know, and forget the owner."""
        self._shut()
        for stream in list(self.streams.values()):
            stream.closed()
        self._identify = self._on_violation = _nothing
        if self._large:
            self._unfinished.update(self, 0)

    @property
    def backlogged(self) -> bool:
        """Whether too much waits for the component already to send it another answer."""
        return self._output.behind > MAX_ANSWERS

    def cut(self, reason: str) -> None:
        """Send the component away for what it holds."""
        self._on_violation(reason)
        self._leave()

    def _leave(self) -> None:
        """End the connection from our side, when what was sent has been read."""
        self._shut()
        self._finish()

    def _shut(self) -> None:
        """Nothing is taken in any more; what has come in part goes."""
        self.closed = True
        self._decoder = es.Decoder()

    def forget(self, stream: Stream) -> None:
        """Our side ended ``stream``."""
        stream.open = False
        self.streams.pop(stream.id, None)
        self.answered(stream)

    def answered(self, stream: Stream) -> None:
        """The request of ``stream`` does not count any more."""
        self._unanswered -= stream.size
        stream.size = 0
        if self._held and self._unanswered <= MAX_UNANSWERED:
            self._held = False
            self.hold(False)

    def _slow_down(self, seconds: float) -> None:
        if not self._slowed:
            self._slowed = True
            _log.warning("%s is slowed down: over %d messages a second", self.component, MAX_PER_SECOND)
        self._pause(seconds)

    def _violation(self, reason: str) -> None:
        self._on_violation(reason)
        self.send(_VIOLATION.encode(0, error_text({"message": reason})))
        self._leave()

    # -- stream 0 ----------------------------------------------------------------------------------------------------

    def _on_connection_message(self, message: es.Message) -> None:
        kind = message.type
        if not self.component:
            if self._connecting:
                self._violation("the connect request has not been answered yet")
            elif kind == es.CONNECT and message.stream_id == 0:
                self._on_connect(message)
            else:
                self._violation("the first message must be a connect request")
        elif message.stream_id < 0:
            self._violation(f"{message.stream_id} is no stream id")
        elif kind == es.PING:
            echoed = [(name, *header) for name, header in message.headers.items() if not name.startswith(":")]
            self.send(es.Template(es.PING_RESPONSE, 0, echoed).encode(0, message.payload))
        elif kind == es.PING_RESPONSE:
            pass
        elif kind in (es.PROTOCOL_ERROR, es.INTERNAL_ERROR):
            self._on_violation(f"it reported an error: {message.payload[:500].decode('utf-8', 'replace')}")
            self._leave()
        elif kind == es.CONNECT:
            self._violation("the connection is established already")
        else:
            self._violation(f"a message of type {kind} has no place on stream 0")

    def _on_connect(self, message: es.Message) -> None:
        self._connecting = True
        try:
            token, component = _credentials(message)
        except Refused as refused:
            self._identified(refused)
        else:
            self._identify(token, component, self._identified)

    def _identified(self, found: Identity | Refused) -> None:
        if self.closed:
            return
        if isinstance(found, Refused):
            self._on_violation(f"its connect request was refused: {found}")
            self.send(_REFUSE)
            self._leave()
            return
        self.identity, self.component = found, found.name
        self._decoder.limit = es.MAX_MESSAGE
        if found.token:
            self.max_out = SMALL_CLIENT
        told = [("svcuid", es.STRING, found.token)] if found.token else []
        self.send(es.Template(es.CONNECT_ACK, es.CONNECTION_ACCEPTED, told).encode())

    # -- operations --------------------------------------------------------------------------------------------------

    def _on_stream_message(self, message: es.Message) -> None:
        number = message.stream_id
        if message.type not in (es.APPLICATION_MESSAGE, es.APPLICATION_ERROR):
            self._violation(f"a message of type {message.type} has no place on stream {number}")
            return
        ends = message.flags & es.TERMINATE_STREAM
        stream = self.streams.get(number)
        if stream is not None:
            if ends:
                stream.closed()
            # No operation takes anything after its request: what else comes on the stream is ignored.
        elif self._ids.take(number):
            if not ends:
                self._open(number, message)
        elif not ends:
            self._violation(f"stream {number} is closed already")

    def _open(self, number: int, message: es.Message) -> None:
        name = message.text("operation")
        if name is None:
            self._violation(f"the first message of stream {number} names no operation")
            return
        if len(name) > MAX_NAME or not name.isprintable():
            name = ascii(name)[:MAX_NAME]  # no operation's name, but fit for answers and the log
        if not self._judged:
            self._judge(message)
        stream = Stream(self, number, name, len(message.payload))
        if self.tracer.watchers:
            stream.began = time.monotonic()
        too_many = len(self.streams) >= MAX_STREAMS
        self.streams[number] = stream
        self._unanswered += stream.size
        if self._unanswered > MAX_UNANSWERED and not self._held:
            self._held = True
            self.hold(True)
        try:
            if too_many:
                raise service_error(f"the connection has {MAX_STREAMS} open streams already")
            self._start(stream, _request_of(message.payload))
        except IpcError as error:
            stream.fail(error)

    def _judge(self, message: es.Message) -> None:
        """Tell by the first request whether it is a client with small buffers: only those say what the shape of a
        request is, but not how it is encoded."""
        self._judged = True
        if "service-model-type" in message.headers and ":content-type" not in message.headers:
            self.max_out = SMALL_CLIENT


def _nothing(*_whatever: Any) -> None:
    pass


def _credentials(message: es.Message) -> tuple[str | None, str | None]:
    """The token and the component's name in a connect request, as far as they are there. Raises ``Refused``."""
    version = message.text(":version")
    if version != PROTOCOL_VERSION:
        raise Refused(f"it speaks version {ascii(version)[:32]} of the protocol, not {PROTOCOL_VERSION}")
    try:
        request = decode(message.payload)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise Refused("it sent no JSON object")
    token, component = request.get("authToken"), request.get("componentName")
    return token if isinstance(token, str) else None, component if isinstance(component, str) else None


def _request_of(payload: bytes) -> dict[str, Any]:
    if not payload:
        return {}
    try:
        request = decode(payload)
    except RecursionError:
        raise service_error("the request is nested too deeply") from None
    except ValueError as error:
        raise service_error(f"the request is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise service_error("the request is not a JSON object")
    return request
