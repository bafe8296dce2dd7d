"""A connection to the device's D-Bus on a daemon's loop: calls with callbacks, signals of one service, never blocking.

The messages are jeepney's; its connections are not used, as they block or bring threads or asyncio. Only what comes
from the owner of the one bus name that we watch is taken for a signal: any user may send a message to any other, and a
signal that is addressed to us passes by the matches.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jeepney.auth import BEGIN, AuthenticationError, Authenticator
from jeepney.low_level import Endianness, Header, HeaderFields, Message, MessageFlag, MessageType, calc_msg_size

from ggl.bus.loop import READABLE, WRITABLE, Loop, Timer
from ggl.log import get_logger

SYSTEM_BUS = "/run/dbus/system_bus_socket"
CALL_SECONDS = 90.0
"""What a call may take: systemd answers at once, but for a reload of all units on a slow device."""
FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Seconds before another attempt to connect; doubled each time."""
LARGEST_MESSAGE = 1 << 27
"""Bytes; the protocol allows no more."""
_READ_SIZE = 65536
_BUS = "org.freedesktop.DBus"

_log = get_logger("hostd")


class DBusError(Exception):
    """A call failed. ``name`` is the error's name on the bus; ``NO_CONNECTION`` when there was no answer."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text or name)
        self.name = name


NO_CONNECTION = "org.freedesktop.DBus.Error.Disconnected"
TIMEOUT = "org.freedesktop.DBus.Error.Timeout"


@dataclass(frozen=True)
class Signal:
    """A signal of the service that is watched."""

    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


@dataclass(frozen=True)
class _Call:
    """A call that waits for its answer."""

    done: Callable[[tuple[Any, ...]], None]
    failed: Callable[[DBusError], None]
    timer: Timer


class DBus:
    """Connects by itself, and again whenever the connection is lost.

    ``service`` is the bus name whose signals are wanted: those that ``matches`` select. ``on_up`` is called when calls
    can be made, and again when the service was replaced by a new process of it; ``on_lost(why)`` when they cannot any
    more, or still cannot. ``wanted(path)`` tells by its path whether a signal matters: others are not even decoded.
    """

    def __init__(
        self,
        loop: Loop,
        service: str,
        matches: tuple[str, ...],
        wanted: Callable[[str], bool],
        on_signal: Callable[[Signal], None],
        on_up: Callable[[], None],
        on_lost: Callable[[str], None],
        path: str = SYSTEM_BUS,
    ) -> None:
        self.up = False
        self._loop = loop
        self._service = service
        self._matches = matches
        self._wanted = wanted
        self._on_signal = on_signal
        self._on_up = on_up
        self._on_lost = on_lost
        self._path = path
        self._sock: socket.socket | None = None
        self._login: Authenticator | None = None
        self._received = bytearray()
        self._unsent = bytearray()
        self._serial = 0
        self._calls: dict[int, _Call] = {}
        self._owner = ""
        self._delay = FIRST_DELAY

    def connect(self) -> None:
        """Begin; ``on_up`` or ``on_lost`` follows."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            self._try_again(f"{self._path}: {error.strerror}")
            return
        self._sock = sock
        self._login = Authenticator()
        self._received.clear()
        self._unsent.clear()
        self._loop.watch(sock.fileno(), self._on_ready)
        self._send(self._login.data_to_send() or b"")

    def close(self) -> None:
        """For good."""
        self._drop()

    def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str,
        body: tuple[Any, ...],
        done: Callable[[tuple[Any, ...]], None],
        failed: Callable[[DBusError], None],
    ) -> None:
        """One of the callbacks follows, on the loop and after this call has returned."""
        if self._sock is None or self._login is not None:
            self._loop.call_soon(lambda: failed(DBusError(NO_CONNECTION, "there is no connection to D-Bus")))
            return
        self._serial += 1
        serial = self._serial
        fields = {
            HeaderFields.path: path,
            HeaderFields.destination: destination,
            HeaderFields.interface: interface,
            HeaderFields.member: member,
        }
        if signature:
            fields[HeaderFields.signature] = signature
        header = Header(Endianness.little, MessageType.method_call, MessageFlag(0), 1, 0, serial, fields)
        late = DBusError(TIMEOUT, f"{destination} has not answered {member} in time")
        timer = self._loop.call_later(CALL_SECONDS, lambda: self._fail(serial, late))
        self._calls[serial] = _Call(done, failed, timer)
        self._send(Message(header, body).serialise(serial))

    # -- connecting --------------------------------------------------------------------------------------------------

    def _log_in(self) -> None:
        """Go on with the conversation that comes before the first message."""
        login = self._login
        assert login is not None
        try:
            login.feed(bytes(self._received))
        except AuthenticationError as error:
            self._lost(f"D-Bus does not let us in: {error}")
            return
        self._received.clear()
        if login.authenticated:
            self._login = None
            self._send(BEGIN)
            self._bus_call("Hello", "", (), lambda _body: self._watch_service())

    def _watch_service(self) -> None:
        changes = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{self._service}'"
        for rule in (changes, *(f"type='signal',sender='{self._service}',{match}" for match in self._matches)):
            self._bus_call("AddMatch", "s", (rule,), lambda _body: None)
        self._bus_call("GetNameOwner", "s", (self._service,), lambda body: self._use(body[0]))

    def _use(self, owner: str) -> None:
        self._owner = owner
        self._delay = FIRST_DELAY
        self.up = True
        self._on_up()

    def _bus_call(
        self, member: str, signature: str, body: tuple[Any, ...], done: Callable[[tuple[Any, ...]], None]
    ) -> None:
        path = "/org/freedesktop/DBus"
        self.call(_BUS, path, _BUS, member, signature, body, done, lambda error: self._lost(f"{member}: {error}"))

    def _try_again(self, why: str) -> None:
        self._loop.call_later(self._delay, self.connect)
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        self._on_lost(why)

    def _lost(self, why: str) -> None:
        if self._sock is not None:
            _log.warning("the connection to D-Bus is lost: %s", why)
            self._drop()
            self._try_again(why)

    def _drop(self) -> None:
        if self._sock is not None:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
            self._sock = self._login = None
        self.up = False
        self._owner = ""
        for serial in list(self._calls):
            self._fail(serial, DBusError(NO_CONNECTION, "the connection to D-Bus was lost"))

    # -- what comes and goes -----------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        waited = bool(self._unsent)
        self._unsent += data
        if not waited:
            self._flush()

    def _flush(self) -> None:
        sock = self._sock
        if sock is None:
            return
        try:
            while self._unsent:
                del self._unsent[: sock.send(self._unsent)]
        except BlockingIOError:
            self._loop.rewatch(sock.fileno(), READABLE | WRITABLE)
            return
        except OSError as error:
            text = str(error.strerror)
            self._loop.call_soon(lambda: self._lost(text))
            return
        self._loop.rewatch(sock.fileno(), READABLE)

    def _on_ready(self, events: int) -> None:
        if events & WRITABLE:
            self._flush()
        if not events & ~WRITABLE or self._sock is None:
            return
        try:
            data = self._sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost("it was closed by the other side")
            return
        self._received += data
        if self._login is not None:
            if b"\r\n" in self._received or len(self._received) > _READ_SIZE:
                self._log_in()
            return
        self._take_messages()

    def _take_messages(self) -> None:
        received = self._received
        while len(received) >= 16 and self._sock is not None:
            size = calc_msg_size(bytes(received[:16]))
            if size > LARGEST_MESSAGE:
                self._lost("it sent something that is no message")
                return
            if len(received) < size:
                return
            data = bytes(received[:size])
            del received[:size]
            self._take(data)

    def _take(self, data: bytes) -> None:
        header, _ = Header.from_buffer(data)
        fields = header.fields
        if header.message_type == MessageType.signal:
            sender, path = fields.get(HeaderFields.sender), fields[HeaderFields.path]
            if sender == _BUS and fields[HeaderFields.member] == "NameOwnerChanged":
                self._owner_changed(*Message.from_buffer(data).body)
            elif sender == self._owner and self._wanted(path):
                body = Message.from_buffer(data).body
                self._on_signal(Signal(path, fields[HeaderFields.interface], fields[HeaderFields.member], body))
            return
        call = self._calls.pop(fields.get(HeaderFields.reply_serial, 0), None)
        if call is None:
            return
        call.timer.cancel()
        body = Message.from_buffer(data).body
        if header.message_type == MessageType.error:
            text = body[0] if body and isinstance(body[0], str) else ""
            call.failed(DBusError(fields.get(HeaderFields.error_name, ""), text))
        else:
            call.done(body)

    def _owner_changed(self, name: str, _old: str, new: str) -> None:
        if name != self._service or not self.up:
            return
        self._owner = new
        if new:
            _log.info("%s is a new process", name)
            self._on_up()

    def _fail(self, serial: int, error: DBusError) -> None:
        call = self._calls.pop(serial, None)
        if call is not None:
            call.timer.cancel()
            call.failed(error)
