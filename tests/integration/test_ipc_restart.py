"""Components while daemons are killed and restarted: they should not notice, or get a clear error."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from awsiot.eventstreamrpc import AccessDeniedError
from awsiot.greengrasscoreipc.model import ServiceError, UnauthorizedError

from ggl.ipc.model import PREFIX
from tests.integration.conftest import wait_until
from tests.integration.ipc_clients import Components, Events, json_of, publish
from tests.integration.ipc_runtime import Runtime

A = "com.example.A"


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(tmp_path) as runtime:
        yield runtime


@pytest.fixture
def components(runtime: Runtime) -> Iterator[Components]:
    with Components(runtime) as components:
        yield components


def kill(runtime: Runtime, daemon: str) -> None:
    """kill -9, and wait until ipcd has noticed: a connection is accepted in one turn of its loop, when it sees that the
    daemon is gone at the latest, and read in a later one."""
    runtime.kill(daemon)
    runtime.call("gg_ipc", "connections")


def test_a_subscription_survives_the_death_of_pubsubd(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.allow(A, ["*"], ["*"]))
    events = Events()
    client.subscribe_to_topic(topic="t", **events.handlers())
    for number in range(3):
        kill(runtime, "pubsubd")
        runtime.start("pubsubd")
        # The subscription waits in the daemon's socket since the old one died, so the message comes behind it.
        publish(client, "t", {"n": number})
        assert json_of(events.next()) == {"n": number}
    assert not events.errors
    assert not events.closed.is_set()


def test_a_subscription_survives_the_death_of_configd(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A, {"x": 1}))
    events = Events()
    client.subscribe_to_configuration_update(component_name=A, key_path=["x"], **events.handlers())
    kill(runtime, "configd")
    runtime.start("configd")
    assert client.get_configuration(key_path=["x"]).value == {"x": 1}
    client.update_configuration(timestamp=datetime.now(UTC), value_to_merge={"x": 2})
    assert events.next().configuration_update_event.key_path == ["x"]
    assert not events.errors


def test_known_policies_hold_while_configd_is_away_and_new_ones_when_it_is_back(
    runtime: Runtime, components: Components
) -> None:
    client = components.connect(runtime.allow(A, ["a"], []))
    publish(client, "a", {})
    kill(runtime, "configd")
    publish(client, "a", {})
    runtime.start("configd")
    runtime.allow(A, ["b"], [])
    publish(client, "b", {})
    with pytest.raises(UnauthorizedError):
        publish(client, "a", {})


def test_a_call_whose_daemon_dies_fails_and_the_next_one_works(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A, {"x": 1}))
    client.get_configuration()
    runtime.processes["configd"].send_signal(signal.SIGSTOP)  # it does not answer
    future = client.get_configuration_async(key_path=["x"])
    asked = f"{PREFIX}GetConfiguration"
    wait_until(lambda: any(asked in each["streams"] for each in runtime.call("gg_ipc", "connections")))
    runtime.kill("configd")
    with pytest.raises(ServiceError) as caught:
        future.result(60)
    assert "lost" in caught.value.message
    runtime.start("configd")
    assert client.get_configuration(key_path=["x"]).value == {"x": 1}


def test_tokens_survive_the_death_of_ipcd(runtime: Runtime, components: Components) -> None:
    token = runtime.install(A, {"x": 1})
    client = components.connect(token)
    client.get_configuration()
    runtime.kill("ipcd")
    runtime.start("ipcd")
    assert components.connect(token).get_configuration(key_path=["x"]).value == {"x": 1}
    assert runtime.token(A) == token
    with pytest.raises(AccessDeniedError):
        components.connect(token.swapcase())
