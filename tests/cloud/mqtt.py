"""The stand-in's own client: it answers devices, and keeps everything that goes through the broker."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.cloud.broker import Broker
from tests.cloud.broker import client as described

PATIENCE = 180.0
"""Seconds to wait for what has to come: the machine may be slow, and what went wrong is tried again ever later."""
KEPT = 200_000
"""Messages that are kept."""
_CONTROL = "$CONTROL/dynamic-security/v1"
_MARK = "stand-in/mark"
_OURS = "stand-in"
_CAME = re.compile(r"New client connected from \S+ as (\S+) \(")
_WENT = re.compile(r"Client (\S+) (?:closed its connection|disconnected|has exceeded timeout|already connected)")
ALL = ("#", "$aws/#", f"{_CONTROL}/response")

Handler = Callable[["Message"], None]


def leave(client: Client) -> None:
    """Disconnect a client whose loop was started, and end its thread."""
    client.disconnect()
    with suppress(AttributeError):  # the thread ends by itself, and may have done so when paho is about to join it
        client.loop_stop()


@dataclass(frozen=True)
class Message:
    """What went through the broker. ``properties``: those of MQTT 5, by paho's names; ``time``: monotonic seconds."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: dict[str, Any] = field(default_factory=dict)
    time: float = field(default_factory=time.monotonic)

    def json(self) -> Any:
        return json.loads(self.payload)


class Mqtt:
    """Everything about messages; the broker itself is ended and started by ``aws.network``."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._client: Client | None = None
        self._seen: deque[Message] = deque(maxlen=KEPT)
        self._news = threading.Condition()
        self._handlers: list[tuple[str, Handler]] = []
        self._things: list[str] = []
        self._denied: list[dict[str, object]] = []
        self._log_begin = 0

    # -- what tests ask for ------------------------------------------------------------------------------------------

    def publish(
        self, topic: str, payload: bytes | str | dict[str, Any], qos: int = 1, retain: bool = False, **properties: Any
    ) -> None:
        """Publish to the devices. ``properties``: by paho's names, ``ContentType="text/plain"`` for example."""
        assert self._client is not None, "the broker is not running"
        carried = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        for name, value in properties.items():
            setattr(carried, name, value)
        data = json.dumps(payload) if isinstance(payload, dict) else payload
        self._client.publish(topic, data, qos, retain, carried)

    def messages(self, topic_filter: str = "#") -> list[Message]:
        """What has been published to topics that ``topic_filter`` matches, oldest first, by whomever."""
        with self._news:
            return [each for each in self._seen if topic_matches_sub(topic_filter, each.topic)]

    def wait_for(
        self, topic_filter: str, accept: Callable[[Message], Any] = lambda _: True, seconds: float = PATIENCE
    ) -> Message:
        """The first message, new or old, that is accepted. Raises ``AssertionError`` when there is none."""
        return self.wait_for_count(topic_filter, 1, accept, seconds)[0]

    def wait_for_count(
        self,
        topic_filter: str,
        count: int,
        accept: Callable[[Message], Any] = lambda _: True,
        seconds: float = PATIENCE,
    ) -> list[Message]:
        """The same for as many messages."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                found = [m for m in self._seen if topic_matches_sub(topic_filter, m.topic) and accept(m)]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{len(found)} of {count} messages to {topic_filter} in {seconds:g} s")
                self._news.wait(left)

    def forget(self) -> None:
        """Forget what has been published so far."""
        with self._news:
            self._seen.clear()

    def deny(self, topic_filter: str, *, publish: bool = True, subscribe: bool = True) -> None:
        """Refuse to let devices use these topics, from now on."""
        if publish:
            self._denied.append({"acltype": "publishClientSend", "topic": topic_filter, "allow": False})
        if subscribe:
            self._denied.append({"acltype": "subscribePattern", "topic": topic_filter, "allow": False})
        self._change_access()

    def allow_all(self) -> None:
        """Take every refusal back."""
        self._denied.clear()
        self._change_access()

    def connected(self) -> set[str]:
        """The client ids of the devices that are connected now, as the broker has logged it."""
        found: set[str] = set()
        for line in self.broker.log.read_text(errors="replace").splitlines()[self._log_begin :]:
            if came := _CAME.search(line):
                found.add(came[1])
            elif went := _WENT.search(line):
                found.discard(went[1])
        return found - {_OURS}

    # -- for the other parts of the stand-in -------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where devices reach the broker: nowhere (0) while the stand-in is not there to hear and answer them."""
        return self.broker.port if self._client is not None else 0

    def on(self, topic_filter: str, handler: Handler) -> None:
        self._handlers.append((topic_filter, handler))

    def send(self, topic: str, content: dict[str, Any]) -> None:
        """Publish what a service of AWS says; while the broker is down, it gets lost."""
        if self._client is not None:
            self._client.publish(topic, json.dumps(content), 1)

    def add_thing(self, thing: str) -> None:
        if thing not in self._things:
            self._things.append(thing)
            if self._client is not None:
                self._control({"command": "createClient", **described(thing)})

    def start(self) -> None:
        """Start the broker, and be there before any device."""
        self._log_begin = self.broker.log.read_text(errors="replace").count("\n") if self.broker.log.exists() else 0
        self.broker.start(self._things, self._denied)
        ready = threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, _OURS, protocol=MQTTProtocolVersion.MQTTv5, transport="unix")
        client.max_inflight_messages_set(0)
        client.on_connect = lambda client, *_: client.subscribe([(each, 1) for each in ALL])
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = lambda _client, _data, message: self._take(message)
        client.connect(str(self.broker.socket), keepalive=600)
        client.loop_start()
        if not ready.wait(PATIENCE):
            raise RuntimeError("the broker does not talk to the stand-in")
        self._client = client

    def stop(self) -> None:
        """End the broker at once, but not before what it has acknowledged has been seen here."""
        client, self._client = self._client, None
        if client is not None:
            if self.broker.running:
                self._settle(client)
            leave(client)
        self.broker.kill()

    def _settle(self, client: Client) -> None:
        mark = uuid.uuid4().hex
        client.publish(_MARK, mark, 1)
        self.wait_for(_MARK, lambda message: message.payload == mark.encode())

    def _take(self, received: MQTTMessage) -> None:
        properties = {} if received.properties is None else dict(vars(received.properties))
        for internal in ("packetType", "types", "names", "properties"):
            properties.pop(internal, None)
        message = Message(received.topic, bytes(received.payload), received.qos, received.retain, properties)
        for topic_filter, handler in self._handlers:
            if topic_matches_sub(topic_filter, message.topic):
                handler(message)
        with self._news:
            self._seen.append(message)
            self._news.notify_all()

    def _change_access(self) -> None:
        if self._client is not None:
            self._control({"command": "modifyRole", "rolename": "device", "acls": self._denied})

    def _control(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._client is not None, "the broker is not running"
        token = uuid.uuid4().hex
        self._client.publish(_CONTROL, json.dumps({"commands": [{**command, "correlationData": token}]}), 1)
        answer = self.wait_for(
            f"{_CONTROL}/response", lambda m: m.json()["responses"][0].get("correlationData") == token
        )
        found: dict[str, Any] = answer.json()["responses"][0]
        assert "error" not in found, found
        return found
