"""Where everything comes together: the connections, who wants what from them, and what is to be sent over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import ErrorCode
from ggl.catalog import DAEMONS
from ggl.cloud.backoff import fraction
from ggl.iotcored.delivery import Delivery
from ggl.iotcored.line import Line
from ggl.iotcored.message import Message, arrived
from ggl.iotcored.sender import Outcome, Sender
from ggl.iotcored.spool import SpoolFull
from ggl.iotcored.storage import open_spool
from ggl.iotcored.subscriptions import Subscriber, Subscriptions
from ggl.iotcored.topics import BadTopic, check_topic
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.catalog import Daemon
    from ggl.daemon import Context
    from ggl.iotcored.library import MQTTMessage
    from ggl.iotcored.owner import Loss
    from ggl.iotcored.target import Target

RETRY_REFUSED = 120.0
"""Seconds after which subscriptions that the broker has refused are tried again, and up to ten more."""
DRAIN_SECONDS = 2.0
"""That messages in memory get when the runtime stops."""

_log = get_logger("mqtt")


class NotAccepted(Exception):
    """A message is not taken in; the text says why. ``code``: what the caller can do about it."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


class Hub:
    """``deliver(sinks, item)`` hands a message to subscribers; ``changed(connected)`` is told of the connection."""

    def __init__(
        self,
        context: Context,
        target: Target,
        deliver: Callable[[Iterable[Any], dict[str, Any]], None],
        changed: Callable[[bool], None],
        daemons: Iterable[Daemon] = DAEMONS,
    ) -> None:
        self.target = target
        self.since = 0.0
        """When the connection was made, or lost, in seconds since the epoch."""
        self._context = context
        self.loop = context.loop
        self._deliver = deliver
        self._changed = changed
        self._lines: dict[int, Line] = {}
        self._line_list: list[Line] = []
        self.subscriptions = Subscriptions(self)
        self.sender = Sender(context.loop, lambda: self._line_list)
        self._deliveries = [
            Delivery(context.loop, context.root, daemon, lambda: self.connected)
            for daemon in daemons
            if daemon.mqtt_filters or daemon.told_of_connection
        ]
        self._of_daemons: list[Subscriber] = []
        self._unannounced: set[Subscriber] = set()
        self._session_present = False
        self._connections = 0
        self._unkept: list[Callable[[], None]] = []
        self._retrying = False
        self.sender.use(target, open_spool(context.root, target))
        self._make_line(0)
        self._subscribe_daemons()

    # -- what is asked of it -----------------------------------------------------------------------------------------

    @property
    def main(self) -> Line:
        return self._lines[0]

    @property
    def connected(self) -> bool:
        return self.main.up

    @property
    def client_ids(self) -> list[str]:
        return [line.client_id for line in self._line_list]

    def why_offline(self) -> str:
        loss = self.main.last_loss
        return f"not connected to {self.target.address}: {loss.text if loss is not None else 'connecting'}"

    def publish(self, message: Message, outcome: Outcome | None = None) -> None:
        """Take in ``message``. ``outcome``: only for QoS 1. Raises ``NotAccepted``."""
        try:
            check_topic(message.topic, self.main.mqtt5)
        except BadTopic as error:
            raise NotAccepted(ErrorCode.INVALID, str(error)) from None
        size = len(message.payload)
        if size > self.target.max_message:
            text = f"the payload has {size} bytes; mqtt.maxMessageSizeInBytes allows for {self.target.max_message}"
            raise NotAccepted(ErrorCode.RANGE, text)
        if not message.qos and not self.target.spool.keep_qos0 and not self.connected:
            why = f"{self.why_offline()}. Messages of QoS 0 do not wait for a connection"
            raise NotAccepted(ErrorCode.NOCONN, why)
        try:
            self.sender.add(message, outcome)
        except SpoolFull as error:
            raise NotAccepted(ErrorCode.NOMEM, str(error)) from None

    @property
    def kept(self) -> bool:
        """Whether a message is as safe as it will be once it has been taken in."""
        return not self.target.spool.disk

    def when_kept(self, done: Callable[[], None]) -> None:
        """Call ``done`` soon, when what has been taken in until now is on the disk: at once for all that comes now."""
        if not self._unkept:
            self.loop.call_soon(self._keep)
        self._unkept.append(done)

    def _keep(self) -> None:
        self.sender.spool.commit()
        unkept, self._unkept = self._unkept, []
        for done in unkept:
            done()

    def use(self, target: Target) -> None:
        """Connect to ``target`` from now on."""
        before, self.target = self.target, target
        known = (before.address, before.thing_name) == (target.address, target.thing_name)
        if before.spool != target.spool:
            self._change_spool(target)
        else:
            self.sender.use(target, self.sender.spool)
        if before.thing_name != target.thing_name:
            self._changed(False)
            for line in list(self._lines.values()):
                self._drop_line(line)
            self._make_line(0)
            for subscriber in self._of_daemons:
                self.subscriptions.remove(subscriber)
            self._of_daemons.clear()
            self._subscribe_daemons()
        else:
            for line in self._line_list:
                line.use(target, known)

    def drain(self) -> None:
        """Before this process ends: let the broker have what it can take in a moment."""
        if self.connected and self.sender.unsent and self.kept:
            self.loop.call_later(DRAIN_SECONDS, self.loop.stop)
            self.sender.when_empty = self.loop.stop
            self.loop.run()

    def stop(self) -> None:
        for line in self._line_list:
            line.stop()
        self.sender.spool.close()

    # -- spool -------------------------------------------------------------------------------------------------------

    def _change_spool(self, target: Target) -> None:
        former = self.sender.spool
        self.sender.stop()
        if former.storage == "Disk":
            former.close()  # what is left in there will be found when it is opened again
        self.sender.use(target, open_spool(self._context.root, target, former.next_number))
        if former.storage == "Memory" and (lost := self.sender.take_over(former)):
            _log.warning("%d messages that waited are dropped: the new spool has no room for them", lost)

    # -- lines -------------------------------------------------------------------------------------------------------

    def _make_line(self, index: int) -> None:
        self._lines[index] = Line(self.loop, self, self.target, index)
        self._line_list = [self._lines[each] for each in sorted(self._lines)]

    def _drop_line(self, line: Line) -> None:
        del self._lines[line.index]
        self._line_list = [self._lines[each] for each in sorted(self._lines)]
        line.stop(forget_session=True)

    def line_is_up(self, index: int) -> bool:
        line = self._lines.get(index)
        return line is not None and line.up

    def line_subscribe(self, index: int, filters: list[tuple[str, int]]) -> None:
        link = self._lines[index].link
        if link is not None:

            def answered(codes: list[int], text: str) -> None:
                self.subscriptions.answered(filters, codes, text)
                self._announce()

            link.subscribe(filters, answered)

    def line_unsubscribe(self, index: int, filters: list[str]) -> None:
        def answered(codes: list[int], text: str) -> None:
            if any(code < 0 or code >= 0x80 for code in codes):
                _log.info("the broker has not ended the subscription to %s%s", ", ".join(filters), text)

        link = self._lines[index].link
        if link is not None:
            link.unsubscribe(filters, answered)

    def lines_wanted(self, indexes: set[int]) -> None:
        for index in indexes - self._lines.keys():
            self._make_line(index)
        for line in self._line_list:
            if line.index and line.index not in indexes:
                self._drop_line(line)

    def retry_refused(self) -> None:
        if not self._retrying:
            self._retrying = True
            self.loop.call_later(RETRY_REFUSED + 10 * fraction(), self._try_refused)

    def _try_refused(self) -> None:
        self._retrying = False
        self.subscriptions.try_refused()

    # -- what the lines tell -----------------------------------------------------------------------------------------

    def line_up(self, line: Line, session_present: bool) -> None:
        if line.index == 0:
            self.since = time.time()
            self._connections += 1
            self._session_present = session_present
            self._unannounced = {
                each
                for each, delivery in zip(self._of_daemons, self._deliveries, strict=True)
                if delivery.daemon.told_of_connection
            }
        self.subscriptions.line_up(line.index, session_present)
        if line.index == 0:
            self._changed(True)
            self._announce()
        self.sender.go_on()

    def line_down(self, line: Line, loss: Loss, was_up: bool) -> None:
        self.subscriptions.line_down(line.index)
        if was_up:
            self.sender.line_down(line, loss.by_broker)
        if line.index == 0 and self._lines.get(0) is line and was_up:
            self.since = time.time()
            if not self.target.spool.keep_qos0:
                self.sender.drop_qos0()
            self._changed(False)

    def message(self, line: Line, message: MQTTMessage) -> None:
        try:
            item = arrived(message)
        except UnicodeDecodeError:
            _log.warning("the broker sent a message on a topic that is no text; it is dropped")
            return
        sinks = self.subscriptions.sinks(item["topic"], line.index)
        if not sinks:
            _log.debug("nobody wants the message on '%s'", item["topic"])
            return
        others = []
        for sink in sinks:
            if isinstance(sink, Delivery):
                sink.message(item["topic"], item["payload"])
            else:
                others.append(sink)
        if others:
            self._deliver(others, item)

    def published(self, _line: Line, token: int, code: int, text: str) -> None:
        self.sender.published(token, code, text)

    def writable(self) -> None:
        self.sender.go_on()

    # -- the daemons of the catalogue --------------------------------------------------------------------------------

    def _subscribe_daemons(self) -> None:
        for delivery in self._deliveries:
            filters = [each.format(thing=self.target.thing_name) for each in delivery.daemon.mqtt_filters]
            subscriber = Subscriber(filters, 1, delivery)
            self._of_daemons.append(subscriber)
            self.subscriptions.add(subscriber)

    def _announce(self) -> None:
        """Tell the daemons that want to know of the connection, each when its messages come."""
        if not self.connected:
            return
        for subscriber in self._of_daemons:
            delivery = subscriber.sink
            if subscriber in self._unannounced and self.subscriptions.is_settled(subscriber):
                self._unannounced.remove(subscriber)
                assert isinstance(delivery, Delivery)
                delivery.connected(self._session_present, self._connections == 1)
