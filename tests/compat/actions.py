"""What cases do before and in between: the other side of whatever the component asks for."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.request import Method, Request, Stream
from ggl.bus.server import Server
from ggl.daemon import bind
from ggl.host.unit import main_unit
from ggl.ipc.model import OPERATIONS, PREFIX
from tests.compat.case import STRANGER, Action, Answer, Caller, Refusal, fits
from tests.compat.clients import END, TIMEOUT, Broken, Failed, Subscription
from tests.compat.scene import Scene
from tests.integration.conftest import wait_until

SLEEP = "exec sleep 1000"


# -- components --------------------------------------------------------------------------------------------------------


def another(key: str = "other", configuration: Mapping[str, Any] | None = None) -> Action:
    """Another component, that only has a configuration; it is called ``{key}`` then."""

    def do(scene: Scene) -> None:
        scene.names[key] = scene.component(Caller(configuration=configuration or {}))

    return do


def running_component(key: str = "target", script: str = SLEEP) -> Action:
    """A component that runs."""

    def do(scene: Scene) -> None:
        name = scene.names[key] = scene.component(STRANGER)
        scene.load(name, script)
        scene.wait_for(name, "RUNNING")

    return do


def i_run(script: str = SLEEP, kind: str = "run", state: str = "RUNNING") -> Action:
    """The component that asks runs itself, and is in this state."""

    def do(scene: Scene) -> None:
        scene.load(scene.names["me"], script, kind)
        scene.wait_for("{me}", state)

    return do


def becomes(name: str, state: str) -> Action:
    return lambda scene: scene.wait_for(name, state)


def paused(name: str, yes: bool) -> Action:
    def do(scene: Scene) -> None:
        unit = scene.runtime.unit(main_unit(scene.fill(name)))
        assert bool(unit["paused"]) is yes

    return do


def bus(interface: str, method: str, keep: str = "", **params: Any) -> Action:
    """Call the databus; ``keep``: what the result is called among the scene's values."""

    def do(scene: Scene) -> None:
        result = scene.bus(interface, method, **scene.fill(params))
        if keep:
            scene.values[keep] = result

    return do


def write(value: Any, *path: str, component: str = "{me}") -> Action:
    """Somebody else writes into a component's configuration."""
    return bus("gg_config", "write", key_path=["services", component, "configuration", *path], value=value)


def stored(value: Any, *path: str, component: str = "{me}") -> Action:
    """The configuration holds exactly this."""

    def do(scene: Scene) -> None:
        key_path = scene.fill(["services", component, "configuration", *path])
        found = scene.bus("gg_config", "read", key_path=key_path)
        assert fits(scene.fill(value), found, scene.client.exact_numbers), found

    return do


# -- asking more -------------------------------------------------------------------------------------------------------


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


# -- local messages ----------------------------------------------------------------------------------------------------


def json_message(message: Any) -> dict[str, Any]:
    return {"jsonMessage": {"message": message}}


def json_event(topic: str, message: Any) -> dict[str, Any]:
    return {"jsonMessage": {"message": message, "context": {"topic": topic}}}


def binary_message(base64: str) -> dict[str, Any]:
    return {"binaryMessage": {"message": base64}}


def binary_event(topic: str, base64: str) -> dict[str, Any]:
    return {"binaryMessage": {"message": base64, "context": {"topic": topic}}}


def publish(topic: str, message: Mapping[str, Any]) -> Action:
    """Somebody else publishes."""
    return bus("gg_pubsub", "publish", topic=topic, payload=message)


def listen(topic: str) -> Action:
    """Somebody else subscribes; what it got is looked at with ``heard``."""

    def do(scene: Scene) -> None:
        client = scene.stack.enter_context(scene.runtime.client("gg_pubsub"))
        scene.values["listener"] = client.subscribe("subscribe", {"topic": scene.fill(topic)})

    return do


def heard(topic: str, payload: Any) -> Action:
    def do(scene: Scene) -> None:
        item = scene.values["listener"].next(20)
        expected = scene.fill({"topic": topic, "payload": payload, "publisher": "{me}"})
        assert fits(expected, item, scene.client.exact_numbers), str(item)[:1000]

    return do


# -- deployments -------------------------------------------------------------------------------------------------------


def folders(component: str = "com.example.Deployed", lifecycle: str = "{run: 'exec sleep 1000'}") -> Action:
    """Folders as a developer has them: ``{recipes}`` and ``{artifacts}``; ``{nowhere}`` is none."""

    def do(scene: Scene) -> None:
        directory = Path(scene.stack.enter_context(tempfile.TemporaryDirectory(prefix="compat-")))
        for name in "recipes", "artifacts":
            (directory / name).mkdir()
            scene.names[name] = str(directory / name)
        scene.names["nowhere"] = str(directory / "nowhere")
        (directory / "recipes" / f"{component}-1.0.0.yaml").write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {component}\nComponentVersion: 1.0.0\n"
            f"ComponentConfiguration: {{DefaultConfiguration: {{a: 1, b: 1}}}}\n"
            f"Manifests: [{{Platform: {{os: linux}}, Lifecycle: {lifecycle}}}]\n"
        )

    return do


def a_deployment(over: bool = True) -> Action:
    """A local deployment that does nothing: ``{deployment}``."""

    def do(scene: Scene) -> None:
        deployment_id = scene.bus("gg_deployment", "create_local_deployment")["deployment_id"]
        scene.names["deployment"] = deployment_id
        if over:
            deployment_over("{deployment}", "SUCCEEDED")(scene)

    return do


def deployment_over(deployment: str, status: str) -> Action:
    def read(scene: Scene) -> str:
        found: str = scene.bus("gg_deployment", "get", deployment_id=scene.fill(deployment))["status"]
        return found

    return lambda scene: wait_until(
        lambda: read(scene), lambda now: now == status or (now in ("FAILED", "REJECTED") and now != status), 60
    )


# -- being asked -------------------------------------------------------------------------------------------------------


def round_of(method: str, keep: str = "round", **params: Any) -> Action:
    """A deployment asks the components that subscribed: ``pre_update`` or ``validate``."""

    def do(scene: Scene) -> None:
        client = scene.stack.enter_context(scene.runtime.client("gg_consent"))
        scene.values[keep] = client.subscribe(method, scene.fill(params))

    return do


def round_result(expected: Any, keep: str = "round") -> Action:
    def do(scene: Scene) -> None:
        found = scene.values[keep].next(20)
        assert fits(scene.fill(expected), found), found

    return do


def keep_answer(member: str, name: str) -> Action:
    """A member of the case's response becomes ``{name}``."""

    def do(scene: Scene) -> None:
        scene.names[name] = scene.response[member]

    return do


# -- a daemon of ours --------------------------------------------------------------------------------------------------


class Served:
    """Serves one operation with a given answer, as a daemon that registered it; sends events when it is told to."""

    def __init__(self, scene: Scene, operation: str, answer: Mapping[str, Any]) -> None:
        self.opened = threading.Event()
        self._answer = answer
        self._stream: Stream | None = None
        self._loop = Loop()
        interface = f"compat_{next(_interfaces)}"
        path = scene.runtime.root.bus_socket(interface)
        sock = bind(str(path), 0o600)
        scene.stack.callback(path.unlink)
        scene.stack.callback(sock.close)
        self._server = Server(self._loop, interface, {PREFIX + operation: Method(self._serve)}, sock)
        self._streaming = OPERATIONS[PREFIX + operation].streaming
        thread = threading.Thread(target=self._loop.run, name=interface)
        thread.start()
        scene.stack.callback(thread.join, 20)
        scene.stack.callback(self._loop.call_soon_threadsafe, self._stop)
        client = scene.stack.enter_context(scene.runtime.client("gg_ipc"))
        client.subscribe("register", {"operation": PREFIX + operation, "interface": interface})

    def _serve(self, request: Request, _params: dict[str, Any]) -> Any:
        if self._streaming and "response" in self._answer:
            self._stream = request.stream()
            self.opened.set()
        return self._answer

    def _stop(self) -> None:
        self._server.close()
        self._loop.stop()

    def send(self, event: Any) -> None:
        self._with_stream(lambda stream: stream.send(event))

    def end(self, error: BusError | None) -> None:
        self._with_stream(lambda stream: stream.end(error))

    @staticmethod
    def failure(message: str) -> BusError:
        return BusError(ErrorCode.FAILURE, message)

    def _with_stream(self, do: Callable[[Stream], None]) -> None:
        assert self.opened.wait(20)
        assert self._stream is not None
        stream = self._stream
        self._loop.call_soon_threadsafe(lambda: do(stream))


_interfaces = itertools.count(1)


def serve(operation: str, answer: Mapping[str, Any]) -> Action:
    """A process of the runtime's user has registered the operation, and answers every request like this."""

    def do(scene: Scene) -> None:
        scene.values["served"] = Served(scene, operation, answer)

    return do


def event_from_server(event: Any) -> Action:
    return lambda scene: scene.values["served"].send(event)


def end_from_server(error: str = "") -> Action:
    """It ends the subscription, with an error or without."""
    return lambda scene: scene.values["served"].end(Served.failure(error) if error else None)


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


def refused_connection(token: str) -> Action:
    """A connection with this token is not accepted."""

    def do(scene: Scene) -> None:
        with pytest.raises(Broken):
            scene.client.connect(str(scene.runtime.root.ipc_socket), token)

    return do


# -- the component itself ----------------------------------------------------------------------------------------------


def as_a_component(by_name: bool = False) -> Action:
    """A component that is written with this client is deployed; it finds the runtime by its environment alone.

    ``by_name``: it shows no token but says its name.
    """

    def do(scene: Scene) -> None:
        name = f"{scene.names['me']}.Probe"
        topic = f"probe/{name}"
        command = f"{scene.client.probe} {topic}" + (f" {name}" if by_name else "")
        listen(topic)(scene)
        folder = Path(scene.stack.enter_context(tempfile.TemporaryDirectory(prefix="compat-")))
        policy = {"operations": ["aws.greengrass#PublishToTopic"], "resources": [topic]}
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": "1.0.0",
            "ComponentConfiguration": {
                "DefaultConfiguration": {
                    "greeting": "hello, ü",
                    "accessControl": {"aws.greengrass.ipc.pubsub": {"p": policy}},
                }
            },
            "Manifests": [{"Lifecycle": {"run": command}}],
        }
        (folder / f"{name}-1.0.0.json").write_text(json.dumps(recipe))
        add = {name: "1.0.0"}
        scene.bus(
            "gg_deployment",
            "create_local_deployment",
            recipe_directory_path=str(folder),
            root_component_versions_to_add=add,
        )
        scene.stack.callback(scene.bus, "gg_deployment", "create_local_deployment", root_components_to_remove=[name])
        item = scene.values["listener"].next(60)
        assert item == {"topic": topic, "payload": json_event(topic, {"greeting": "hello, ü"}), "publisher": name}

    return do


def on_the_command_line() -> Action:
    """Whoever has the file of a command line client may do what is about components, without a policy."""

    def do(scene: Scene) -> None:
        file = scene.runtime.root.state / "cli_ipc_info" / f"user-{os.geteuid()}"
        found = wait_until(lambda: file.exists() and json.loads(file.read_text()))
        connection = scene.client.connect(found["domain_socket_path"], found["cli_auth_token"])
        scene.stack.callback(connection.close)
        assert connection.call("ListComponents", {})["components"]
        assert connection.call("CreateDebugPassword", {})["username"] == "debug"

    return do


def at_once(count: int, operation: str, request: Mapping[str, Any], expect: Answer) -> Action:
    """So many calls are in flight on the connection at the same time."""

    def do(scene: Scene) -> None:
        with ThreadPoolExecutor(count) as threads:
            for done in [threads.submit(check_call, scene, operation, request, expect) for _ in range(count)]:
                done.result()

    return do


def flood(topic: str) -> Action:
    """Somebody publishes numbers to the topic all the time, from now on until the case is over."""

    def do(scene: Scene) -> None:
        over = threading.Event()

        def publish_all() -> None:
            with scene.runtime.client("gg_pubsub") as client:
                for number in itertools.count():
                    if over.is_set():
                        return
                    client.call("publish", {"topic": scene.fill(topic), "payload": json_message({"n": number})})

        thread = threading.Thread(target=publish_all, name="flood")
        thread.start()
        scene.stack.callback(thread.join, 20)
        scene.stack.callback(over.set)
        scene.values["over"] = over

    return do


def gets_numbers(count: int) -> Action:
    """The subscription has got so many messages of the flood, none of them missing or in another place."""

    def do(scene: Scene) -> None:
        got = [scene.subscriptions[0].event()["jsonMessage"]["message"]["n"] for _ in range(count)]
        assert got == list(range(got[0], got[0] + count))
        scene.values["over"].set()

    return do
