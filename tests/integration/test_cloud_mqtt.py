"""The connection to AWS IoT Core as components, daemons and people use it, through everything that can happen to it."""

from __future__ import annotations

import json
import os
import pwd
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from awsiot.greengrasscoreipc.model import ServiceError, UserProperty

from ggl.bus import BusError, Client, ErrorCode
from ggl.bus.client import Subscription
from ggl.iotcored.line import MAX_REASONS
from tests.cloud.aws import Cloud
from tests.cloud.processes import bound
from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.ipc_clients import Components, Events
from tests.integration.test_cli import Ggl

pytestmark = pytest.mark.process_host

MQTT = "aws_iot_mqtt"
COMPONENT = "com.example.Meter"
POLICIES = {"aws.greengrass.ipc.mqttproxy": {"p": {"operations": ["*"], "resources": ["*"]}}}
DISK = {"storageType": "Disk"}
RETURN = 300.0
"""Seconds for a connection to be there again: each try that fails makes the pause before the next one longer, and on a
machine that is busy with much else some do."""


def status(runtime: Runtime) -> dict[str, Any]:
    found: dict[str, Any] = runtime.call(MQTT, "status")
    return found


def connected(runtime: Runtime) -> dict[str, Any]:
    return wait_until(lambda: status(runtime), lambda found: found["connected"], RETURN)


def disconnected(runtime: Runtime) -> dict[str, Any]:
    return wait_until(lambda: status(runtime), lambda found: not found["connected"], RETURN)


def subscribe(client: Client, *filters: str, qos: int = 1) -> Subscription:
    return client.subscribe("subscribe", {"topic_filter": list(filters), "qos": qos})


def publish(client: Client, topic: str, payload: str, **more: Any) -> None:
    client.call("publish", {"topic": topic, "payload": payload, "qos": 1, **more}, RETURN)


def payloads(stream: Subscription, count: int) -> list[str]:
    return [stream.next(RETURN)["payload"].decode() for _ in range(count)]


@contextmanager
def device(aws: Cloud, **nucleus: Any) -> Iterator[Runtime]:
    """A runtime that is Thing1, with more of a configuration."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with running(lambda root: aws.write_boot_file(root, runWithDefault={"posixUser": user}, **nucleus)) as runtime:
        yield runtime


def settled(client: Client) -> None:
    """The broker has carried out all that it was asked for so far: it answers in order."""
    publish(client, "settled", "", wait=True)


@pytest.fixture
def component(cloud_runtime: Runtime) -> Iterator[Any]:
    """A component of the official SDK that may do everything with AWS IoT Core."""
    value = {"configuration": {"accessControl": POLICIES}}
    cloud_runtime.call("gg_config", "write", {"key_path": ["services", COMPONENT], "value": value})
    with Components(cloud_runtime) as components:
        yield components.connect(cloud_runtime.call("gg_ipc", "token", {"component": COMPONENT}))


# -- components ------------------------------------------------------------------------------------------------------


def test_a_component_publishes_and_subscribes_with_all_that_a_message_can_have(
    aws: Cloud, cloud_runtime: Runtime, component: Any
) -> None:
    connected(cloud_runtime)  # a subscription does not wait for it for long
    events = Events()
    component.subscribe_to_iot_core(topic_name="to/+", qos="1", **events.handlers())
    aws.mqtt.publish(
        "to/device",
        b"\0\xff",
        ContentType="text/plain",
        ResponseTopic="r",
        CorrelationData=b"c",
        PayloadFormatIndicator=0,
        UserProperty=[("k", "v"), ("k", "w")],
    )
    message = events.next().message
    assert (message.topic_name, message.payload) == ("to/device", b"\0\xff")
    assert (message.content_type, message.response_topic, message.correlation_data) == ("text/plain", "r", b"c")
    assert [(each.key, each.value) for each in message.user_properties] == [("k", "v"), ("k", "w")]
    component.publish_to_iot_core(
        topic_name="from/device",
        qos="1",
        payload=b"hello",
        retain=True,
        message_expiry_interval_seconds=60,
        user_properties=[UserProperty(key="a", value="b")],
        content_type="x",
    )
    found = aws.mqtt.wait_for("from/device")
    assert (found.payload, found.qos) == (b"hello", 1)
    assert (found.properties["ContentType"], found.properties["UserProperty"]) == ("x", [("a", "b")])


def test_what_the_policies_of_aws_refuse_is_said(aws: Cloud, cloud_runtime: Runtime, component: Any) -> None:
    connected(cloud_runtime)
    aws.mqtt.deny("secret/#")
    with pytest.raises(ServiceError) as refused:
        component.subscribe_to_iot_core(topic_name="secret/a", qos="1", **Events().handlers())
    assert "not authorized" in refused.value.message
    assert refused.value.context["reasonCode"] == 0x87
    with cloud_runtime.client(MQTT) as client, pytest.raises(BusError, match=r"not authorized \(0x87\)") as error:
        publish(client, "secret/a", "x", wait=True)
    assert error.value.code == ErrorCode.REMOTE
    for topic, payload, why in (
        ("1/2/3/4/5/6/7/8/9/10", b"", "9 slashes"),
        ("a", bytes(131073), "maxMessageSizeInBytes"),
    ):
        with pytest.raises(ServiceError) as refused:
            component.publish_to_iot_core(topic_name=topic, qos="1", payload=payload)
        assert refused.value.message.startswith(f"Publish to topic {topic} failed: ")
        assert why in refused.value.message
    component.publish_to_iot_core(topic_name="a", qos="1", payload=bytes(131072))
    assert len(aws.mqtt.wait_for("a").payload) == 131072


def test_a_component_knows_of_the_connection(aws: Cloud, cloud_runtime: Runtime, component: Any) -> None:
    connected(cloud_runtime)
    # The SDK has no operation for it that can be called by name in all versions: the bus says the same.
    with cloud_runtime.client(MQTT) as client:
        stream = client.subscribe("connection_status")
        assert stream.next(RETURN) is True
        aws.network.cut("mqtt")
        assert stream.next(RETURN) is False
        aws.network.restore("mqtt")
        assert stream.next(RETURN) is True


def test_a_component_does_not_notice_that_the_daemon_was_killed(
    aws: Cloud, cloud_runtime: Runtime, component: Any
) -> None:
    before = connected(cloud_runtime)["subscriptions"]
    events = Events()
    component.subscribe_to_iot_core(topic_name="to/+", qos="1", **events.handlers())
    aws.network.cut("mqtt")
    disconnected(cloud_runtime)
    killed = cloud_runtime.pid_of("iotcored")
    cloud_runtime.kill(killed)
    # A call that is under way when it is killed would fail.
    wait_until(lambda: cloud_runtime.pid_of("iotcored"), lambda pid: pid not in (0, killed))
    component.publish_to_iot_core(topic_name="from/device", qos="1", payload=b"spooled")
    # Also when it cannot be made at the broker now, however long that lasts.
    wait_until(lambda: "goes on after an interruption" in cloud_runtime.log("ggl.core.ipcd"))
    with pytest.raises(ServiceError) as refused:
        component.subscribe_to_iot_core(topic_name="new/+", qos="1", **Events().handlers())
    assert "not connected" in refused.value.message
    aws.network.restore("mqtt")
    # It was sent after the subscriptions were made anew, on the same connection.
    assert aws.mqtt.wait_for("from/device", seconds=RETURN).payload == b"spooled"
    assert connected(cloud_runtime)["subscriptions"] > before
    aws.mqtt.publish("to/device", "again")
    assert events.next().message.payload == b"again"
    assert not events.errors


# -- losses ----------------------------------------------------------------------------------------------------------


def test_overlapping_subscribers_share_a_subscription_and_get_each_message_once(
    aws: Cloud, cloud_runtime: Runtime
) -> None:
    before = connected(cloud_runtime)["subscriptions"]
    with cloud_runtime.client(MQTT) as client:
        streams = [subscribe(client, *each) for each in (["a/b"], ["a/+", "a/b"], ["a/#"], ["a/b"])]
        wait_until(lambda: client.call("status")["subscriptions"], lambda count: count == before + 1)
        settled(client)  # until the narrower ones are gone, messages come twice
        for number in range(5):
            aws.mqtt.publish("a/b", str(number))
        aws.mqtt.publish("a/b", "end")
        for stream in streams:
            assert payloads(stream, 6) == [*"01234", "end"]
        streams[2].close()
        # Asked on the same connection, so after the end of the stream.
        wait_until(lambda: client.call("status")["subscriptions"], lambda count: count == before + 1)
        settled(client)
        aws.mqtt.publish("a/b", "again")
        assert [payloads(stream, 1) for stream in (streams[0], streams[1], streams[3])] == [["again"]] * 3


def test_nothing_of_qos_1_is_lost_while_the_broker_is_away(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)
    with cloud_runtime.client(MQTT) as client:
        stream = subscribe(client, "a/+")
        before = cloud_runtime.log("ggl.core.iotcored")
        aws.network.kill_broker()
        disconnected(cloud_runtime)
        expected = [str(number) for number in range(300)]
        for text in expected:
            publish(client, "a/b", text)
        with pytest.raises(BusError, match="QoS 0 do not wait") as refused:
            client.call("publish", {"topic": "a/b", "payload": "x"})
        assert refused.value.code == ErrorCode.NOCONN
        assert status(cloud_runtime)["spool"]["messages"] == 300
        said = cloud_runtime.log("ggl.core.iotcored").removeprefix(before)
        aws.network.start_broker()
        assert payloads(stream, 300) == expected
        wait_until(lambda: status(cloud_runtime)["spool"]["messages"], lambda count: count == 0)
    # One for each reason that there is no connection: there are several when it is just being made as it is cut.
    warnings = [line for line in said.splitlines() if " WARN " in line]
    assert 0 < len(warnings) <= MAX_REASONS


def test_losses_in_the_middle_of_a_stream_cost_nothing(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)
    expected = [str(number) for number in range(400)]
    with cloud_runtime.client(MQTT) as client:
        for number, text in enumerate(expected):
            publish(client, "a/b", text)
            if number % 100 == 50:
                aws.network.drop_connections("mqtt")
    aws.mqtt.wait_for("a/b", lambda message: message.payload == b"399", RETURN)
    seen = [message.payload.decode() for message in aws.mqtt.messages("a/b")]
    assert list(dict.fromkeys(seen)) == expected
    # Twice is allowed for what was under way; more than that was not.
    assert len(seen) <= 400 + 4 * 5


def test_the_broker_keeps_what_comes_while_the_network_is_cut(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)
    with cloud_runtime.client(MQTT) as client:
        stream = subscribe(client, "a/+")
        aws.network.cut("mqtt")
        disconnected(cloud_runtime)
        wait_until(aws.mqtt.connected, lambda clients: "Thing1" not in clients)
        for number in range(5):
            aws.mqtt.publish("a/b", str(number))
        aws.network.restore("mqtt")
        assert payloads(stream, 5) == list("01234")


def test_a_peer_that_says_nothing_any_more_is_noticed(aws: Cloud) -> None:
    times = {"keepAliveTimeoutMs": 4000, "pingTimeoutMs": 2000}
    with device(aws, mqtt=times) as runtime:
        connected(runtime)
        aws.network.cut("mqtt", silently=True)
        disconnected(runtime)
        # Not in its status: another error may have followed.
        wait_until(lambda: "(no reply to a ping)" in runtime.log("ggl.core.iotcored"))
        aws.network.restore("mqtt")
        connected(runtime)


def test_what_is_under_way_when_the_runtime_stops_is_sent(aws: Cloud) -> None:
    with device(aws, mqtt={"publishesPerSecond": 10}) as runtime:
        connected(runtime)
        with runtime.client(MQTT) as client:
            for number in range(15):  # more than go out in a second, and less than in the two that there are at the end
                publish(client, "a/b", str(number))
        runtime.down()
    aws.mqtt.wait_for_count("a/b", 15)
    wait_until(lambda: aws.mqtt.broker.log.read_text(), lambda log: "Client Thing1 disconnected." in log)


# -- the spool on the disk -------------------------------------------------------------------------------------------


def test_the_spool_on_the_disk_outlives_daemon_and_runtime(aws: Cloud) -> None:
    with device(aws, mqtt={"spooler": DISK}) as runtime:
        connected(runtime)
        aws.network.cut("mqtt")
        disconnected(runtime)
        expected = [str(number) for number in range(60)]
        for begin in range(0, 60, 20):
            with runtime.client(MQTT) as client:
                for text in expected[begin : begin + 20]:
                    publish(client, "a/b", text, user_properties=[["n", text]])
            if begin == 0:
                runtime.kill(runtime.pid_of("iotcored"))
            elif begin == 20:
                runtime.down()
                runtime.up()
        assert status(runtime)["spool"]["messages"] == 60
        aws.network.restore("mqtt")
        aws.mqtt.wait_for_count("a/b", 60, seconds=RETURN)
        wait_until(lambda: status(runtime)["spool"]["messages"], lambda count: count == 0)
    found = aws.mqtt.messages("a/b")
    assert [message.payload.decode() for message in found] == expected
    assert found[59].properties["UserProperty"] == [("n", "59")]


def test_what_was_accepted_arrives_though_the_daemon_is_killed_in_the_middle_of_it(aws: Cloud) -> None:
    with device(aws, mqtt={"spooler": DISK}) as runtime:
        connected(runtime)
        accepted = []
        for number in range(240):
            if number % 60 == 30:
                connected(runtime)
                runtime.kill(runtime.pid_of("iotcored"))
            try:
                with runtime.client(MQTT) as client:
                    publish(client, "a/b", str(number))
            except BusError:
                continue  # it was under way: whoever gets an error knows nothing
            accepted.append(str(number))
        assert len(accepted) > 200
        aws.mqtt.wait_for("a/b", lambda message: message.payload.decode() == accepted[-1], RETURN)
        wait_until(lambda: status(runtime)["spool"]["messages"], lambda count: count == 0)
    arrived = {message.payload.decode() for message in aws.mqtt.messages("a/b")}
    assert set(accepted) <= arrived


def test_offline_until_the_spool_is_full_and_longer(aws: Cloud) -> None:
    spooler = {"maxSizeInBytes": 1000, "keepQos0WhenOffline": True}
    with device(aws, mqtt={"spooler": spooler}) as runtime:
        connected(runtime)
        aws.network.cut("mqtt")
        disconnected(runtime)
        with runtime.client(MQTT) as client:
            for number in range(4):
                client.call("publish", {"topic": "a/0", "payload": str(number) * 100, "qos": 0}, RETURN)
            for number in range(9):
                publish(client, "a/1", str(number) * 100)
            for qos in (0, 1):
                with pytest.raises(BusError, match=r"mqtt\.spooler\.maxSizeInBytes") as refused:
                    client.call("publish", {"topic": "a/b", "payload": "x" * 200, "qos": qos}, RETURN)
                assert refused.value.code == ErrorCode.NOMEM
        aws.network.restore("mqtt")
        aws.mqtt.wait_for("a/1", lambda message: message.payload == b"8" * 100, RETURN)
    assert [message.payload[:1] for message in aws.mqtt.messages("a/1")] == [b"%d" % number for number in range(9)]


# -- ways to connect -------------------------------------------------------------------------------------------------


def test_mqtt_3(aws: Cloud) -> None:
    with device(aws, mqtt={"version": "mqtt3"}) as runtime:
        assert connected(runtime)["version"] == "3.1.1"
        with runtime.client(MQTT) as client:
            stream = subscribe(client, "a/+")
            publish(client, "a/b", "x", wait=True, user_properties=[["left", "out"]])
            assert payloads(stream, 1) == ["x"]
            aws.network.drop_connections("mqtt")
            publish(client, "a/b", "y")
            assert payloads(stream, 1) == ["y"]


def test_more_subscriptions_than_a_connection_takes(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)
    with cloud_runtime.client(MQTT) as client:
        streams = [subscribe(client, f"many/{number}") for number in range(60)]
        found = status(cloud_runtime)
        assert found["client_ids"] == ["Thing1", "Thing1#2"]
        for number in range(60):
            aws.mqtt.publish(f"many/{number}", str(number))
        assert [payloads(stream, 1) for stream in streams] == [[str(number)] for number in range(60)]
    wait_until(aws.mqtt.connected, lambda clients: clients == {"Thing1"})
    assert status(cloud_runtime)["client_ids"] == ["Thing1"]


def test_another_configuration_takes_effect_while_it_runs(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)

    def configure(*keys: str, value: Any) -> None:
        cloud_runtime.call("gg_config", "write", {"key_path": list(keys), "value": value})

    nucleus = ("services", "aws.greengrass.NucleusLite", "configuration")
    with cloud_runtime.client(MQTT) as client:
        stream = subscribe(client, "a")
        other = aws.device("Thing2")
        configure("system", "certificateFilePath", value=str(other.certificate))
        configure("system", "privateKeyPath", value=str(other.key))
        configure("system", "thingName", value="Thing2")
        wait_until(lambda: status(cloud_runtime), lambda found: found["client_ids"] == ["Thing2"], RETURN)
        connected(cloud_runtime)
        publish(client, "a", "x")
        assert payloads(stream, 1) == ["x"]
        configure(*nucleus, "mqtt", "keepAliveTimeoutMs", value=1000)
        wait_until(lambda: status(cloud_runtime), lambda found: "pingTimeoutMs" in found["last_error"])
        with pytest.raises(BusError, match="pingTimeoutMs") as refused:
            cloud_runtime.call(MQTT, "publish", {"topic": "a", "payload": "x", "qos": 1})
        assert refused.value.code == ErrorCode.NOCONN
        configure(*nucleus, "mqtt", "keepAliveTimeoutMs", value=60000)
        connected(cloud_runtime)


def test_an_endpoint_is_tried_without_moving_there(aws: Cloud, cloud_runtime: Runtime) -> None:
    connected(cloud_runtime)
    port = aws.network.gates["mqtt"].port
    cloud_runtime.call(MQTT, "try_endpoint", {"endpoint": "localhost", "port": port}, RETURN)
    with bound() as closed:
        for endpoint, code in (
            (f"127.0.0.1:{closed.getsockname()[1]}", "MQTT_CONNECTION_FAILED"),
            (f"127.0.0.2:{port}", "MQTT_CONNECTION_FAILED"),
        ):
            with pytest.raises(BusError, match=f"^REMOTE: {code}: "):
                cloud_runtime.call(MQTT, "try_endpoint", {"endpoint": endpoint, "timeout_ms": 2000}, RETURN)
    message = {"topic": "old/endpoint", "payload": "good-bye", "qos": 1}
    cloud_runtime.call(MQTT, "publish_once", {"endpoint": "localhost", "port": port, **message}, RETURN)
    assert aws.mqtt.wait_for("old/endpoint").payload == b"good-bye"
    assert connected(cloud_runtime)["client_ids"] == ["Thing1"]


# -- brokers that are not what they should be ------------------------------------------------------------------------

CONNACK5 = b"\x20\x03\x00\x00\x00"
CONNACK3 = b"\x20\x02\x00\x00"


class FakeBroker:
    """Answers each connection with what ``answer(first packet)`` returns; then reads until the other side goes, or has
    nothing to say for ``patience`` seconds."""

    def __init__(self, aws: Cloud, answer: Callable[[bytes], bytes], patience: float | None) -> None:
        files = aws.authority.server(["localhost"], file="fake")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.certificate, files.key)
        self._answer = answer
        self._patience = patience
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as sock:
                    first = sock.recv(4096)
                    if not first:
                        continue  # it was too slow for the device
                    sock.settimeout(self._patience)
                    self.connections += 1
                    sock.sendall(self._answer(first))
                    while sock.recv(4096):
                        pass
            except OSError:
                pass


@contextmanager
def fake_broker(aws: Cloud, answer: Callable[[bytes], bytes], patience: float | None = None) -> Iterator[FakeBroker]:
    broker = FakeBroker(aws, answer, patience)
    try:
        yield broker
    finally:
        broker.close()


def test_a_broker_that_knows_no_mqtt_5(aws: Cloud) -> None:
    def answer(first: bytes) -> bytes:
        level = first[first.index(b"MQTT") + 4]
        return b"\x20\x02\x00\x01" if level == 5 else CONNACK3

    with fake_broker(aws, answer) as broker, device(aws, mqtt={"port": broker.port}) as runtime:
        assert connected(runtime)["version"] == "3.1.1"
        assert broker.connections == 2


def test_a_refusal_is_shown_and_tried_again(aws: Cloud) -> None:
    with (
        fake_broker(aws, lambda _first: b"\x20\x03\x00\x87\x00") as broker,
        device(aws, mqtt={"port": broker.port, "maximumReconnectDelaySeconds": 1}) as runtime,
    ):
        refusal = "refuses the connection as 'Thing1': not authorized (0x87)"
        wait_until(lambda: status(runtime), lambda found: refusal in found["last_error"], RETURN)
        wait_until(lambda: broker.connections, lambda count: count > 2, RETURN)
        with pytest.raises(BusError, match=r"MISSING_MQTT_CONNECT_POLICY: .*not authorized"):
            runtime.call(MQTT, "try_endpoint", {"endpoint": "localhost"}, RETURN)


HOSTILE = {
    "noise": bytes(range(256)) * 16,
    "zeros": bytes(10_000),
    "a packet without end": b"\x30\xff\xff\xff\xff\xff" + bytes(100),
    "a packet of 200 MB": b"\x30\x80\x80\x80\x64" + bytes(100_000),
    "a cut message": b"\x32\x04\x00\x50ab",
    "a message of QoS 2": b"\x34\x08\x00\x01a\x00\x05\x00hi",
    "wrong properties": b"\x30\x09\x00\x01a\x04\x7f\x01\x02\x03x",
    "a property twice": b"\x30\x0a\x00\x01a\x04\x01\x01\x01\x01xx",
    "answers to nothing": b"\x40\x02\x00\x07\x90\x04\x00\x09\x00\x00\xb0\x04\x00\x09\x00\x00\xe0\x00",
    "a second welcome": CONNACK5,
}


def test_a_hostile_broker_costs_no_more_than_the_connection(aws: Cloud) -> None:
    attacks = iter([*HOSTILE.values()])
    with (
        fake_broker(aws, lambda _first: CONNACK5 + next(attacks, b""), 1.0) as broker,
        device(aws, mqtt={"port": broker.port, "maximumReconnectDelaySeconds": 1}) as runtime,
    ):
        pid = wait_until(lambda: runtime.pid_of("iotcored"))
        connected(runtime)
        wait_until(lambda: broker.connections, lambda count: count > len(HOSTILE), RETURN)
        connected(runtime)
        assert runtime.pid_of("iotcored") == pid
        assert "Traceback" not in runtime.log("ggl.core.iotcored")


# -- devices without the cloud, and people ---------------------------------------------------------------------------


def test_a_device_that_is_not_configured_has_no_errors_for_it(runtime: Runtime) -> None:
    with pytest.raises(BusError, match=r"system\.thingName.*iotDataEndpoint not set") as refused:
        runtime.call(MQTT, "publish", {"topic": "a", "payload": "x", "qos": 1})
    assert refused.value.code == ErrorCode.NOCONN
    assert status(runtime)["configured"] is False
    wait_until(lambda: runtime.pid_of("iotcored"), lambda pid: pid == 0)
    log = runtime.log("ggl.core.iotcored")
    assert "not configured for AWS IoT Core" in log
    assert " WARN " not in log
    assert " ERROR " not in log


def test_people_publish_subscribe_and_look(aws: Cloud, cloud_runtime: Runtime) -> None:
    before = connected(cloud_runtime)["subscriptions"]
    ggl = Ggl(cloud_runtime.root.state)
    following = ggl.begin("mqtt", "sub", "a/+", "--count", "2", "--json")
    try:
        wait_until(lambda: status(cloud_runtime)["subscriptions"], lambda count: count > before)
        assert "published 5 bytes on a/b" in ggl("mqtt", "pub", "a/b", "hello", "--property", "k=v").out
        assert "published 2 messages on a/c" in ggl("mqtt", "pub", "a/c", "-", "--lines", stdin="x\ny\n").out
        output, _errors = following.communicate(timeout=RETURN)
    finally:
        following.kill()
    first, second = (json.loads(line) for line in output.splitlines())
    assert (first["topic"], first["text"], first["user_properties"]) == ("a/b", "hello", [["k", "v"]])
    assert (second["topic"], second["text"], second["qos"]) == ("a/c", "x", 1)
    assert ggl("mqtt", "status").out.splitlines()[0].split()[1] == "connected,"
    aws.mqtt.deny("no/#")
    assert "not authorized" in ggl("mqtt", "pub", "no/way", "x", code=1).err
    aws.network.cut("mqtt")
    disconnected(cloud_runtime)
    assert "queued" in ggl("mqtt", "pub", "a/b", "later").out
    assert ggl("mqtt", "status", "--json").out.startswith("{")
    aws.network.restore("mqtt")
    aws.mqtt.wait_for("a/b", lambda message: message.payload == b"later", RETURN)
