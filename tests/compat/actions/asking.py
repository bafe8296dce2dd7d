"""What a component asks on its connection, and what must come of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.compat.case import Action, Answer, Refusal, fits
from tests.compat.clients import END, TIMEOUT, Broken, Failed, Subscription
from tests.compat.scene import Scene
from tests.integration.conftest import wait_until


def call(operation: str, request: Mapping[str, Any], expect: Answer | Refusal | None = None) -> Action:
    """The component calls another operation on its connection."""
    expect = expect or Answer()

    def do(scene: Scene) -> None:
        check_call(scene, operation, request, expect)

    return do


def check_call(scene: Scene, operation: str, request: Mapping[str, Any], expect: Answer | Refusal) -> None:
    check(scene, expect, lambda: scene.connection.call(operation, scene.fill(request)))


def check(scene: Scene, expect: Answer | Refusal, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Ask; what comes of it must be what is expected. The response, or nothing if the request was refused."""
    try:
        response, error = ask(), None
    except Failed as failed:
        response, error = {}, failed.error
    if isinstance(expect, Refusal):
        assert error is not None, f"no error, but {str(response)[:1000]}"
        assert scene.fill(expect).fits(error), error
    else:
        assert error is None, error
        assert fits(scene.fill(expect.members), response, scene.client.exact_numbers), str(response)[:1000]
    return response


def keep_answer(member: str, name: str) -> Action:
    """A member of the case's response becomes ``{name}``."""

    def do(scene: Scene) -> None:
        scene.names[name] = scene.response[member]

    return do


def subscribe(operation: str, request: Mapping[str, Any], own_connection: bool = False) -> Action:
    """The component subscribes to something beside, on its connection or on another one of its own."""

    def do(scene: Scene) -> None:
        connection = scene.connect("{me}") if own_connection else scene.connection
        _response, subscription = connection.subscribe(operation, scene.fill(request))
        scene.subscriptions.append(subscription)

    return do


def unsubscribe(number: int = 0) -> Action:
    """The component ends its subscription of that number."""

    def do(scene: Scene) -> None:
        before = len(scene.open_streams())
        scene.connection.unsubscribe(scene.subscriptions[number])
        scene.subscriptions[number].end()
        wait_until(scene.open_streams, lambda now: len(now) == before - 1)

    return do


def gets(number: int, *events: Any) -> Action:
    """The subscription of that number has got these events."""

    def do(scene: Scene) -> None:
        expect_events(scene, scene.subscriptions[number], events)

    return do


def expect_events(scene: Scene, subscription: Subscription, events: tuple[Any, ...]) -> None:
    for expected in events:
        event = subscription.event()
        assert fits(scene.fill(expected), event, scene.client.exact_numbers), str(event)[:1000]


def ended_with(number: int, shape: str, message: str) -> Action:
    """An error ended the subscription of that number; who subscribed is told, if the client tells such a thing at all.

    The order is the client's: JavaScript tells of the end first.
    """

    def do(scene: Scene) -> None:
        subscription = scene.subscriptions[number]
        told = [subscription.came.get(timeout=TIMEOUT) for _ in range(2 if scene.client.shows_stream_errors else 1)]
        told.remove(END)
        for failed in told:
            assert isinstance(failed, Failed), failed
            assert Refusal(shape, message).fits(failed.error), failed.error

    return do


def at_once(count: int, operation: str, request: Mapping[str, Any], expect: Answer) -> Action:
    """So many calls are in flight on the connection at the same time."""

    def do(scene: Scene) -> None:
        with ThreadPoolExecutor(count) as threads:
            for done in [threads.submit(check_call, scene, operation, request, expect) for _ in range(count)]:
                done.result()

    return do


def refused_connection(token: str) -> Action:
    """A connection with this token is not accepted."""

    def do(scene: Scene) -> None:
        with pytest.raises(Broken):
            scene.client.connect(str(scene.runtime.root.ipc_socket), token)

    return do


def on_the_command_line() -> Action:
    """Whoever has the file of a command line client may do what is about components, without a policy."""

    def do(scene: Scene) -> None:
        file = scene.runtime.root.state / "cli_ipc_info" / f"user-{os.geteuid()}"
        wait_until(file.exists)
        found = json.loads(file.read_text())
        connection = scene.client.connect(found["domain_socket_path"], found["cli_auth_token"])
        scene.stack.callback(connection.close)
        assert connection.call("ListComponents", {})["components"]
        assert connection.call("CreateDebugPassword", {})["username"] == "debug"

    return do
