"""The connection to D-Bus, against a bus that this test plays."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from jeepney.low_level import Endianness, Header, HeaderFields, Message, MessageFlag, MessageType, Parser

from ggl.bus.loop import Loop
from ggl.host.systemd.dbus import NO_CONNECTION, DBus, DBusError, Signal

SECONDS = 60.0
"""For what must happen; much longer than it takes."""
SERVICE, OWNER, DBUS = "org.example.Service", ":1.7", "org.freedesktop.DBus"


class Bus:
    """The other side of one connection. It lets everybody in; what is asked of others than the bus is in ``calls``."""

    def __init__(self, listener: socket.socket) -> None:
        self.calls: Queue[Message] = Queue()
        self.said: list[tuple[str, tuple[Any, ...]]] = []
        self._sock: socket.socket
        self._thread = Thread(target=self._serve, args=(listener,))
        self._thread.start()

    def _serve(self, listener: socket.socket) -> None:
        self._sock, _ = listener.accept()
        with self._sock.makefile("rb") as lines:
            assert lines.readline().startswith(b"\0AUTH EXTERNAL ")
            self._sock.sendall(b"OK 0123\r\n")
            assert lines.readline() == b"BEGIN\r\n"
            parser = Parser()
            while data := lines.read1():
                for message in parser.feed(data):
                    self._take(message)

    def _take(self, call: Message) -> None:
        fields = call.header.fields
        if fields[HeaderFields.destination] != DBUS:
            self.calls.put(call)
            return
        self.said.append((fields[HeaderFields.member], call.body))
        answers = {"Hello": ("s", ":1.9"), "GetNameOwner": ("s", OWNER), "AddMatch": ("",)}
        self.answer(call, *answers[fields[HeaderFields.member]], sender=DBUS)

    def next(self) -> Message:
        return self.calls.get(timeout=SECONDS)

    def send(self, kind: MessageType, fields: dict[HeaderFields, Any], signature: str = "", *body: Any) -> None:
        if signature:
            fields = {**fields, HeaderFields.signature: signature}
        header = Header(Endianness.little, kind, MessageFlag(0), 1, 0, 1, fields)
        self._sock.sendall(Message(header, body).serialise(1))

    def answer(self, call: Message, signature: str = "", *body: Any, sender: str = OWNER) -> None:
        fields = {HeaderFields.reply_serial: call.header.serial, HeaderFields.sender: sender}
        self.send(MessageType.method_return, fields, signature, *body)

    def signal(self, path: str, *body: Any, sender: str = OWNER) -> None:
        fields = {HeaderFields.path: path, HeaderFields.interface: SERVICE, HeaderFields.member: "Changed"}
        self.send(MessageType.signal, {**fields, HeaderFields.sender: sender}, "s" * len(body), *body)

    def close(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
        self._thread.join(SECONDS)
        self._sock.close()


class Client:
    def __init__(self, path: Path) -> None:
        self.loop = Loop()
        self.seen: list[Any] = []
        self.buses: list[Bus] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(SECONDS)
        self.dbus = DBus(
            self.loop,
            SERVICE,
            ("member='Changed'",),
            lambda where: where != "/other",
            self.see,
            lambda: self.see("up"),
            lambda why: self.see(f"lost: {why}"),
            str(path),
        )

    def see(self, what: Any) -> None:
        self.seen.append(what)
        self.loop.stop()

    def next(self) -> Any:
        """What is seen next."""
        while not self.seen:
            self.loop.run()
        return self.seen.pop(0)

    def connected(self) -> Bus:
        """The other side of a connection that can be used."""
        self.buses.append(Bus(self.listener))
        assert self.next() == "up"
        return self.buses[-1]

    def call(self, *body: Any) -> None:
        self.dbus.call(SERVICE, "/a", SERVICE, "Do", "s" * len(body), body, self.see, self.see)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    made = Client(tmp_path / "bus")
    yield made
    made.dbus.close()
    for bus in made.buses:
        bus.close()
    made.listener.close()
    made.loop.close()


def test_it_asks_for_the_signals_of_its_service(client: Client) -> None:
    client.dbus.connect()
    change = f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{SERVICE}'"
    assert client.connected().said == [
        ("Hello", ()),
        ("AddMatch", (change,)),
        ("AddMatch", (f"type='signal',sender='{SERVICE}',member='Changed'",)),
        ("GetNameOwner", (SERVICE,)),
    ]


def test_a_call_is_answered_or_fails(client: Client) -> None:
    client.dbus.connect()
    bus = client.connected()
    client.call("one", "two")
    asked = bus.next()
    assert (asked.body, asked.header.fields[HeaderFields.destination]) == (("one", "two"), SERVICE)
    bus.answer(asked, "su", "fine", 3)
    assert client.next() == ("fine", 3)
    client.call()
    fields = {HeaderFields.reply_serial: bus.next().header.serial, HeaderFields.error_name: "org.example.No"}
    bus.send(MessageType.error, {**fields, HeaderFields.sender: OWNER}, "s", "no such thing")
    error = client.next()
    assert isinstance(error, DBusError)
    assert (error.name, str(error)) == ("org.example.No", "no such thing")


def test_only_signals_of_the_service_that_matter_are_told(client: Client) -> None:
    client.dbus.connect()
    bus = client.connected()
    bus.signal("/a", "forged", sender=":1.66")
    bus.signal("/other", "of no interest")
    bus.signal("/a", "true")
    assert client.next() == Signal("/a", SERVICE, "Changed", ("true",))
    assert client.seen == []


def test_a_connection_that_is_lost_fails_what_was_under_way_and_is_made_anew(client: Client) -> None:
    client.dbus.connect()
    bus = client.connected()
    client.call()
    bus.close()
    error = client.next()
    assert isinstance(error, DBusError)
    assert error.name == NO_CONNECTION
    assert client.next().startswith("lost: ")
    client.connected()


def test_a_new_process_of_the_service_is_told_like_a_new_connection(client: Client) -> None:
    client.dbus.connect()
    bus = client.connected()
    fields = {HeaderFields.path: "/", HeaderFields.interface: DBUS}
    fields |= {HeaderFields.member: "NameOwnerChanged", HeaderFields.sender: DBUS}
    bus.send(MessageType.signal, fields, "sss", SERVICE, OWNER, "")
    bus.send(MessageType.signal, fields, "sss", SERVICE, "", ":1.8")
    assert client.next() == "up"
    bus.signal("/a", "of the old one")
    bus.signal("/a", "of the new one", sender=":1.8")
    assert client.next().body == ("of the new one",)


def test_a_bus_that_is_not_there_is_tried_again(client: Client, tmp_path: Path) -> None:
    (tmp_path / "bus").rename(tmp_path / "away")
    client.dbus.connect()
    assert client.next() == f"lost: {tmp_path}/bus: No such file or directory"
    (tmp_path / "away").rename(tmp_path / "bus")
    client.connected()


def test_a_call_without_a_connection_fails_later_not_at_once(client: Client) -> None:
    client.call()
    assert client.seen == []
    assert client.next().name == NO_CONNECTION
