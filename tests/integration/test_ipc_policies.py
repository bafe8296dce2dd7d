"""Policies that change while a component is connected: the next request is decided by the new ones, in whatever way the
configuration was changed; and what the runtime tells about them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import UnauthorizedError

from ggl.bus import BusError, ErrorCode
from tests.integration.ipc_clients import Components, eventually, publish
from tests.integration.ipc_runtime import Runtime

A = "com.example.A"
PUBSUB = "aws.greengrass.ipc.pubsub"
PUBLISH = "aws.greengrass#PublishToTopic"
CONFIGURATION = ["services", A, "configuration"]
ACCESS_CONTROL = [*CONFIGURATION, "accessControl"]
POLICY = [*ACCESS_CONTROL, PUBSUB, "p"]


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(tmp_path) as runtime:
        yield runtime


@pytest.fixture
def components(runtime: Runtime) -> Iterator[Components]:
    with Components(runtime) as components:
        yield components


def policies(*resources: str) -> dict[str, Any]:
    return {PUBSUB: {"p": {"operations": [PUBLISH], "resources": list(resources)}}}


def write(runtime: Runtime, path: list[str], value: Any) -> None:
    runtime.call("gg_config", "write", key_path=path, value=value)


def delete(runtime: Runtime, path: list[str]) -> None:
    runtime.call("gg_config", "delete", key_path=path)


def restore(runtime: Runtime, path: list[str], stamped: Any) -> None:
    runtime.call("gg_config", "transaction", operations=[{"op": "restore", "key_path": path, "value": stamped}])


def may(client: GreengrassCoreIPCClientV2, topic: str = "a") -> bool:
    try:
        publish(client, topic, {})
    except UnauthorizedError:
        return False
    return True


@pytest.fixture
def client(runtime: Runtime, components: Components) -> GreengrassCoreIPCClientV2:
    client = components.connect(runtime.install(A, {"accessControl": policies("a"), "x": 1}))
    assert may(client)
    return client


CHANGES: dict[str, tuple[Callable[[Runtime], None], bool]] = {
    "its resources": (lambda runtime: write(runtime, [*POLICY, "resources"], ["b"]), False),
    "a resource more": (lambda runtime: write(runtime, [*POLICY, "resources"], ["b", "a"]), True),
    "its operations": (
        lambda runtime: write(runtime, [*POLICY, "operations"], ["aws.greengrass#SubscribeToTopic"]),
        False,
    ),
    "an unknown member": (lambda runtime: write(runtime, [*POLICY, "effect"], "Deny"), False),
    "a second policy": (
        lambda runtime: write(runtime, ACCESS_CONTROL, {PUBSUB: {"q": {"operations": ["*"], "resources": ["c"]}}}),
        True,
    ),
    "the policy is gone": (lambda runtime: delete(runtime, POLICY), False),
    "accessControl is gone": (lambda runtime: delete(runtime, ACCESS_CONTROL), False),
    "the configuration is gone": (lambda runtime: delete(runtime, CONFIGURATION), False),
    "the component is gone": (lambda runtime: delete(runtime, ["services", A]), False),
    "all components are gone": (lambda runtime: delete(runtime, ["services"]), False),
    "restored without policies": (lambda runtime: restore(runtime, CONFIGURATION, {"x": {"v": 1, "t": 5}}), False),
    "a component restored over it": (
        lambda runtime: restore(runtime, ["services", A], {"version": {"v": "1.0.0", "t": 5}}),
        False,
    ),
    "another spelling of the key": (
        lambda runtime: write(runtime, [*CONFIGURATION, "ACCESSCONTROL", PUBSUB, "p", "resources"], ["b"]),
        False,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_holds_for_the_next_request_and_so_does_its_return(
    runtime: Runtime, client: GreengrassCoreIPCClientV2, change: str
) -> None:
    apply, still = CHANGES[change]
    before = runtime.call("gg_config", "read_with_timestamps", key_path=["services", A])
    for _ in range(3):
        apply(runtime)
        assert may(client) is still
        restore(runtime, ["services", A], before)
        assert may(client)


def test_a_component_that_had_no_policies_gets_some(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.token(A))  # the configuration does not know it at all
    assert not may(client)
    runtime.configure(A, {"accessControl": policies("a")})
    assert may(client)


def test_policies_as_text_and_as_a_map(runtime: Runtime, components: Components) -> None:
    text = json.dumps({PUBSUB: {"p": {"Operations": ["*"], "RESOURCES": ["a"]}}})
    client = components.connect(runtime.install(A, {"accessControl": text}))
    assert may(client)
    delete(runtime, ACCESS_CONTROL)
    write(runtime, ACCESS_CONTROL, policies("b"))
    assert not may(client)
    assert may(client, "b")


def test_many_changes_one_after_the_other(runtime: Runtime, client: GreengrassCoreIPCClientV2) -> None:
    """Each request follows its change as fast as it can."""
    with runtime.bus("gg_config") as config:
        for number in range(200):
            allowed = number % 2 == 1
            value = ["a"] if allowed else ["b"]
            config.call("write", {"key_path": [*POLICY, "resources"], "value": value})
            assert may(client) is allowed, number


def test_changes_while_others_ask(runtime: Runtime, components: Components, client: GreengrassCoreIPCClientV2) -> None:
    busy = components.connect(runtime.allow("com.example.B", ["*"], ["*"]))
    done = threading.Event()
    asked = []

    def ask() -> None:
        while not done.is_set():
            publish(busy, "b", {"x": "y" * 1000})
            asked.append(1)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: bool(asked))
        for number in range(50):
            write(runtime, [*POLICY, "resources"], ["a"] if number % 2 else ["b"])
            assert may(client) is bool(number % 2)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert asked


def test_a_change_that_comes_with_the_return_of_configd(runtime: Runtime, client: GreengrassCoreIPCClientV2) -> None:
    for number in range(3):
        runtime.kill("configd")
        assert may(client) is (number % 2 == 0)  # what was known holds
        runtime.start("configd")
        write(runtime, [*POLICY, "resources"], ["a"] if number % 2 else ["b"])
        assert may(client) is (number % 2 == 1)


def test_another_thing_name_is_another_policy(runtime: Runtime, components: Components) -> None:
    client = components.connect(runtime.install(A, {"accessControl": policies("{iot:thingName}/x")}))
    assert may(client, "{iot:thingName}/x")  # it stands for itself while there is none
    write(runtime, ["system", "thingName"], "T1")
    assert may(client, "T1/x")
    write(runtime, ["system"], {"thingName": "T2"})
    assert not may(client, "T1/x")
    assert may(client, "T2/x")
    runtime.kill("configd")
    runtime.call("gg_ipc", "connections")  # when it has answered, it knows that configd is gone
    runtime.start("configd")
    write(runtime, ["system", "thingName"], "T3")
    assert may(client, "T3/x")


def test_known_policies_need_no_configuration_daemon(runtime: Runtime, client: GreengrassCoreIPCClientV2) -> None:
    """It can leave while components talk; what it changes before it leaves, or is killed, holds all the same."""
    runtime.kill("configd")
    assert may(client)
    assert not may(client, "b")
    runtime.start("configd")
    write(runtime, [*POLICY, "resources"], ["b"])
    runtime.kill("configd")
    runtime.start("configd")
    assert may(client, "b")
    assert not may(client)


# -- what the runtime tells --------------------------------------------------------------------------------------------


def ask(runtime: Runtime, resource: str, component: str = A) -> dict[str, Any]:
    data: dict[str, Any] = runtime.call(
        "gg_ipc", "policy", component=component, operation="PublishToTopic", resource=resource
    )
    return data


def test_what_is_told_is_what_happens(runtime: Runtime, client: GreengrassCoreIPCClientV2) -> None:
    assert ask(runtime, "a")["check"]["allowed"]
    for _ in range(3):
        assert not may(client, "b")
    told = ask(runtime, "b")
    assert not told["check"]["allowed"]
    [refused] = told["refused"]
    assert (refused["operation"], refused["resource"], refused["count"]) == (PUBLISH, "b", 3)
    [(service, remedy)] = told["check"]["remedy"].items()
    write(runtime, [*ACCESS_CONTROL, service], remedy)
    assert may(client, "b")
    assert ask(runtime, "b")["check"]["allowed"]


def test_refusals_are_remembered_when_the_component_is_gone(
    runtime: Runtime, components: Components, client: GreengrassCoreIPCClientV2
) -> None:
    assert not may(client, "b")
    client.close()
    assert [each["resource"] for each in ask(runtime, "b")["refused"]] == ["b"]


def test_refusals_are_remembered_when_the_daemon_leaves(runtime: Runtime, client: GreengrassCoreIPCClientV2) -> None:
    assert not may(client, "b")
    before = ask(runtime, "b")
    client.close()
    runtime.processes["ipcd"].terminate()
    assert runtime.processes["ipcd"].wait() == 0
    runtime.start("ipcd")
    after = ask(runtime, "b")
    assert after["refused"] == before["refused"] != []
    assert after["refused_since"] == before["refused_since"]


def test_who_is_not_connected_and_who_is_not_there(runtime: Runtime) -> None:
    runtime.configure(A, {"x": 1})
    assert ask(runtime, "a")["check"]["reason"] == "it has no accessControl"
    for wrong, code in (({"component": "com.example.None"}, ErrorCode.NOENTRY), ({}, ErrorCode.INVALID)):
        with pytest.raises(BusError) as caught:
            runtime.call("gg_ipc", "policy", **wrong)
        assert caught.value.code == code
    with pytest.raises(BusError) as caught:
        runtime.call("gg_ipc", "policy", component=A, operation="Nonsense")
    assert caught.value.code == ErrorCode.INVALID
