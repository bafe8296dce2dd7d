"""The stand-in for AWS keeps to the protocols of AWS: seen with clients that are not ours."""

from __future__ import annotations

import base64
import http.client
import json
import os
import queue
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import socks
import yaml
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.cloud.aws import Cloud
from tests.cloud.certificates import Authority
from tests.cloud.mqtt import leave
from tests.integration.conftest import alive, wait_until

pytestmark = pytest.mark.process_host

JOBS = "$aws/things/Thing1/jobs"
NAMESPACE = "namespace-aws-gg-deployment"
SHADOW = "$aws/things/Thing1/shadow/name/AWSManagedGreengrassV2Deployment"


class Thing:
    """A device that does by hand what the runtime does by itself."""

    def __init__(self, aws: Cloud, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5) -> None:
        configuration = aws.configuration()["services"]["aws.greengrass.NucleusLite"]["configuration"]
        files = aws.device()
        self.got: queue.Queue[MQTTMessage] = queue.Queue()
        self.acknowledged: queue.Queue[Any] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, "Thing1", protocol=protocol)
        self.client.tls_set(str(aws.ca), str(files.certificate), str(files.key))
        self.client.on_message = lambda _client, _data, message: self.got.put(message)
        self.client.on_subscribe = lambda _c, _d, _mid, codes, _p: self.acknowledged.put(codes[0].value)
        self.client.on_publish = lambda _c, _d, _mid, code, _p: self.acknowledged.put(code.value)
        self.client.connect(configuration["iotDataEndpoint"], configuration["mqtt"]["port"])
        self.client.loop_start()

    def subscribe(self, topic_filter: str) -> Any:
        self.client.subscribe(topic_filter, 1)
        return self.acknowledged.get(timeout=30)

    def publish(self, topic: str, payload: Any) -> Any:
        self.client.publish(topic, json.dumps(payload), 1)
        return self.acknowledged.get(timeout=30)

    def next(self) -> tuple[str, Any]:
        message = self.got.get(timeout=30)
        return message.topic, json.loads(message.payload)

    def leave(self) -> None:
        leave(self.client)


@pytest.fixture
def thing(aws: Cloud) -> Iterator[Thing]:
    thing = Thing(aws)
    yield thing
    thing.leave()


def https(aws: Cloud, url: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    files = aws.device()
    context = ssl.create_default_context(cafile=str(aws.ca))
    context.load_cert_chain(str(files.certificate), str(files.key))
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers or {})
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        return answer.read()


def endpoint(aws: Cloud, name: str) -> str:
    return f"https://localhost:{aws.network.gates[name].port}"


def test_a_job_goes_from_queued_to_succeeded(aws: Cloud, thing: Thing) -> None:
    assert thing.subscribe(f"{JOBS}/+/{NAMESPACE}/+/+") == 1
    assert thing.subscribe(f"{JOBS}/notify-{NAMESPACE}") == 1
    job = aws.jobs.create({"components": {}})
    topic, notice = thing.next()
    assert topic == f"{JOBS}/notify-{NAMESPACE}"
    assert [each["jobId"] for each in notice["jobs"]["QUEUED"]] == [job]

    thing.publish(f"{JOBS}/$next/{NAMESPACE}/get", {"clientToken": "1"})
    topic, answer = thing.next()
    assert topic.endswith("/get/accepted")
    assert answer["clientToken"] == "1"
    assert answer["execution"]["jobDocument"] == {"components": {}}

    update = f"{JOBS}/{job}/{NAMESPACE}/update"
    thing.publish(update, {"status": "IN_PROGRESS"})
    assert thing.next()[0] == f"{update}/accepted"
    thing.publish(update, {"status": "SUCCEEDED", "statusDetails": {"a": "b"}, "expectedVersion": 7})
    topic, refusal = thing.next()
    assert (topic, refusal["code"]) == (f"{update}/rejected", "VersionMismatch")
    assert refusal["executionState"]["versionNumber"] == 2
    thing.publish(update, {"status": "SUCCEEDED", "statusDetails": {"a": "b"}, "expectedVersion": 2})
    assert {thing.next()[0], thing.next()[0]} == {f"{update}/accepted", f"{JOBS}/notify-{NAMESPACE}"}
    assert aws.jobs.wait(job)["statusDetails"] == {"a": "b"}

    thing.publish(update, {"status": "FAILED"})
    assert thing.next()[1]["code"] == "InvalidStateTransition"
    thing.publish(f"{JOBS}/$next/{NAMESPACE}/get", {})
    assert "execution" not in thing.next()[1]


def test_faults_of_jobs(aws: Cloud, thing: Thing) -> None:
    job = aws.jobs.create({"components": {}})
    update = f"{JOBS}/{job}/{NAMESPACE}/update"
    thing.subscribe(f"{update}/+")
    aws.jobs.ignore_next(1)
    aws.jobs.reject_next("RequestThrottled")
    for _ in range(3):
        thing.publish(update, {"status": "IN_PROGRESS"})
    assert thing.next()[1]["code"] == "RequestThrottled"
    assert thing.next()[0] == f"{update}/accepted"
    aws.jobs.cancel(job)
    thing.publish(update, {"status": "SUCCEEDED"})
    assert thing.next()[1]["executionState"]["status"] == "CANCELED"
    assert len(aws.jobs.updates(job)) == 4


def test_a_shadow_deploys_to_a_single_thing(aws: Cloud, thing: Thing) -> None:
    thing.subscribe(f"{SHADOW}/+/+")
    thing.publish(f"{SHADOW}/get", {})
    assert thing.next()[1]["code"] == 404
    arn = aws.shadow.deploy({"com.example.A": "1.0.0"})
    topics = dict(thing.next() for _ in range(3))
    desired = topics[f"{SHADOW}/update/accepted"]["state"]["desired"]
    assert json.loads(desired["fleetConfig"])["configurationArn"] == arn
    assert topics[f"{SHADOW}/update/delta"]["state"] == desired
    thing.publish(f"{SHADOW}/update", {"state": {"reported": {"status": "IN_PROGRESS"}}, "version": 9})
    assert thing.next()[1]["code"] == 409
    thing.publish(f"{SHADOW}/update", {"state": {"reported": {"status": "SUCCEEDED"}}, "version": 1})
    assert aws.shadow.wait() == {"status": "SUCCEEDED"}


def test_who_may_do_what(aws: Cloud, thing: Thing, tmp_path: Path) -> None:
    aws.mqtt.deny("secret/#")
    assert thing.publish("secret/a", "x") == 0x87
    assert thing.subscribe("secret/+") == 0x87
    aws.mqtt.allow_all()
    assert thing.subscribe("secret/+") == 1
    stranger = Authority(tmp_path / "other", "Another CA").device("Thing1")
    expired = aws.authority.device("Thing1", file="expired", days=1, age=3)
    refused = r"alert|reset|closed|EOF"  # in TLS 1.3, whoever connects learns it only when it reads
    for files in (stranger, expired):
        context = ssl.create_default_context(cafile=str(aws.ca))
        context.load_cert_chain(str(files.certificate), str(files.key))
        with pytest.raises(OSError, match=refused):
            _first_byte(context, aws.network.gates["mqtt"].port)
        with pytest.raises(OSError, match=refused):
            _first_byte(context, aws.network.gates["data-plane"].port)
    assert aws.mqtt.connected() == {"Thing1"}


def _first_byte(context: ssl.SSLContext, port: int) -> None:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        _read_something(connection)


def _read_something(connection: ssl.SSLSocket) -> None:
    if not connection.recv(1):
        raise ConnectionResetError("closed")


def test_the_broker_dies_and_nothing_acknowledged_is_lost(aws: Cloud, thing: Thing) -> None:
    for number in range(100):
        thing.publish("count", number)
    aws.network.kill_broker()
    assert [message.json() for message in aws.mqtt.messages("count")] == list(range(100))
    aws.network.start_broker()
    thing.publish("again", 1)  # paho connects again by itself
    aws.mqtt.wait_for("again")


def test_credentials(aws: Cloud) -> None:
    url = f"{endpoint(aws, 'credentials')}/role-aliases/StandInRoleAlias/credentials"
    answer = json.loads(https(aws, url, headers={"x-amzn-iot-thingname": "Thing1"}))
    assert answer["credentials"]["accessKeyId"] == aws.credentials.issued[0]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        https(aws, url, headers={"x-amzn-iot-thingname": "Thing2"})
    aws.credentials.fail(503)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        https(aws, url)
    https(aws, url)
    assert aws.credentials.count == 4


def test_components_and_their_artifacts(aws: Cloud) -> None:
    for version in ("1.0.0", "1.4.0", "2.0.0"):
        aws.components.put("com.example.A", version, artifacts={"a.txt": version.encode()})
    platform = {"attributes": {"os": "linux", "architecture": "amd64"}}

    def resolve(**candidate: Any) -> Any:
        body = {"platform": platform, "componentCandidates": [{"componentName": "com.example.A", **candidate}]}
        url = f"{endpoint(aws, 'data-plane')}/greengrass/v2/resolveComponentCandidates"
        return json.loads(https(aws, url, body))["resolvedComponentVersions"][0]

    assert resolve(versionRequirements={"x": ">=1.0.0 <2.0.0"})["componentVersion"] == "1.4.0"
    found = resolve(versionRequirements={"x": ">=1.0.0 <2.0.0"}, componentVersion="1.0.0")
    assert found["componentVersion"] == "1.0.0"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        resolve(versionRequirements={"x": "^3.0.0"})

    recipe = json.loads(base64.b64decode(found["recipe"]))
    assert recipe["Manifests"][0]["Artifacts"][0]["Algorithm"] == "SHA-256"
    url = f"{endpoint(aws, 'data-plane')}/greengrass/v2/components/{found['arn']}/artifacts/a.txt"
    signed = json.loads(https(aws, url))["preSignedUrl"]
    assert https(aws, signed) == b"1.0.0"
    assert https(aws, signed, headers={"Range": "bytes=2-"}) == b"0.0"
    aws.faults.http("/files/", truncate=2)
    with pytest.raises(http.client.IncompleteRead):
        https(aws, signed)


def test_groups_and_large_documents(aws: Cloud) -> None:
    aws.components.thing_groups += [f"group{number}" for number in range(12)]
    url = f"{endpoint(aws, 'data-plane')}/greengrass/v2/coreDevices/Thing1/"
    first = json.loads(https(aws, url + "thingGroups"))
    second = json.loads(https(aws, f"{url}thingGroups?nextToken={first['nextToken']}"))
    assert len(first["thingGroups"] + second["thingGroups"]) == 12
    assert second["nextToken"] is None
    short = aws.components.large({"deploymentId": "d1", "components": {"a": {}}})
    assert short == {"deploymentId": "d1", "requiredCapabilities": ["LARGE_CONFIGURATION"]}
    answer = json.loads(https(aws, f"{url}deployments/d1/configuration?s3EndpointType=GLOBAL"))
    assert json.loads(https(aws, answer["preSignedUrl"]))["components"] == {"a": {}}


def test_services_of_the_sdks(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = aws.s3.put("bucket1", "folder/key", b"content")
    assert stored.uri == "s3://bucket1/folder/key"
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    known = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    s3 = boto3.client("s3", **known)
    assert s3.get_object(Bucket="bucket1", Key="folder/key", Range="bytes=3-")["Body"].read() == b"tent"
    s3.put_object(Bucket="bucket1", Key="other", Body=b"x" * 100_000)
    assert len(aws.s3.get("bucket1", "other")) == 100_000
    aws.faults.http("/bucket1/", status=503, times=1)
    assert s3.head_object(Bucket="bucket1", Key="other")["ContentLength"] == 100_000  # boto3 tries again
    boto3.client("logs", **known).create_log_group(logGroupName="/device")
    assert aws.services.client("logs").describe_log_groups()["logGroups"][0]["logGroupName"] == "/device"
    assert boto3.client("ecr", **known).get_authorization_token()["authorizationData"]


def test_the_network_is_cut_and_comes_back(aws: Cloud, thing: Thing) -> None:
    thing.subscribe("down")
    aws.network.cut("mqtt", silently=True)
    aws.mqtt.publish("down", "1")
    thing.client.publish("up", "2", 1)
    assert aws.mqtt.messages("up") == []
    aws.network.restore("mqtt")
    aws.mqtt.wait_for("up")
    assert thing.next() == ("down", 1)
    aws.network.cut()
    with pytest.raises(OSError, match="refused"):
        https(aws, endpoint(aws, "data-plane"))
    aws.network.restore()
    with pytest.raises(urllib.error.HTTPError, match="404"):
        https(aws, endpoint(aws, "data-plane"))


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
def test_a_broker_that_lets_nobody_in(aws: Cloud, protocol: MQTTProtocolVersion) -> None:
    aws.refuse_connections(0x87)
    codes: queue.Queue[Any] = queue.Queue()
    files = aws.device()
    client = Client(CallbackAPIVersion.VERSION2, "Thing1#2", protocol=protocol)
    client.tls_set(str(aws.ca), str(files.certificate), str(files.key))
    client.on_connect = lambda _c, _d, _f, code, _p: codes.put(str(code))
    client.connect("localhost", aws.network.gates["mqtt"].port)
    client.loop_start()
    assert codes.get(timeout=30) == "Not authorized"
    assert aws.refuser.clients[0] == "Thing1#2"
    aws.accept_connections()
    while (code := codes.get(timeout=30)) == "Not authorized":
        pass  # from an attempt before
    assert code == "Success"
    leave(client)


def test_port_443_asks_for_a_protocol(aws: Cloud) -> None:
    try:
        host = aws.on_443()["iotDataEndpoint"]
    except PermissionError:
        pytest.skip("port 443 is root's here")
    files = aws.device()

    def connect(*protocols: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(aws.ca))
        context.load_cert_chain(str(files.certificate), str(files.key))
        context.set_alpn_protocols(list(protocols))
        return context.wrap_socket(socket.create_connection((host, 443)), server_hostname=host)

    with connect("x-amzn-mqtt-ca") as connection:
        connection.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02me")  # CONNECT
        assert connection.recv(4) == b"\x20\x02\x00\x00"
    with connect("http/1.1", "x-amzn-http-ca") as connection:
        connection.sendall(b"GET /greengrass/v2/coreDevices/Thing1/thingGroups HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    with pytest.raises(OSError, match=r"reset|closed|EOF|alert"), connect("http/1.1") as connection:
        _read_something(connection)


def test_proxies(aws: Cloud) -> None:
    endpoint = "localhost", aws.network.gates["data-plane"].port
    for url, kind in ((aws.proxies.http("me", "word"), socks.HTTP), (aws.proxies.socks5("me", "word"), socks.SOCKS5)):
        port = int(url.rpartition(":")[2])
        connection = socks.create_connection(endpoint, 30, None, kind, "localhost", port, True, "me", "word")
        context = ssl.create_default_context(cafile=str(aws.ca))
        context.load_cert_chain(str(aws.device().certificate), str(aws.device().key))
        with context.wrap_socket(connection, server_hostname="localhost") as secured:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secured.recv(12) == b"HTTP/1.1 404"
        with pytest.raises(socks.ProxyError):
            socks.create_connection(endpoint, 30, None, kind, "localhost", port, True, "me", "wrong")
    assert aws.proxies.used == [f"localhost:{endpoint[1]}"] * 2
    assert aws.proxies.refused == 2


def test_by_hand(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cloud", str(tmp_path), "--thing", "Lamp"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "t")},  # it will not clear up
    )
    try:
        assert process.stdout is not None
        assert "for Lamp" in process.stdout.readline()
        configuration = yaml.safe_load((tmp_path / "config.yaml").read_text())
        assert configuration["system"]["thingName"] == "Lamp"

        def call(*words: str) -> str:
            command = [sys.executable, "-m", "tests.cloud.call", str(tmp_path), *words]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        job = call("jobs.deploy", '{"com.example.A": "1.0.0"}', "thing=Lamp").strip()
        assert json.loads(call("jobs.execution", job, "thing=Lamp"))["status"] == "QUEUED"
        broker = int(call("mqtt.broker.pid"))
    finally:
        process.kill()  # without a chance to clear up
        process.communicate()
    wait_until(lambda: alive(broker), lambda up: not up)
