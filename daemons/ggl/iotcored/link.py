"""One connection to a broker, from the first packet to the last; a lost one is not mended, but followed by another.

What may block (looking up the name, TCP, TLS) happens on a worker thread; from then on everything runs on the loop: the
MQTT library has threads of its own, which are not used.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ggl.bus.loop import READABLE, WRITABLE
from ggl.iotcored.answers import Answer, Answers
from ggl.iotcored.client import Client, broken, connect_properties, reason_text
from ggl.iotcored.library import DISCONNECT, SubscribeOptions, properties_for
from ggl.iotcored.message import Message, library_properties
from ggl.iotcored.opening import open_socket, why_not
from ggl.iotcored.owner import TIMED_OUT, Loss
from ggl.iotcored.transport import MAX_UNSENT, Transport

if TYPE_CHECKING:
    import socket

    from ggl.bus.loop import Loop, Timer
    from ggl.iotcored.owner import Owner
    from ggl.iotcored.target import Target

CONNACK_SECONDS = 20.0
TICK_SECONDS = 1.0
"""Between looks at what the broker has not answered."""
PACKETS_AT_ONCE = 200
"""After which others on the loop have their turn."""


class Link:
    """Connects at once. ``clean``: without what the broker remembers of ``client_id``."""

    def __init__(self, loop: Loop, owner: Owner, target: Target, client_id: str, mqtt5: bool, clean: bool) -> None:
        self.client_id = client_id
        self.mqtt5 = mqtt5
        self.up = False
        self.in_flight_limit = target.in_flight
        self.max_packet = 2**28
        self._loop = loop
        self._owner = owner
        self._target = target
        self._clean = clean
        self._client: Client | None = None
        self._transport: Transport | None = None
        self._fd = -1
        self._writing = False
        self._reading = False
        self._blocked = False
        self._over = False
        self._refusal: Loss | None = None
        self._timer: Timer | None = None
        self._answers = Answers(target.operation_timeout)
        loop.run_blocking(lambda: open_socket(target), self._opened)

    # -- what one can do with it -------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return self._answers.in_flight

    @property
    def room(self) -> bool:
        """Whether a message can be published now."""
        return self.up and not self._over and self._transport is not None and self._transport.unsent < MAX_UNSENT

    def publish(self, message: Message, token: int) -> None:
        """Send ``message``, when there is ``room``. Of QoS 1, ``link_published`` follows, unless the link is lost."""
        if self._client is None:
            return
        made = library_properties(message.properties) if self.mqtt5 else None
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, made)
        if message.qos:
            self._answers.expect_acknowledgement(info.mid, token, time.monotonic())
            self._watch_answers()

    def subscribe(self, filters: Sequence[tuple[str, int]], answer: Answer) -> None:
        """Subscribe to ``filters``, each with its QoS."""
        if self._client is None:
            return
        asked: list[Any] = list(filters)
        if self.mqtt5:
            asked = [(each, SubscribeOptions(qos, retainAsPublished=True)) for each, qos in filters]
        _rc, mid = self._client.subscribe(asked)
        self._expect(mid, answer)

    def unsubscribe(self, filters: Sequence[str], answer: Answer) -> None:
        if self._client is not None:
            _rc, mid = self._client.unsubscribe(list(filters))
            self._expect(mid, answer)

    def close(self, why: str, forget_session: bool = False) -> None:
        """Say good-bye to the broker. ``link_down`` follows at once; ``forget_session``: it need not remember us."""
        if self._over:
            return
        if self._client is not None and self.up:
            last = None
            if self.mqtt5 and forget_session:
                last = properties_for(DISCONNECT)
                last.SessionExpiryInterval = 0
            self._client.on_disconnect = None
            self._client.disconnect(properties=last)
            self._client.loop_write()
        self._end(Loss(why))

    # -- connecting --------------------------------------------------------------------------------------------------

    def _opened(self, sock: socket.socket | None, error: BaseException | None) -> None:
        if self._over:
            if sock is not None:
                sock.close()
            return
        if sock is None:
            text, tls = why_not(self._target, error)
            self._end(Loss(text, tls=tls))
            return
        self._fd = sock.fileno()
        self._transport = Transport(sock, self._write_soon, lambda: self._loop.unwatch(self._fd))
        self._client = made = Client(self._transport, self.client_id, self.mqtt5, self._clean)
        made.on_socket_register_write = lambda *_: self._write_soon()
        made.on_connect = self._on_connect
        made.on_disconnect = self._on_disconnect
        made.on_publish = self._on_publish
        made.on_subscribe = self._on_answer
        made.on_unsubscribe = self._on_answer
        made.on_message = lambda _client, _data, message: self._owner.link_message(self, message)
        target = self._target
        said = connect_properties(target) if self.mqtt5 else None
        made.connect_async(target.host, target.port, target.keep_alive, clean_start=self._clean, properties=said)
        self._loop.watch(self._fd, self._ready)
        late = Loss(f"the broker {target.address} did not answer within {CONNACK_SECONDS:g} s")
        self._timer = self._loop.call_later(CONNACK_SECONDS, lambda: self._end(late))
        made.reconnect()

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, said: Any) -> None:
        if reason.is_failure:
            text = reason_text(reason, said)
            self._refusal = Loss(
                f"the broker {self._target.address} refuses the connection as '{self.client_id}': {text}",
                reason.value,
                refused=True,
                by_broker=True,
            )
            return
        assert self._client is not None
        self.in_flight_limit = min(self.in_flight_limit, getattr(said, "ReceiveMaximum", 65535))
        self.max_packet = getattr(said, "MaximumPacketSize", self.max_packet)
        self.up = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._watch_answers()
        self._owner.link_up(self, flags.session_present)

    # -- reading and writing -----------------------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        if events & WRITABLE:
            self._write()
        if events & ~WRITABLE:
            self._read()

    def _read(self) -> None:
        self._reading = False
        made, transport = self._client, self._transport
        if made is None or transport is None or self._over:
            return
        try:
            for _ in range(PACKETS_AT_ONCE):
                made.loop_read()
                if self._ended() or not transport.unread:
                    return
        except Exception as error:  # whatever a broker can bring the library to
            self._end(Loss(f"the broker sent what is no MQTT: {error or type(error).__name__}", by_broker=True))
            return
        if not self._reading:
            self._reading = True
            self._loop.call_soon(self._read)

    def _write_soon(self) -> None:
        if not self._writing:
            self._writing = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._writing = False
        made, transport = self._client, self._transport
        if made is None or transport is None or self._over:
            return
        try:
            while True:
                made.loop_write()
                if self._ended():
                    return
                done = transport.flush()
                if not done or not made.want_write():
                    break
        except OSError as error:
            self._end(broken(error))
            return
        if done == self._blocked:
            self._blocked = not done
            self._loop.rewatch(self._fd, READABLE if done else READABLE | WRITABLE)
            if done:
                self._owner.link_writable(self)

    # -- answers -----------------------------------------------------------------------------------------------------

    def _expect(self, mid: int | None, answer: Answer) -> None:
        if mid is not None:
            self._answers.expect(mid, answer, time.monotonic())
            self._watch_answers()

    def _on_answer(self, _client: Any, _data: Any, mid: int, codes: list[Any], said: Any) -> None:
        failed = [code for code in codes if code.is_failure]
        text = reason_text(failed[0], said) if failed else ""
        self._answers.answered(mid, [code.value for code in codes], text)

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, said: Any) -> None:
        token = self._answers.acknowledged(mid)
        if token is not None:
            code = reason.value
            self._owner.link_published(self, token, code, reason_text(reason, said) if code else "")

    def _watch_answers(self) -> None:
        """Look soon after whoever waits; if nobody does, now and then after the keep-alive."""
        waiting = bool(self._answers)
        if self._timer is not None:
            if not waiting or self._timer.due - time.monotonic() <= TICK_SECONDS:
                return
            self._timer.cancel()
        seconds = TICK_SECONDS if waiting else self._target.idle_tick
        self._timer = self._loop.call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = None
        made = self._client
        if made is None or self._over:
            return
        made.loop_misc()
        if self._ended():
            return
        if 0 < self._target.ping_timeout < made.unanswered_ping():
            self._end(Loss("the broker does not answer any more (no reply to a ping)"))
            return
        now = time.monotonic()
        for mid, token in self._answers.late(now):
            made.forget(mid)
            self._owner.link_published(self, token, TIMED_OUT, self._answers.too_late)
        self._answers.give_up(now)
        if not self._ended():
            self._watch_answers()

    # -- the end -----------------------------------------------------------------------------------------------------

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: Any, said: Any) -> None:
        if self._over:
            return
        if self._refusal is not None:
            self._end(self._refusal)
        elif flags.is_disconnect_packet_from_server:
            text = reason_text(reason, said)
            self._end(Loss(f"the broker ended the connection: {text}", reason.value, by_broker=True))
        else:
            error = self._transport.error if self._transport is not None else None
            self._end(broken(error, reason))

    def _ended(self) -> bool:
        """Whether it is over, be it that the library has given up without a word."""
        if not self._over and self._client is not None and self._client.socket() is None:
            self._end(broken(None))
        return self._over

    def _end(self, loss: Loss) -> None:
        if self._over:
            return
        self._over = True
        self.up = False
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._transport is not None:
            self._transport.close()
        self._answers.clear()
        # Not from within the library: its callbacks hold a lock.
        self._loop.call_soon(lambda: self._report(loss))

    def _report(self, loss: Loss) -> None:
        made, self._client = self._client, None
        if made is not None:
            # The two know each other: without this they would stay until the collector comes by.
            made.on_socket_register_write = made.on_connect = made.on_disconnect = made.on_publish = None
            made.on_subscribe = made.on_unsubscribe = made.on_message = None
        self._transport = None
        self._owner.link_down(self, loss)
