"""``ggl ipc trace`` and ``routes``: what people and scripts learn of calls, and of components that serve operations."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import ResourceNotFoundError, ServiceError, UnauthorizedError

from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.ipc_clients import Components, publish
from tests.integration.test_cli import Ggl
from tests.integration.test_ipc_cli import tracing
from tests.integration.test_ipc_registration import Provider
from tests.integration.test_pubsub_cli import Screen
from tests.lean import install

NAME = "com.example.Meter"
SECRET = "aws.greengrass#GetSecretValue"


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    with running() as runtime:
        with_policies(runtime, NAME, {"aws.greengrass.ipc.pubsub": {"p": {"operations": ["*"], "resources": ["a/*"]}}})
        yield runtime


def with_policies(runtime: Runtime, name: str, policies: dict[str, Any]) -> str:
    """Its token."""
    return install(runtime.root, name, {"accessControl": policies})


def logged(runtime: Runtime, words: str) -> list[str]:
    """The lines of ipcd's log with ``words``, of which there must be some: they are written a little later."""
    return wait_until(lambda: [line for line in runtime.log("ggl.core.ipcd").splitlines() if words in line])


@pytest.fixture
def ggl(shared: Runtime) -> Ggl:
    return Ggl(shared.root.state)


@pytest.fixture
def components(shared: Runtime) -> Iterator[Components]:
    with Components(shared) as components:
        yield components


@pytest.fixture
def client(shared: Runtime, components: Components) -> GreengrassCoreIPCClientV2:
    return components.connect(shared.call("gg_ipc", "token", {"component": NAME}))


# -- trace -------------------------------------------------------------------------------------------------------------


def test_the_exit_code_tells_whether_it_came_in_time(ggl: Ggl, client: GreengrassCoreIPCClientV2) -> None:
    assert "nothing to show in 0.2 s" in ggl("ipc", "trace", "--timeout", "0.2", code=6).err
    error = ggl("ipc", "trace", "-e", "-n", "3", "--timeout", "0.2", "--json", code=6).error
    assert (error["code"], error["message"]) == ("TIMEOUT", "0 of 3 lines in 0.2 s")
    assert ggl("ipc", "trace", "-s", "-n", "1", "--timeout", "0.2", "--json", code=6).json == []
    with tracing(ggl, "--errors", "--count", "1", "--timeout", "120") as process:
        with pytest.raises(UnauthorizedError):
            publish(client, "b/1", {})
        assert process.wait(timeout=110) == 0
    with tracing(ggl, "--component", NAME, "--timeout", "5") as process:
        publish(client, "a/1", {})
        assert process.wait(timeout=110) == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [("com.example.Meters", f"did you mean '{NAME}'"), ("nobody", "'ggl ipc connections' lists who is connected")],
)
def test_looking_on_a_component_that_is_not_there(ggl: Ggl, name: str, hint: str) -> None:
    error = ggl("ipc", "trace", "--component", name, "--timeout", "0.1", code=6).err
    assert error.startswith(f"warning: there is no component '{name}' now; {hint}\n")
    assert "warning" not in ggl("ipc", "trace", "--component", NAME, "--timeout", "0.1", code=6).err


def test_on_a_terminal_no_line_is_wider_than_it(ggl: Ggl, client: GreengrassCoreIPCClientV2) -> None:
    screen = Screen(ggl, "ipc", "trace", "--component", NAME)  # 100 columns
    screen.until("looking on")
    for topic in ("a/1", "a/" + "x" * 900):
        publish(client, topic, {})
    with pytest.raises(ResourceNotFoundError):
        client.get_configuration(key_path=["nothing"])
    text = screen.until("Key not found")
    screen.type(b"\x03")
    assert screen.end() == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    lines = [line for line in plain if "com." in line]
    assert len(lines) == 3
    assert max(map(len, plain)) <= 100
    assert {line.index("ok") for line in lines[:2]} == {lines[2].index("Resource")}
    assert "xx…xx" in lines[1]


# -- components that serve operations ----------------------------------------------------------------------------------


def test_every_provider_of_an_operation_is_listed_and_taking_over_is_a_warning(ggl: Ggl, shared: Runtime) -> None:
    operation, one, two = "com.example.x#Do", "com.example.One", "com.example.Two"
    policy = {"ggl.ipc.registration": {"p": {"operations": ["*"], "resources": [operation]}}}
    with ExitStack() as stack:
        for name in (one, two, two):
            provider = stack.enter_context(Provider(shared))
            assert provider.register(with_policies(shared, name, policy), operation) is None
        [route] = [each for each in ggl("ipc", "routes", "--json").json if each["operation"] == operation]
        assert route["service"] == "com.example.x"
        assert route["interface"] == route["providers"][0]["interface"]
        assert [each["component"] for each in route["providers"]] == [two, two, one]
        assert {each["pid"] for each in route["providers"]} == {os.getpid()}
        lines = [line for line in ggl("ipc", "routes").out.splitlines() if line.startswith(operation)]
        assert [re.split("  +", line)[2:] for line in lines] == [
            [f"{two}({os.getpid()})", "com.example.x"],
            [f"{two}({os.getpid()}), in reserve", "com.example.x"],
            [f"{one}({os.getpid()}), in reserve", "com.example.x"],
        ]
        warned = logged(shared, "takes over")
        assert len(warned) == 1, "a component may take over from itself"
        pid = f"(pid {os.getpid()})"
        assert f"{two} {pid} takes over {operation} from {one} {pid}" in warned[0]
        assert "WARN" in warned[0]


def test_an_answer_of_no_use_is_found_in_the_log(
    shared: Runtime, components: Components, client: GreengrassCoreIPCClientV2
) -> None:
    provider_name, caller = "com.example.Secrets", "com.example.Caller"
    may_call = {"aws.greengrass.SecretManager": {"p": {"operations": ["*"], "resources": ["*"]}}}
    may_serve = {"ggl.ipc.registration": {"p": {"operations": ["*"], "resources": [SECRET]}}}
    with Provider(shared) as provider:
        assert provider.register(with_policies(shared, provider_name, may_serve), SECRET) is None
        pending = components.connect(with_policies(shared, caller, may_call)).get_secret_value_async(secret_id="mine")
        number, _, _ = provider.take()
        provider.answer(number, {"response": {"secretValue": b"\xff"}})
        with pytest.raises(ServiceError) as raised:
            pending.result(60)
    assert f"{provider_name}, which serves it, gave an answer" in (raised.value.message or "")
    [line] = logged(shared, "of no use")
    whose = f"{SECRET} of {caller}: {provider_name} (pid {os.getpid()})"
    assert f"{whose} gave an answer of no use: the response is" in line
    assert "trail" in line
