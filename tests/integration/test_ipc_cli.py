"""``ggl ipc`` and ``ggl component policy``: looking on while a component with the official SDK uses a real runtime."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import Metric, ResourceNotFoundError, UnauthorizedError

from tests.integration.conftest import PATIENCE, Runtime, running, wait_until
from tests.integration.ipc_clients import Components, Events, publish, wait_until_left
from tests.integration.test_cli import GGL, Ggl, component

A, B, BARE = "com.example.A", "com.example.B", "com.example.Bare"
PUBSUB = "aws.greengrass.ipc.pubsub"
REFUSED = 9


def policies(*resources: str, **more: Any) -> dict[str, Any]:
    return {"accessControl": {PUBSUB: {"p": {"operations": ["*"], "resources": list(resources), **more}}}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    with running() as runtime:
        for name, configuration in ((A, policies("a/*", "b/+/c", "x?")), (B, policies("*")), (BARE, {"x": 1})):
            value = {"configuration": configuration}
            runtime.call("gg_config", "write", {"key_path": ["services", name], "value": value})
        yield runtime


@pytest.fixture
def ggl(shared: Runtime) -> Ggl:
    return Ggl(shared.root.state)


@pytest.fixture
def components(shared: Runtime) -> Iterator[Components]:
    with Components(shared) as components:
        yield components
    wait_until_left(shared)


def connect(shared: Runtime, components: Components, name: str = A) -> GreengrassCoreIPCClientV2:
    return components.connect(shared.call("gg_ipc", "token", {"component": name}))


@contextmanager
def tracing(ggl: Ggl, *words: str) -> Iterator[subprocess.Popen[str]]:
    """``ggl ipc trace`` from the moment it looks on; with ``--json`` too, where it does not say so."""
    process = ggl.begin("ipc", "trace", *words)
    try:
        assert process.stderr
        assert process.stderr.readline().startswith("looking on")
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=PATIENCE)
    assert (process.returncode, error) == (0, "")
    return out


# -- trace -------------------------------------------------------------------------------------------------------------


def use(client: GreengrassCoreIPCClientV2) -> None:
    """Two answered calls, one that fails, one that is refused."""
    publish(client, "a/1", {"x": 1})
    assert client.get_configuration(key_path=["accessControl"]).component_name == A
    with pytest.raises(ResourceNotFoundError):
        client.get_configuration(key_path=["nothing"])
    with pytest.raises(UnauthorizedError):
        publish(client, "b/1", {"x": 1})


def test_each_call_is_a_line(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components)
    with tracing(ggl, "--count", "4") as process:
        use(client)
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
    lines = [line.split("  ") for line in out.splitlines()]
    assert [line[2:5] for line in lines] == [
        ["PublishToTopic", "a/1", "ok"],
        ["GetConfiguration", "-", "ok"],
        ["GetConfiguration", "-", "ResourceNotFoundError"],
        ["PublishToTopic", "b/1", "UnauthorizedError"],
    ]
    assert all(line[0].endswith("Z") and line[1].startswith(f"{A}(") and line[5].endswith("ms") for line in lines)
    assert [line[7] for line in lines] == ["gg_pubsub", "gg_config", "gg_config", "gg_pubsub"]


def test_subscriptions_events_and_their_end(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components)
    with tracing(ggl, "--component", A) as process:
        events = Events()
        _, operation = client.subscribe_to_topic(topic="a/#", **events.handlers())
        publish(client, "a/1", {})
        ggl("pubsub", "pub", "a/2", "x")
        events.next()
        operation.close().result(PATIENCE)
        assert events.closed.wait(PATIENCE)
        publish(client, "a/3", {})  # behind the end of the subscription
        assert process.stdout
        seen = []
        while "a/3" not in (line := process.stdout.readline()):
            assert line, "the trace has ended"
            seen.append(line.split("  ")[2:5])
        end(process)
    assert ["SubscribeToTopic", "a/#", "opened"] in seen
    assert ["SubscribeToTopic", "a/#", "event"] in seen
    assert ["SubscribeToTopic", "a/#", "end"] in seen


def test_a_choice_of_calls(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client, other = connect(shared, components), connect(shared, components, B)
    with (
        tracing(ggl, "--errors", "--component", A, "--count", "2") as errors,
        tracing(ggl, "--operation", "getconfiguration", "--count", "2") as operation,
        tracing(ggl, "--component", B, "--count", "1") as component,
    ):
        use(client)
        publish(other, "b", {})
        outs = [process.communicate(timeout=PATIENCE)[0] for process in (errors, operation, component)]
    assert ["Error" in line for line in outs[0].splitlines()] == [True, True]
    assert [line.split("  ")[2] for line in outs[1].splitlines()] == ["GetConfiguration"] * 2
    assert outs[2].count(B) == 1
    assert A not in outs[2]


def test_json_lines(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components)
    process = ggl.begin("ipc", "trace", "--json", "--errors", "--count", "1")
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():  # with --json it does not say when it looks on
            with pytest.raises(UnauthorizedError):
                publish(client, "b/1", {"x": 1})

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        out, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        over.set()
        thread.join()
    item = json.loads(out)
    assert (item["component"], item["operation"]) == (A, "aws.greengrass#PublishToTopic")
    assert (item["error"], item["resources"], item["kind"]) == ("UnauthorizedError", ["b/1"], "call")
    assert item["bytes_in"] > 10
    assert item["seconds"] >= 0


def test_a_summary(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components)
    with tracing(ggl, "--summary", "--component", A, "--count", "20") as process:
        for _ in range(5):
            use(client)
        out, _ = process.communicate(timeout=PATIENCE)
        head, get, put = [line.split() for line in out.splitlines()]
    assert head[:5] == ["COMPONENT", "OPERATION", "CALLS", "ERRORS", "EVENTS"]
    assert get[:5] == [A, "GetConfiguration", "10", "5", "0"]
    assert put[:5] == [A, "PublishToTopic", "10", "5", "0"]
    assert 0 <= float(put[5]) <= float(put[6]) <= float(put[7])
    assert ggl("ipc", "trace", "--summary", "--timeout", "0.2", "--json").json == []
    with tracing(ggl, "--summary") as process:
        assert end(process).startswith("COMPONENT ")


def test_the_reader_of_a_trace_goes_away(ggl: Ggl) -> None:
    with tracing(ggl) as process:
        assert process.stdout
        process.stdout.close()
        assert process.wait(timeout=PATIENCE) == 141


def test_a_trace_goes_on_when_ipcd_dies() -> None:
    with running() as runtime, Components(runtime) as components:
        ggl = Ggl(runtime.root.state)
        with tracing(ggl, "--count", "1") as process:
            runtime.kill(runtime.pid_of("ipcd"))
            assert process.stderr
            assert "connection lost" in process.stderr.readline()
            assert "connected again" in process.stderr.readline()
            with pytest.raises(ResourceNotFoundError):
                connect(runtime, components).get_configuration(key_path=["nothing"])
            assert A in process.communicate(timeout=PATIENCE)[0]


def test_mistakes(ggl: Ggl) -> None:
    error = ggl("ipc", "trace", "--operation", "PublishTopic", code=5).err
    assert "there is no operation 'PublishTopic'; did you mean 'PublishToTopic'" in error
    ggl("ipc", "trace", "--operation", "mine#Own", "--timeout", "0.1", code=6)
    ggl("ipc", "trace", "--timeout", "0", code=2)


# -- connections and routes --------------------------------------------------------------------------------------------


def test_connections(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components)
    for topic in ("a/1", "a/2"):
        client.subscribe_to_topic(topic=topic, **Events().handlers())
    lines = ggl("ipc", "connections").out.splitlines()
    assert lines[0].split() == ["COMPONENT", "PID", "USER", "SINCE", "QUEUED", "STREAMS"]
    [line] = [line for line in lines if line.startswith(A)]
    assert line.endswith("2 SubscribeToTopic")
    [data] = [each for each in ggl("ipc", "connections", "--json").json if each["component"] == A]
    assert data["streams"] == ["aws.greengrass#SubscribeToTopic"] * 2


def test_routes(ggl: Ggl) -> None:
    routes = {each["operation"]: each for each in ggl("ipc", "routes", "--json").json}
    assert routes["aws.greengrass#PublishToTopic"] == {
        "operation": "aws.greengrass#PublishToTopic",
        "service": PUBSUB,
        "interface": "gg_pubsub",
        "daemon": "pubsubd",
        "providers": [],
    }
    assert routes["aws.greengrass#GetSecretValue"]["interface"] == ""
    assert "PublishToTopic" in ggl("ipc", "routes").out


# -- policies ----------------------------------------------------------------------------------------------------------


def test_what_a_component_may_do(ggl: Ggl) -> None:
    text = ggl("component", "policy", A).out
    assert "a/*, b/+/c, x? (invalid)\n" in text
    assert "resource 'x?': a '?' must be written '${?}'" in text
    assert "always allowed  DeferComponentUpdate, " in text
    data = ggl("component", "policy", A, "--json").json
    [policy] = data["policies"]
    assert (policy["service"], policy["policy"], policy["resources"]) == (PUBSUB, "p", ["a/*", "b/+/c", "x?"])
    assert (policy["grants"], policy["invalid"]) == (True, ["x?"])
    assert "it has no policies" not in text
    assert ggl("component", "policy", BARE, "--json").json["policies"] == []


def test_allowed_and_refused_and_why(ggl: Ggl) -> None:
    allowed = ggl("component", "policy", A, "--check", "PublishToTopic", "a/1").out
    assert allowed == f"{A} may call PublishToTopic on 'a/1'\npolicy 'p' allows it with the resource 'a/*'\n"
    refused = ggl("component", "policy", A, "--check", "aws.greengrass#publishtotopic", "b/1/c", code=REFUSED).out
    assert "'+' and '#' are plain text here" in refused
    assert ggl("component", "policy", A, "--check", "UpdateState").out.startswith(f"{A} may call UpdateState\n")
    assert "has no section" in ggl("component", "policy", A, "--check", "ListComponents", code=REFUSED).out
    assert "no accessControl" in ggl("component", "policy", BARE, "--check", "ListComponents", code=REFUSED).out


def test_the_snippet_is_a_policy_that_helps(ggl: Ggl, shared: Runtime, components: Components, tmp_path: Path) -> None:
    name = "com.example.Paste"
    ggl("deploy", "local", component(tmp_path, name))
    client = connect(shared, components, name)
    with pytest.raises(UnauthorizedError):
        publish(client, "t/1", {})
    out = ggl("component", "policy", name, "--check", "PublishToTopic", "t/1", code=REFUSED).out
    assert "It was refused 1 time, last at " in out
    start = out.index("accessControl:")
    snippet = yaml.safe_load(out[start : out.index("\n\n", start)])
    folder = tmp_path / "again"
    folder.mkdir()
    recipe = yaml.safe_load((tmp_path / name / "recipe.yaml").read_text())
    recipe["ComponentConfiguration"]["DefaultConfiguration"].update(snippet)
    recipe["ComponentVersion"] = "1.0.1"
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    ggl("deploy", "local", folder)
    publish(connect(shared, components, name), "t/1", {})
    # and so is the command that tries it
    out = ggl("component", "policy", name, "--check", "PublishToTopic", "odd '${topic}", code=REFUSED).out
    [command] = [line for line in out.splitlines() if line.startswith("ggl config set ")]
    function = f'ggl() {{ {shlex.join(GGL)} "$@"; }}'
    subprocess.run(["sh", "-c", f"{function}\n{command}"], env=ggl.environment, check=True)
    publish(connect(shared, components, name), "odd '${topic}", {})


def test_refusals_are_listed(ggl: Ggl, shared: Runtime, components: Components) -> None:
    client = connect(shared, components, B)
    with pytest.raises(UnauthorizedError):
        client.list_components()
    [refused] = ggl("component", "policy", B, "--json").json["refused"]
    assert (refused["operation"], refused["resource"]) == ("aws.greengrass#ListComponents", "*")
    text = ggl("component", "policy", B).out
    assert f"\nTo see why:\nggl component policy {B} --check ListComponents\n" in text


def test_what_a_component_says_is_shown_as_text_and_the_command_can_be_pasted(
    ggl: Ggl, shared: Runtime, components: Components
) -> None:
    hostile = "a'; \x1b]0;OWNED\x07\x1b[31mred\nforged \\ line"
    client = connect(shared, components)
    with pytest.raises(UnauthorizedError):
        client.get_component_details(component_name=hostile)
    shown = ggl("component", "policy", A).out
    assert all(character.isprintable() for character in shown.replace("\n", ""))
    assert "OWNED" in shown
    assert "\nforged" not in shown
    command = shown[shown.index("To see why:\n") :].splitlines()[1]
    run = subprocess.run(
        ["bash", "-c", f'ggl() {{ {shlex.join(GGL)} "$@"; }}\n{command} --json'],
        env=ggl.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(run.stdout)["check"]["resource"] == hostile
    refused = ggl("component", "policy", A, "--check", "GetComponentDetails", hostile, code=REFUSED).out
    assert all(character.isprintable() for character in refused.replace("\n", ""))


def test_what_a_component_cannot_do_whatever_its_name_is_remembered(
    ggl: Ggl, shared: Runtime, components: Components
) -> None:
    client = connect(shared, components, BARE)
    with pytest.raises(UnauthorizedError):
        client.put_component_metric(metrics=[Metric(name="m", unit="Count", value=1.0)])
    [refused] = ggl("component", "policy", BARE, "--json").json["refused"]
    assert refused["operation"] == "aws.greengrass#PutComponentMetric"


def test_policies_that_grant_nothing_are_told_apart(ggl: Ggl, shared: Runtime) -> None:
    name = "com.example.Wrong"
    access_control = {
        PUBSUB: {"short": {"operations": ["PublishToTopic"], "resources": ["short/*"]}},
        "aws.greengrass.ipc.pubsb": {"there": {"operations": ["*"], "resources": ["there/*"]}},
    }
    value = {"configuration": {"accessControl": access_control}}
    shared.call("gg_config", "write", {"key_path": ["services", name], "value": value})
    rows = ggl("component", "policy", name).out.splitlines()
    assert [" ".join(row.split()) for row in rows if "->" in row] == [
        f"{PUBSUB} short PublishToTopic (unknown) short/* -> nothing",
        "aws.greengrass.ipc.pubsb there * there/* -> nothing",
    ]
    out = ggl("component", "policy", name, "--check", "PublishToTopic", "short/1", code=REFUSED).out
    assert "policy 'short' would allow it, but counts for nothing as it is: write 'aws.greengrass#Publish" in out


def test_mistakes_are_told_when_they_are_deployed(ggl: Ggl, tmp_path: Path) -> None:
    name = "com.example.Mistaken"
    folder = component(tmp_path, name)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    wrong = {PUBSUB: {"p": {"operations": ["PublishToTopic"], "resources": ["x?"]}}}
    recipe.setdefault("ComponentConfiguration", {})["DefaultConfiguration"] = {"accessControl": wrong}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    told = f"warning: the accessControl of {name} has 2 mistakes; to see what: ggl component policy {name}\n"
    assert told in ggl("deploy", "local", folder).err
    ggl("component", "remove", name)
    assert ggl("deploy", "local", component(tmp_path, "com.example.Right")).err == ""


@pytest.mark.parametrize(
    "access_control", ["{}", json.dumps(policies("x")["accessControl"]), "nonsense", 5, {PUBSUB: 5}]
)
def test_the_command_helps_whatever_stands_there(ggl: Ggl, shared: Runtime, access_control: Any) -> None:
    name = "com.example.Text"
    key_path = ["services", name]
    shared.call("gg_config", "write", {"key_path": key_path, "value": {"configuration": {"x": 1}}})
    shared.call("gg_config", "delete", {"key_path": key_path})
    value = {"configuration": {"accessControl": access_control}}
    shared.call("gg_config", "write", {"key_path": key_path, "value": value})
    out = ggl("component", "policy", name, "--check", "PublishToTopic", "t/1", code=REFUSED).out
    [command] = [line for line in out.splitlines() if line.startswith("ggl config set ")]
    function = f'ggl() {{ {shlex.join(GGL)} "$@"; }}'
    subprocess.run(["sh", "-c", f"{function}\n{command}"], env=ggl.environment, check=True)
    ggl("component", "policy", name, "--check", "PublishToTopic", "t/1")


def test_completion_knows_what_is_registered(ggl: Ggl) -> None:
    # A shell waits for no more than a second; then there is nothing.
    out = wait_until(lambda: ggl("complete", "OPERATION", "aws.").out, seconds=PATIENCE)
    assert out == "aws.greengrass.private#GetSystemConfig\n"


def test_the_clients_of_the_command_line_tool(ggl: Ggl) -> None:
    assert "ListComponents" in ggl("component", "policy", "aws.greengrass.Cli").out
    assert "every client" in ggl("component", "policy", "aws.greengrass.Cli", "--check", "ListComponents").out
    out = ggl("component", "policy", "aws.greengrass.Cli", "--check", "GetSecretValue", "x", code=REFUSED).out
    assert "in the recipe" not in out
    assert "nobody serves it now" in out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["com.example.Bar"], 4, "there is no component 'com.example.Bar'"),
        ([A, "a/1"], 2, "a RESOURCE needs the operation"),
        ([A, "--check", "PublishToTopic"], 2, "depends on a topic or filter"),
        ([A, "--check", "StopComponent"], 2, "depends on a name or an id"),
        ([A, "--check", "PublishTopic"], 5, "did you mean 'PublishToTopic'"),
        ([A, "--check", ""], 2, "it is empty"),
        ([A, "--check", "ListComponents", "foo"], 2, "takes no resource"),
        ([A, "--check", "GetConfiguration", "foo"], 2, "takes no resource"),
        ([A, "--check", "GetSecretValue"], 2, "depends on the ARN"),
        ([A, "--check", "PutComponentMetric"], 2, "depends on the name of a metric"),
        ([A, "--check", "RegisterOperation"], 2, "depends on the full name of the operation"),
        ([A, "--check", "GetSystemConfg"], 5, "did you mean 'aws.greengrass.private#GetSystemConfig'"),
    ],
)
def test_mistakes_about_policies(ggl: Ggl, words: list[str], code: int, message: str) -> None:
    error = ggl("component", "policy", *words, code=code).err
    assert message in error
    assert error.count("\n") == 1
