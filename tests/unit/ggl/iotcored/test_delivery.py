"""Messages for core daemons, with one that can be away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.catalog import Daemon
from ggl.iotcored import delivery as module
from ggl.iotcored.delivery import MAX_WAITING, MISSED_SECONDS, Delivery
from ggl.paths import Root
from tests.unit.ggl.iotcored.virtual import VirtualLoop

CONNECTED = ("mqtt_connected", {"session_present": False, "first": False})


class Scene:
    """``error``: what the daemon answers with, ``None``: it takes what comes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, told: bool = True) -> None:
        monkeypatch.setattr(module, "Remote", lambda *_: self)
        self.loop = VirtualLoop(monkeypatch)
        self.error: ErrorCode | None = None
        self.taken: list[tuple[str, Any]] = []
        self.online = True
        daemon = Daemon("jobsd", ("gg_jobs",), told_of_connection=told)
        root = Root(*[Path("/nowhere")] * 3)
        self.delivery = Delivery(self.loop, root, daemon, lambda: self.online)  # type: ignore[arg-type]

    def call(self, method: str, params: dict[str, Any], taken: Any, failed: Any, timeout: float) -> None:
        def answer() -> None:
            if self.error is not None:
                failed(BusError(self.error, "no"))
                return
            self.taken.append((method, params.get("topic", params)))
            taken({})

        self.loop.call_soon(answer)

    def close(self) -> None:
        pass

    def send(self, *topics: str, seconds: float = 0.0) -> list[tuple[str, Any]]:
        """What the daemon has taken in ``seconds`` after these messages."""
        for topic in topics:
            self.delivery.message(topic, b"")
        self.loop.run(seconds)
        taken, self.taken = self.taken, []
        return taken


def messages(*topics: str) -> list[tuple[str, Any]]:
    return [("mqtt_message", topic) for topic in topics]


def test_a_daemon_that_is_away_for_a_moment_gets_everything_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.error = ErrorCode.NOCONN
    assert scene.send("a", "b", seconds=5.0) == []
    scene.error = None
    assert scene.send("c", seconds=MISSED_SECONDS * 2) == messages("a", "b", "c")


@pytest.mark.parametrize("online", [True, False])
def test_a_daemon_that_was_away_for_longer_is_told_to_ask(monkeypatch: pytest.MonkeyPatch, online: bool) -> None:
    scene = Scene(monkeypatch)
    scene.error = ErrorCode.NOCONN
    assert scene.send("a", seconds=20.0) == []
    scene.error = None
    scene.online = online
    assert scene.send("b", seconds=MISSED_SECONDS) == messages("b") + [CONNECTED] * online
    scene.delivery.connected(session_present=True, first=False)
    resumed = ("mqtt_connected", {"session_present": online, "first": False})
    assert scene.send(seconds=MISSED_SECONDS * 2) == [resumed]


def test_what_is_too_much_is_asked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    topics = [str(number) for number in range(MAX_WAITING + 10)]
    assert scene.send(*topics, seconds=MISSED_SECONDS) == [*messages(*topics[:MAX_WAITING]), CONNECTED]


def test_a_message_that_the_daemon_refuses_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.error = ErrorCode.INVALID
    scene.send("a")
    scene.error = None
    assert scene.send("b", seconds=MISSED_SECONDS * 2) == messages("b")


def test_who_is_not_told_of_connections_is_not_told_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, told=False)
    scene.error = ErrorCode.NOCONN
    scene.send("a", seconds=20.0)
    scene.error = None
    assert scene.send("b", seconds=MISSED_SECONDS * 2) == messages("b")
