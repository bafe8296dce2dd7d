"""Components that serve operations: the examples for real, and whatever a provider that means no good can do."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from awsiot.greengrasscoreipc.model import ResourceNotFoundError, UnauthorizedError

from ggl.bus import BusError, ErrorCode
from ggl.bus.wire import END, ITEM, MAX_FRAME, REQUEST, RESPONSE
from ggl.ipcd import eventstream as es
from ggl.ipcd.registration import MAX_OF_ONE, MAX_OPERATIONS, MAX_UNKNOWN, MAX_UNKNOWN_FRAME
from tests.integration.conftest import PATIENCE, wait_until
from tests.integration.conftest import Runtime as WholeRuntime
from tests.integration.ipc_clients import Components, eventually
from tests.integration.ipc_runtime import Runtime
from tests.lean import PING, Lean

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "native"
GGL = str(Path(sys.executable).with_name("ggl"))
PROVIDER, CALLER = "com.example.Provider", "com.example.Caller"
OPERATION, SUBSCRIPTION, SECRET = "com.x#Do", "com.x#Watch", "aws.greengrass#GetSecretValue"
EVENT = "com.x#Seen"
MAY_SERVE = {"accessControl": {"ggl.ipc.registration": {"p": {"operations": ["*"], "resources": ["com.x#*", "aws.*"]}}}}
MAY_CALL = {
    "accessControl": {
        "com.x": {"p": {"operations": [OPERATION, SUBSCRIPTION], "resources": ["*"]}},
        "aws.greengrass.SecretManager": {"p": {"operations": ["*"], "resources": ["mine"]}},
    }
}

Answer = Callable[[dict[str, Any]], Any]


class Provider:
    """A component that serves operations, on a socket of its own making."""

    def __init__(self, runtime: Runtime) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(runtime.root.bus_socket("gg_registration")))
        self._unpacker = msgpack.Unpacker(max_buffer_size=2 * MAX_FRAME)

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *frame: Any) -> None:
        self.sock.sendall(msgpack.packb(frame))

    def next(self) -> list[Any]:
        """The next frame; ``EOFError`` when the runtime has closed the connection."""
        while True:
            with suppress(msgpack.OutOfData):
                frame: list[Any] = self._unpacker.unpack()
                return frame
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._unpacker.feed(data)

    def register(self, token: str, *operations: str, number: int = 1, **more: Any) -> Any:
        """The error that the runtime answers with, if any."""
        self.send(REQUEST, number, "register", [{"token": token, "operations": list(operations), **more}, ""])
        kind, answered, error, _result = self.next()
        assert (kind, answered) == (RESPONSE, number)
        return error

    def take(self) -> tuple[int, str, dict[str, Any]]:
        """The next request: its id, its operation and its parameters."""
        kind, number, operation, (params, _trail) = self.next()
        assert kind == REQUEST
        return number, operation, params

    def answer(self, number: int, result: Any, error: Any = None) -> None:
        self.send(RESPONSE, number, error, result)


class Caller(Lean):
    """Calls any operation, and keeps the answers as they are."""

    def send(self, operation: str, request: dict[str, Any]) -> int:
        self._stream += 1
        block = [("operation", es.STRING, operation)]
        template = es.Template(es.APPLICATION_MESSAGE, 0, block)
        self.sock.sendall(template.encode(self._stream, json.dumps(request).encode()))
        return self._stream

    def answer(self) -> tuple[str | None, Any]:
        """The shape and the members of the next message."""
        message = self._next()
        return message.text("service-model-type"), json.loads(message.payload or b"null")


@pytest.fixture(scope="module")
def shared_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("root"), ("configd", "ipcd")) as runtime:
        runtime.configure(PROVIDER, MAY_SERVE)
        runtime.configure(CALLER, MAY_CALL)
        yield runtime


@pytest.fixture
def bridge(shared_bridge: Runtime) -> Iterator[Runtime]:
    """The daemons are shared; whoever served something is gone after a test, and serves nothing any more."""
    yield shared_bridge
    eventually(lambda: not shared_bridge.call("gg_ipc", "providers"))


@pytest.fixture
def provider(bridge: Runtime) -> Iterator[Provider]:
    with Provider(bridge) as provider:
        events = {SUBSCRIPTION: EVENT}
        assert provider.register(bridge.token(PROVIDER), OPERATION, SUBSCRIPTION, SECRET, events=events) is None
        yield provider


@pytest.fixture
def caller(bridge: Runtime) -> Iterator[Caller]:
    with closing(Caller(bridge.root, bridge.token(CALLER), PATIENCE)) as caller:
        yield caller


# -- the examples ------------------------------------------------------------------------------------------------------


def test_the_examples_talk_while_the_greeter_and_the_bridge_are_killed(runtime: WholeRuntime) -> None:
    greeter, caller = "com.example.Greeter", "com.example.Caller"
    deploy = [GGL, "--root", str(runtime.root.state), "deploy", "local", *map(str, EXAMPLES.iterdir())]
    done = subprocess.run(deploy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    def log_since(before: str) -> str:
        log = runtime.log(caller)
        return log[len(before) :] if log.startswith(before) else log  # it is another file now

    def goes_on() -> None:
        """The caller gets answers, and hears of greetings."""
        before = runtime.log(caller)

        def greeted() -> bool:
            log = log_since(before)
            return all(len(re.findall(rf"{word} 'Hello, number \d+!'", log)) > 2 for word in ("got", "heard"))

        wait_until(greeted, seconds=120)

    def pid_of(component: str, but: int = 0) -> int:
        """Of a process that is there, and is not the one of before."""
        return wait_until(
            lambda: int(runtime.unit(f"ggl.{component}")["main_pid"]), lambda pid: pid not in (0, but), 120
        )

    def kill_greeter() -> None:
        before = runtime.log(caller)
        runtime.kill(pid_of(greeter))
        wait_until(lambda: "not now" in log_since(before), seconds=120)

    goes_on()
    subprocess.run([GGL, "--root", str(runtime.root.state), "config", "set", f"{caller}/seconds", "0.01"], check=True)
    pid = pid_of(caller)
    runtime.kill(pid)  # it reads its configuration when it starts
    pid = pid_of(caller, but=pid)
    goes_on()
    for _ in range(2):
        kill_greeter()
        goes_on()
    assert pid_of(caller) == pid, "the caller has noticed nothing but failed calls"
    assert not re.search(r"'(got|heard) ", runtime.log(caller)), "each on a line of its own"
    runtime.kill(runtime.pid_of("ipcd"))
    pid_of(caller, but=pid)  # it does not connect again by itself
    goes_on()


# -- what works --------------------------------------------------------------------------------------------------------


def test_requests_and_answers_of_an_operation_go_through_as_they_are(provider: Provider, caller: Caller) -> None:
    caller.send(OPERATION, {"a": [1, "ü", None]})
    number, operation, params = provider.take()
    assert (operation, params) == (OPERATION, {"component": CALLER, "request": {"a": [1, "ü", None]}})
    provider.answer(number, {"response": {"b": 2.5}})
    assert caller.answer() == ("com.x#DoResponse", {"b": 2.5})
    caller.send(OPERATION, {})
    number, _, _ = provider.take()
    provider.answer(number, {"error": {"shape": "NoSuchThing", "message": "what?", "thing": 1}})
    shape, error = caller.answer()
    assert shape == "aws.greengrass#NoSuchThing"
    assert (error["_errorCode"], error["_message"], error["thing"]) == ("NoSuchThing", "what?", 1)


def test_answers_may_come_in_any_order(provider: Provider, caller: Caller) -> None:
    streams = [caller.send(OPERATION, {"n": n}) for n in range(3)]
    taken = [provider.take() for _ in streams]
    for number, _, params in reversed(taken):
        provider.answer(number, {"response": params["request"]})
    assert [caller.answer()[1] for _ in streams] == [{"n": 2}, {"n": 1}, {"n": 0}]


def test_a_subscription_survives_the_provider(bridge: Runtime, provider: Provider, caller: Caller) -> None:
    stream = caller.send(SUBSCRIPTION, {"x": 1})
    number, _, _ = provider.take()
    provider.answer(number, {"response": {}})
    provider.send(ITEM, number, {"n": 1})
    assert caller.answer() == ("com.x#WatchResponse", {})
    assert caller.answer() == (EVENT, {"n": 1})
    provider.sock.close()
    eventually(lambda: SUBSCRIPTION not in bridge.call("gg_ipc", "routes"))
    with Provider(bridge) as again:
        events = {SUBSCRIPTION: EVENT}
        assert again.register(bridge.token(PROVIDER), SUBSCRIPTION, events=events) is None
        number, operation, params = again.take()
        assert (operation, params["request"]) == (SUBSCRIPTION, {"x": 1})
        again.answer(number, {"response": {}})
        again.send(ITEM, number, {"n": 2})
        assert caller.answer() == (EVENT, {"n": 2}), "the caller gets no second response"
        # Whoever subscribed may end it, and the provider is told.
        caller.sock.sendall(es.Template(es.APPLICATION_MESSAGE, es.TERMINATE_STREAM).encode(stream))
        assert again.next() == [END, number]
    with Provider(bridge) as again:
        assert again.register(bridge.token(PROVIDER), OPERATION) is None


def test_an_event_before_the_response_is_left_out(provider: Provider, caller: Caller) -> None:
    caller.send(SUBSCRIPTION, {})
    number, _, _ = provider.take()
    provider.send(ITEM, number, {"n": 0})
    provider.answer(number, {"response": {}})
    provider.send(ITEM, number, {"n": 1})
    assert [caller.answer(), caller.answer()] == [("com.x#WatchResponse", {}), (EVENT, {"n": 1})]


def test_a_provider_may_end_a_subscription(provider: Provider, caller: Caller) -> None:
    caller.send(SUBSCRIPTION, {})
    number, _, _ = provider.take()
    provider.answer(number, {"response": {}})
    provider.send(END, number)
    assert caller.answer() == ("com.x#WatchResponse", {})
    assert caller.answer() == (None, None)
    caller.send(OPERATION, {})
    assert provider.take()[1] == OPERATION, "ending the subscription has ended the registration"


def test_calls_under_way_fail_when_the_provider_goes(provider: Provider, caller: Caller) -> None:
    caller.send(OPERATION, {})
    provider.take()
    provider.sock.close()
    shape, error = caller.answer()
    assert shape == "aws.greengrass#ServiceError"
    assert error["message"] == f"{OPERATION} failed: the connection to {PROVIDER} was lost"
    caller.send(OPERATION, {})
    assert caller.answer()[1]["message"] == f"Operation {OPERATION} is not supported by Greengrass"


def test_a_component_can_be_the_secret_manager_of_the_device(bridge: Runtime, provider: Provider) -> None:
    with Components(bridge) as components:
        client = components.connect(bridge.token(CALLER))
        with pytest.raises(UnauthorizedError):
            client.get_secret_value(secret_id="another's")
        pending = client.get_secret_value_async(secret_id="mine")
        number, operation, params = provider.take()
        assert (operation, params["request"]) == (SECRET, {"secretId": "mine"})
        provider.answer(number, {"response": {"secretId": "mine", "secretValue": {"secretString": "s"}}})
        secret = pending.result(PATIENCE).secret_value
        assert secret is not None
        assert secret.secret_string == "s"
        pending = client.get_secret_value_async(secret_id="mine")
        number, _, _ = provider.take()
        provider.answer(number, {"error": {"shape": "ResourceNotFoundError", "message": "m", "resourceType": "secret"}})
        with pytest.raises(ResourceNotFoundError) as missing:
            pending.result(PATIENCE)
        assert missing.value.resource_type == "secret"


def test_callers_of_an_operation_outside_the_model_need_a_policy(bridge: Runtime, provider: Provider) -> None:
    with closing(Caller(bridge.root, bridge.install("com.example.Nobody"), PATIENCE)) as nobody:
        nobody.send(OPERATION, {})
        shape, error = nobody.answer()
        assert shape == "aws.greengrass#UnauthorizedError"
        assert "is not authorized to perform com.x:com.x#Do on resource *" in error["message"]


def test_a_connection_may_register_again_and_give_up_one_of_its_registrations(bridge: Runtime) -> None:
    token = bridge.token(PROVIDER)
    with Provider(bridge) as provider:
        assert provider.register(token, OPERATION, number=1) is None
        assert provider.register(token, "com.x#Other", number=2) is None
        name = bridge.call("gg_ipc", "routes")[OPERATION]
        assert name.startswith(f"{PROVIDER}@")
        provider.send(END, 1)
        eventually(lambda: OPERATION not in bridge.call("gg_ipc", "routes"))
        assert bridge.call("gg_ipc", "routes")["com.x#Other"] == name


# -- what does not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "code", "text"),
    [
        (["com.y#Do"], ErrorCode.CONFIG, "is not authorized to perform ggl.ipc.registration:ggl#RegisterOperation"),
        ([OPERATION, "com.y#Do"], ErrorCode.CONFIG, "on resource com.y#Do"),
        (["aws.greengrass#GetConfiguration"], ErrorCode.INVALID, "is served by gg_config"),
        (["aws.greengrass#ValidateAuthorizationToken"], ErrorCode.INVALID, "by the runtime itself"),
        ([OPERATION, OPERATION], ErrorCode.INVALID, "different names"),
        ([f"com.x#Do{n}" for n in range(MAX_OPERATIONS + 1)], ErrorCode.INVALID, f"1 to {MAX_OPERATIONS}"),
        ([], ErrorCode.INVALID, "1 to"),
        (["Do"], ErrorCode.INVALID, "no full name"),
        (["com.x#Do#It"], ErrorCode.INVALID, "no full name"),
        (["com.x#" + "x" * 300], ErrorCode.INVALID, "no full name"),
    ],
)
def test_what_cannot_be_registered(bridge: Runtime, operations: list[str], code: ErrorCode, text: str) -> None:
    before = bridge.call("gg_ipc", "routes")
    with Provider(bridge) as provider:
        error = provider.register(bridge.token(PROVIDER), *operations)
        assert error[0] == code
        assert text in error[1]
        assert bridge.call("gg_ipc", "routes") == before
        assert provider.register(bridge.token(PROVIDER), "com.x#Fine", number=2) is None


def test_events_belong_to_operations_outside_the_model(bridge: Runtime) -> None:
    token = bridge.token(PROVIDER)
    with Provider(bridge) as provider:
        for events in ({"com.x#Other": EVENT}, {OPERATION: "no shape"}, {OPERATION: 7}, {SECRET: EVENT}, []):
            error = provider.register(token, OPERATION, SECRET, events=events)
            assert error is not None
            assert error[0] == ErrorCode.INVALID, events


def test_only_a_component_with_its_token_can_register(bridge: Runtime) -> None:
    other = bridge.install("com.example.Nobody")
    with Provider(bridge) as provider:
        assert provider.register("A" * 16, OPERATION) == ["INVALID", "the token is not accepted"]
        with pytest.raises(EOFError):
            provider.next()
    with Provider(bridge) as provider:
        assert provider.register(other, OPERATION, number=2)[0] == "CONFIG"
        assert provider.register(bridge.token(PROVIDER), OPERATION, number=3) is None
        bridge.configure("com.example.Nobody", MAY_SERVE)
        assert "is one of" in provider.register(other, OPERATION, number=4)[1]


def test_nobody_can_look_on(bridge: Runtime) -> None:
    with bridge.bus("gg_registration") as bus:
        with pytest.raises(BusError, match="no method"):
            bus.subscribe("bus.monitor")
        assert bus.call("bus.methods") == ["bus.methods", "bus.ping", "register"]


@pytest.mark.parametrize(
    "result",
    [
        None,
        7,
        {},
        {"response": 7},
        {"response": {"blob": b"\xff"}},
        {"response": {b"key": 1}},
        {"response": {"half": "\ud800"}},
        {"error": {}},
        {"error": {"shape": 7, "message": {"a": 1}}},
        {"error": {"shape": "\ud800", "message": "\ud800"}},
        {"error": {"shape": "S" * 70_000, "message": "m"}},
        {"error": {"shape": "A B", "self": 1, b"b": 2, "_errorCode": "Mine"}},
        {"error": {"message": "m" * 9_000_000, "context": "\x01" * 9_000_000}},
    ],
    ids=lambda result: repr(result)[:40],
)
def test_a_bad_answer_is_an_error_for_the_caller_and_nobody_else(
    bridge: Runtime, provider: Provider, caller: Caller, result: Any
) -> None:
    caller.send(OPERATION, {})
    number, _, _ = provider.take()
    provider.sock.sendall(msgpack.packb([RESPONSE, number, None, result], unicode_errors="surrogatepass"))
    shape, error = caller.answer()
    assert shape == "aws.greengrass#ServiceError"
    assert error["_errorCode"] == "ServiceError"
    caller.send(OPERATION, {})
    number, _, _ = provider.take()
    provider.answer(number, {"response": {}})
    assert caller.answer() == ("com.x#DoResponse", {})


@pytest.mark.parametrize("event", [7, None, [1], {"blob": b"\xff"}], ids=repr)
def test_a_bad_event_ends_the_subscription_with_an_error(provider: Provider, caller: Caller, event: Any) -> None:
    caller.send(SUBSCRIPTION, {})
    number, _, _ = provider.take()
    provider.answer(number, {"response": {}})
    provider.send(ITEM, number, event)
    assert caller.answer() == ("com.x#WatchResponse", {})
    assert caller.answer()[0] == "aws.greengrass#ServiceError"
    assert provider.next() == [END, number]


@pytest.mark.parametrize("frame", [[ITEM, [[1]], 1], [END, None], [9], {"no": "list"}], ids=repr)
def test_a_provider_that_breaks_the_protocol_loses_its_connection(provider: Provider, frame: Any) -> None:
    provider.send(ITEM, 77, "for nobody")
    provider.answer(77, "to nothing")
    provider.send(RESPONSE, [1], None, None)
    provider.send(REQUEST, 9, "bus.ping", [{}, ""])
    assert provider.next() == [RESPONSE, 9, None, None]  # what nobody waits for breaks nothing
    provider.sock.sendall(msgpack.packb(frame))
    with pytest.raises(EOFError):
        provider.next()


def test_requests_do_not_pile_up_for_a_provider_that_does_not_read(bridge: Runtime, provider: Provider) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(closing(Caller(bridge.root, bridge.token(CALLER), PATIENCE))) for _ in range(3)]
        for caller in callers:
            caller.send(OPERATION, {"text": "x" * 1_000_000})
            caller.sock.sendall(PING.encode(0))  # it has been taken in when this is answered
            if caller is not callers[-1]:
                assert caller.answer() == (None, None)
        shape, error = callers[-1].answer()
        assert shape == "aws.greengrass#ServiceError"
        assert "does not read its requests" in error["message"]
        provider.sock.close()
        for caller in callers[:-1]:
            assert "was lost" in caller.answer()[1]["message"]


def test_a_frame_without_end_is_cut_off(bridge: Runtime) -> None:
    with Provider(bridge) as provider:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be cut off before its end is sent
            provider.sock.sendall(b"\x94\x00\x01\xa1m\xdd\x00\x0f\xff\xff" + b"\x01" * MAX_UNKNOWN_FRAME)
        with pytest.raises(EOFError):
            provider.next()
    with Provider(bridge) as provider:
        assert provider.register(bridge.token(PROVIDER), OPERATION) is None
        # Lists in lists: no text, no list and no depth is over a limit of its own.
        inner = b"\xdd\x00\x0f\xff\xff" + b"\x01" * 0xFFFFF
        endless = b"\x94\x00\x01\xa1m\xdd\x00\x0f\xff\xff" + inner * (MAX_FRAME // len(inner) + 8)
        with suppress(BrokenPipeError, ConnectionResetError):
            provider.sock.sendall(endless)
        with pytest.raises(EOFError):
            provider.next()


def test_connections_are_limited(bridge: Runtime) -> None:
    token = bridge.token(PROVIDER)
    served = [Provider(bridge) for _ in range(MAX_OF_ONE)]
    for each in served:
        assert each.register(token, OPERATION) is None
    with Provider(bridge) as more:
        assert more.register(token, OPERATION)[0] == "BUSY"
    idle = [Provider(bridge) for _ in range(MAX_UNKNOWN + 1)]
    with pytest.raises(EOFError):
        idle[0].next()  # the oldest has made room
    for each in (*idle, *served):
        each.sock.close()
    eventually(lambda: OPERATION not in bridge.call("gg_ipc", "routes"))  # nothing of them stays


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_reaches_this_interface_and_no_other(runtime: WholeRuntime) -> None:
    runtime.root.state.chmod(0o755)
    names = sorted(path.name for path in runtime.root.bus_dir.iterdir())
    assert len(names) > 5
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER, str(runtime.root.bus_dir), *names],
        env={**os.environ, **runtime.root.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["hidden", "gg_registration", "NOENTRY"]


AS_ANOTHER_USER = """
import os, socket, sys
from ggl.bus import BusError, connect

connect("gg_host").close()  # loads what it needs
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
bus, names = sys.argv[1], sys.argv[2:]
try:
    os.listdir(bus)
except PermissionError:
    print("hidden")
for name in names:
    try:
        socket.socket(socket.AF_UNIX).connect(f"{bus}/{name}")
        print(name)
    except PermissionError:
        pass
try:
    connect("gg_nothing")
except BusError as error:
    print(error.code)
"""
