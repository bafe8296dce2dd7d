"""Publishing message by message, also over a restart of the runtime."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import connect
from gglcli.messages import PUBLISHER

if TYPE_CHECKING:
    from ggl.bus import Client

INTERFACE = "gg_pubsub"
PATIENCE_SECONDS = 10.0
"""How long a runtime that was there may be away."""
RETRY_SECONDS = 0.2


class Publisher:
    """A context manager. With ``patient`` a lost connection is made again and what was under way is published again."""

    def __init__(self, topic: str, patient: bool) -> None:
        self._topic = topic
        self._patient = patient
        self._client: Client = connect(INTERFACE)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def publish(self, payload: dict[str, Any]) -> int:
        """How many subscribers it was handed to. Raises ``BusError``."""
        params = {"topic": self._topic, "payload": payload, "publisher": PUBLISHER}
        deadline = 0.0
        while True:
            try:
                reached: int = self._client.call("publish", params)
            except BusError as error:
                if not self._patient or error.code != ErrorCode.NOCONN:
                    raise
                if deadline and time.monotonic() >= deadline:
                    raise
                if not deadline:
                    deadline = time.monotonic() + PATIENCE_SECONDS
                    output.note("connection lost; waiting for the runtime")
                self._connect_again(deadline)
            else:
                if deadline:
                    output.note("connected again")
                return reached

    def _connect_again(self, deadline: float) -> None:
        self._client.close()
        while True:
            try:
                self._client = connect(INTERFACE)
                return
            except BusError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)
