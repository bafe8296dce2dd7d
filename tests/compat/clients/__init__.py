"""The clients that components are written with, each behind the same few methods.

Requests, responses and events cross this line in the JSON of the service model: base64 for bytes, seconds for times.
Each client turns them into what its users write, sends them its own way, and turns back what it received, so that a
case is declared once and sent by every client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol

TIMEOUT = 60.0
"""Seconds for anything that must happen; much longer than it takes."""
PROBES = Path(__file__).resolve().parent.parent / "probes"
"""Components that do the same with one client each."""


@dataclass(frozen=True)
class Error:
    """An error as a client shows it. ``message`` and ``members`` are ``None`` where the client does not tell."""

    shape: str
    message: str | None = None
    members: Mapping[str, Any] | None = None


class Failed(Exception):
    """A call was answered with ``error``."""

    def __init__(self, error: Error) -> None:
        super().__init__(str(error))
        self.error = error


class Broken(Exception):
    """The client itself could not go on: it was not let in, lost its connection, or did not understand an answer."""


@dataclass
class Subscription:
    """What came on a subscription, in its order: events, then perhaps an error, then the end."""

    came: Queue[Any] = field(default_factory=Queue)
    handle: Any = None

    def event(self) -> Any:
        """The next event. Raises ``Failed`` or ``Broken`` when something else came, ``AssertionError`` for nothing."""
        came = self._next()
        if isinstance(came, Exception):
            raise came
        assert came is not END, "the subscription is over"
        return came

    def end(self) -> None:
        came = self._next()
        assert came is END, f"not the end, but {came!r}"

    def drain(self) -> None:
        """Take what comes until the end."""
        while self._next() is not END:
            pass

    def _next(self) -> Any:
        try:
            return self.came.get(timeout=TIMEOUT)
        except Empty:
            raise AssertionError("nothing came") from None


class _End:
    def __repr__(self) -> str:
        return "END"


END = _End()


class Connection(Protocol):
    """A component's connection. ``unchecked``: the request lacks or twists members, which the client must not mind."""

    def call(self, operation: str, request: dict[str, Any], unchecked: bool = False) -> dict[str, Any]:
        """The response. Raises ``Failed`` and ``Broken``."""

    def subscribe(
        self, operation: str, request: dict[str, Any], unchecked: bool = False
    ) -> tuple[dict[str, Any], Subscription]:
        """The response, and what comes after it."""

    def unsubscribe(self, subscription: Subscription) -> None: ...

    def close(self) -> None: ...


class Client(Protocol):
    """One kind of client."""

    exact_numbers: bool
    """It tells integers from floats; JavaScript does not."""
    shows_stream_errors: bool
    """Whoever subscribed learns of an error that ends the subscription."""

    probe: str
    """A shell command that is a component with this client, but for its arguments."""

    def connect(self, socket_path: str, token: str) -> Connection:
        """Raises ``Broken`` when it is not let in."""

    def offers(self, operation: str) -> bool:
        """Whether it has the operation at all."""

    def close(self) -> None: ...
