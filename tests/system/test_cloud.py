"""A device with systemd and its cloud: the daemons have the network and the credentials that they need, in spite of all
that systemd keeps from them; and what becomes of the connection when they are killed, stuck or stopped.
"""

from __future__ import annotations

import base64
import grp
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from ggl.bus import BusError
from ggl.catalog import DAEMONS, instance
from ggl.privilege import RUNTIME_GROUP
from tests.cloud.aws import Cloud, cloud
from tests.cloud.broker import require_mosquitto
from tests.integration.conftest import Runtime
from tests.lean import ALL, IpcFailure, Lean, install
from tests.system.provisioning import KEY, write_settings
from tests.system.runtime import RUNTIME_UNITS, processes, systemctl, units_in, wait_until
from tests.system.test_core_daemons import kept, kill_all_daemons, ping, shown, unit_of

CHECKOUT = Path(__file__).resolve().parents[2]
OF_THE_CLOUD = ("iotcored", "tesd", "jobsd", "fleetstatusd")
MQTT, TES = "aws_iot_mqtt", "aws_iot_tes"
PROGRAM = b"""
import base64, getpass, json, os, ssl, sys, time
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ggl.cloud.signing import Credentials, signed
from ggl.paths import SYSTEM
from lean import Lean

asked = Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
asked.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
found = json.load(urlopen(asked))
credentials = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])
ca_file, endpoint = sys.argv[1:]
url = urlsplit(f"{endpoint}/data/greeting")
headers = signed("GET", url.netloc, url.path, "", {}, b"", "s3", "us-east-1", credentials)
ca = ssl.create_default_context(cafile=ca_file)
read = urlopen(Request(url.geturl(), headers=headers), context=ca).read().decode()
said = json.dumps({"user": getpass.getuser(), "read": read, "key": found["AccessKeyId"]})
with Lean(SYSTEM, os.environ["SVCUID"]) as ipc:
    payload = base64.b64encode(said.encode()).decode()
    ipc.call("PublishToIoTCore", {"topicName": "said", "qos": "1", "payload": payload})
time.sleep(1000)
"""


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Cloud]:
    require_mosquitto()
    with cloud(tmp_path / "aws") as found:
        yield found


Provision = Callable[..., Runtime]


@pytest.fixture
def provision(aws: Cloud, runtime: Runtime) -> Iterator[Provision]:
    """Makes the runtime of this device a thing, as the guide says, and starts it again."""
    environment: dict[str, str] = {}

    def done(**nucleus: Any) -> Runtime:
        gid = grp.getgrnam(RUNTIME_GROUP).gr_gid
        environment.update(write_settings(aws, runtime.root.config, gid, **nucleus))
        systemctl("set-environment", *(f"{name}={value}" for name, value in environment.items()))
        runtime.down()
        runtime.up()
        return runtime

    yield done
    systemctl("unset-environment", *environment, check=False)


def status(runtime: Runtime) -> dict[str, Any]:
    found: dict[str, Any] = runtime.call(MQTT, "status")
    return found


def connected(runtime: Runtime) -> bool:
    try:
        return bool(status(runtime)["connected"])
    except BusError:
        return False


def test_a_job_brings_a_component_that_talks_to_the_cloud(aws: Cloud, provision: Provision) -> None:
    provision()
    aws.s3.put("data", "greeting", b"hello")
    program = {"talk.py": PROGRAM, "lean.py": (CHECKOUT / "tests/lean.py").read_bytes(), "ca.pem": aws.ca.read_bytes()}
    endpoint = aws.environment()["AWS_ENDPOINT_URL"]
    script = f"exec /opt/ggl/bin/python3 {{artifacts:path}}/talk.py {{artifacts:path}}/ca.pem {endpoint}"
    aws.components.put(
        "com.example.A",
        lifecycle={"run": script},
        depends={"aws.greengrass.TokenExchangeService": "^2.0.0"},
        defaults={"accessControl": {"aws.greengrass.ipc.mqttproxy": ALL}},
        artifacts=program,
        store="s3",
    )
    execution = aws.jobs.wait(aws.jobs.deploy({"com.example.A": "1.0.0"}))
    assert execution["status"] == "SUCCEEDED", execution["statusDetails"]
    said = aws.mqtt.wait_for("said").json()
    assert (said["user"], said["read"]) == ("ggc_user", "hello")
    assert said["key"] in aws.credentials.issued
    told = aws.fleet.wait("THING_GROUP_DEPLOYMENT")
    assert told["deploymentInformation"]["status"] == "SUCCEEDED", json.dumps(told)

    aws.network.kill_broker()
    aws.network.start_broker()
    aws.components.put("com.example.B", artifacts={"b": b"from the service"})
    job = aws.jobs.deploy({"com.example.B": "1.0.0"})
    assert aws.jobs.wait(job)["status"] == "SUCCEEDED"


def test_a_key_that_the_daemons_cannot_read_is_named_and_used_once_they_can(aws: Cloud, provision: Provision) -> None:
    runtime = provision(mqtt={"maximumReconnectDelaySeconds": 1})
    wait_until(lambda: connected(runtime))
    KEY.chmod(0o600)
    aws.network.drop_connections("mqtt")
    wanted = f"system.privateKeyPath ({KEY}) cannot be read: Permission denied"
    shows = ["ggl", "status", "--json"]
    wait_until(
        lambda: json.loads(subprocess.run(shows, capture_output=True).stdout)["cloud"],
        lambda found: found["state"] == "offline" and wanted in found["last_error"],
    )
    done = subprocess.run(["ggl", "doctor", "--json"], capture_output=True, text=True)
    (remedy,) = {each["remedy"] for each in json.loads(done.stdout) if f"may not read {KEY}" in each["detail"]}
    subprocess.run(remedy, shell=True, check=True)
    wait_until(lambda: connected(runtime))


class Echo:
    """A component that sends to the cloud and hears it from there, on one subscription; and has credentials."""

    def __init__(self, aws: Cloud, runtime: Runtime) -> None:
        self._aws = aws
        self._runtime = runtime
        allowed = {"accessControl": {"aws.greengrass.ipc.mqttproxy": ALL}}
        self._ipc = Lean(runtime.root, install(runtime.root, "com.example.Echo", allowed))
        self._stream, _ = self._ipc.call("SubscribeToIoTCore", {"topicName": "echo", "qos": "1"})
        self._ipc.sock.settimeout(3)  # a message that is lost is sent again
        self._number = 0

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        self._ipc.close()

    def goes_on(self) -> None:
        wait_until(self._is_served)

    def _is_served(self) -> bool:
        self._number += 1
        payload = base64.b64encode(str(self._number).encode()).decode()
        try:
            self._ipc.call("PublishToIoTCore", {"topicName": "echo", "qos": "1", "payload": payload})
            while not self._is_back(payload):
                pass
            found = self._runtime.call(TES, "request_credentials")
        except (BusError, IpcFailure):
            return False
        return found["accessKeyId"] in self._aws.credentials.issued

    def _is_back(self, payload: str) -> bool:
        """Whether that is what comes next, and no late answer to a call of before."""
        stream, event = self._ipc.event()
        return stream == self._stream and event["message"]["payload"] == payload


def test_each_daemon_of_the_cloud_may_be_killed_in_use_and_all_at_once(aws: Cloud, provision: Provision) -> None:
    runtime = provision(mqtt={"maximumReconnectDelaySeconds": 1})
    go = runtime.root.state / "go"
    script = f"echo x >> starts; until test -e {go}; do sleep 0.05; done"
    aws.components.put("com.example.A", lifecycle={"startup": script})
    job = aws.jobs.deploy({"com.example.A": "1.0.0"})
    starts = runtime.root.work / "com.example.A/starts"
    wait_until(starts.exists)
    with Echo(aws, runtime) as echo:
        echo.goes_on()
        for daemon in OF_THE_CLOUD:
            with kept(runtime, daemon) as pid:
                runtime.kill(pid)
            wait_until(lambda d=daemon: ping(runtime, d))  # type: ignore[misc]
            echo.goes_on()
    kill_all_daemons()
    go.touch()
    assert aws.jobs.wait(job)["status"] == "SUCCEEDED"
    with Echo(aws, runtime) as echo:
        echo.goes_on()
    assert [state for state, _ in aws.jobs.history(job)].count("SUCCEEDED") == 1
    assert starts.read_text() == "x\n"
    assert units_in("failed") == []


def test_only_who_talks_to_the_cloud_has_a_network_and_only_the_connection_stays(
    aws: Cloud, provision: Provision
) -> None:
    runtime = provision()
    aws.fleet.wait("NUCLEUS_LAUNCH")
    ours = os.readlink("/proc/self/ns/net")
    for daemon in [each for each in DAEMONS if each.interfaces]:
        with kept(runtime, daemon.name) as pid:
            namespace = os.readlink(f"/proc/{pid}/ns/net")
        assert (namespace == ours) == (daemon.network or daemon.privileged), daemon
    leaving = {unit_of(each) for each in (*OF_THE_CLOUD, "deploymentd") if each != "iotcored"}
    wait_until(lambda: {unit for _, unit in processes()}, lambda there: not leaving & there)
    assert connected(runtime)


def test_components_have_credentials_over_http_whoever_of_the_runtime_leaves_or_dies(
    aws: Cloud, provision: Provision
) -> None:
    runtime = provision()
    token = install(runtime.root, "com.example.A", {})
    port: int = runtime.call(TES, "serve_port")
    server = instance("tesserverd", port)

    def served(host: str = "127.0.0.1") -> Any:
        address = f"http://{host}:{port}/2016-11-01/credentialprovider/"
        with urlopen(Request(address, headers={"Authorization": token}), timeout=60) as answer:
            return json.load(answer)["AccessKeyId"] in aws.credentials.issued

    assert served()
    for daemon in (server, "tesd", "ipcd", "configd", "hostd"):
        if pid := int(shown(unit_of(daemon), "MainPID")):
            with suppress(ProcessLookupError):  # it has left by itself just now
                os.kill(pid, signal.SIGKILL)
        assert served(), daemon
    gone = {unit_of("tesd"), unit_of(server)}

    def served_without_configd() -> bool:
        """tesd has what it gives, and sees by the database that nothing has changed."""
        wait_until(lambda: {unit for _, unit in processes()}, lambda there: not gone & there)
        systemctl("stop", unit_of("configd"))
        assert served()
        return unit_of("configd") not in {unit for _, unit in processes()}

    wait_until(served_without_configd)  # others may want to know something just then
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(f"http://127.0.0.1:{port}/2016-11-01/credentialprovider/", headers={"Authorization": "x"}))

    runtime.down()
    with pytest.raises(URLError, match="refused"):
        served()
    runtime.up()
    assert runtime.call(TES, "serve_port") == port
    assert served()
    assert units_in("failed") == []


def test_what_waits_is_sent_when_the_runtime_stops(aws: Cloud, provision: Provision) -> None:
    runtime = provision()
    wait_until(lambda: connected(runtime))
    with runtime.client(MQTT) as client:
        for number in range(120):  # more than AWS IoT Core takes in a second
            client.call("publish", {"topic": "last", "payload": str(number), "qos": 1})
    aws.mqtt.wait_for_count("last", 100)  # the rest waits for the next second, and has to be sent in a moment
    systemctl("stop", unit_of("iotcored"))
    assert [message.payload for message in aws.mqtt.wait_for_count("last", 120)] == [b"%d" % n for n in range(120)]

    runtime.call(MQTT, "bus.ping")
    wait_until(lambda: connected(runtime))
    aws.network.cut("mqtt", silently=True)
    runtime.call(MQTT, "publish", {"topic": "last", "payload": "lost", "qos": 1})
    systemctl("stop", unit_of("iotcored"))
    assert shown(unit_of("iotcored"), "Result") == "success"  # it was not killed for taking too long


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port to which connections are neither made nor refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = []
        for _ in range(8):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(address)
        yield address[1]
        for each in waiting:
            each.close()


def test_the_watchdog_bears_with_a_connection_that_takes_long(provision: Provision, black_hole: int) -> None:
    directory = RUNTIME_UNITS / f"{unit_of('iotcored')}.d"
    directory.mkdir()
    # More than a daemon that is well may be without a processor on a busy machine.
    (directory / "test.conf").write_text("[Service]\nWatchdogSec=6\n")
    systemctl("daemon-reload")
    runtime = provision(mqtt={"port": black_hole, "socketTimeoutMs": 15_000})
    pid = wait_until(lambda: int(shown(unit_of("iotcored"), "MainPID")))
    said = wait_until(lambda: status(runtime)["last_error"])
    assert "no answer" in said
    assert int(shown(unit_of("iotcored"), "MainPID")) == pid
    assert shown(unit_of("iotcored"), "WatchdogUSec") == "6s"
    assert "Watchdog timeout" not in runtime.host_log()
