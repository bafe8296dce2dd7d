"""AWS credentials for components: the real runtime, TLS and SDK; AWS is the stand-in."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ggl.bus import BusError
from ggl.tesserverd.endpoint import MAX_CONNECTIONS
from tests.cloud.processes import bound
from tests.integration.conftest import PATIENCE, running, wait_until

if TYPE_CHECKING:
    from tests.cloud.aws import Cloud
    from tests.integration.conftest import Runtime
    from tests.integration.device import Device

pytestmark = pytest.mark.process_host

PATH = "/2016-11-01/credentialprovider/"
SERVICE = "aws.greengrass.TokenExchangeService"
OWN = "services", SERVICE, "configuration"
NUCLEUS = "services", "aws.greengrass.NucleusLite", "configuration"
READER = """\
import os, sys, boto3
key = boto3.Session().get_credentials().access_key
body = boto3.client("s3").get_object(Bucket="test-bucket", Key="greeting")["Body"].read().decode()
print(f"{body} by {key}", flush=True)
"""


def http_get(port: int, token: str | None, path: str = PATH, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("localhost", port, timeout=120)
    try:
        connection.request(method, path, headers={} if token is None else {"Authorization": token})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Component:
    """One that is not there, but has a token."""

    def __init__(self, runtime: Runtime, name: str = "com.example.Reader") -> None:
        self.runtime = runtime
        self.port: int = runtime.call("aws_iot_tes", "serve_port")
        self.token: str = runtime.call("gg_ipc", "token", {"component": name, "users": {}})

    @property
    def server(self) -> str:
        """The daemon that answers on its port."""
        return f"tesserverd@{self.port}"

    def get(self, **other: Any) -> tuple[int, str]:
        return http_get(self.port, self.token, **other)

    def key(self) -> str:
        """The access key id it gets."""
        status, body = self.get()
        assert status == 200, body
        key: str = json.loads(body)["AccessKeyId"]
        return key


@pytest.fixture
def component(cloud_runtime: Runtime) -> Component:
    return Component(cloud_runtime)


def kill_tesd(runtime: Runtime) -> None:
    """While it is in use: it does not leave by itself just before."""
    with runtime.client("aws_iot_tes") as client:
        client.call("bus.ping")
        runtime.kill(runtime.pid_of("tesd"))


def wait_until_they_have_left(component: Component) -> None:
    runtime = component.runtime
    wait_until(lambda: [runtime.pid_of(name) for name in ("tesd", component.server)], lambda pids: pids == [0, 0])


def configure(runtime: Runtime, *path: str, value: Any) -> None:
    runtime.call("gg_config", "write", {"key_path": list(path), "value": value})


def active_port(runtime: Runtime) -> int | None:
    try:
        found: int = runtime.call("gg_config", "read", {"key_path": [*OWN, "activePort"]})
    except BusError:
        return None
    return found


# -- components ------------------------------------------------------------------------------------------------------


def test_the_sdk_in_a_component_reads_from_s3(aws: Cloud, cloud_device: Device) -> None:
    runtime = cloud_device.runtime
    aws.s3.put("test-bucket", "greeting", b"hello")
    variables = "".join(f"{name}={value} " for name, value in aws.environment().items())
    cloud_device.artifact("com.example.Reader", "reader.py", READER)
    run = f"{variables} exec {sys.executable} {{artifacts:path}}/reader.py"
    lifecycle = json.dumps({"startup": run})
    for name, needs in (("com.example.Reader", {SERVICE: "^2.0.0"}), ("com.example.Other", {})):
        cloud_device.recipe(name, lifecycle if needs else "{startup: env}", depends=needs, artifacts=())
    cloud_device.succeed({"com.example.Reader": "1.0.0", "com.example.Other": "1.0.0"})

    (key,) = aws.credentials.issued
    wait_until(lambda: f"hello by {key}" in runtime.log("com.example.Reader"))
    assert aws.credentials.requests[0].headers["x-amzn-iot-thingname"] == "Thing1"
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in runtime.log("com.example.Other")
    port = runtime.call("aws_iot_tes", "serve_port")
    wait_until(lambda: active_port(runtime), lambda found: found == port)


def test_only_components_get_credentials(aws: Cloud, component: Component) -> None:
    assert component.key() == aws.credentials.issued[0]
    for wrong in (None, "", "A" * 16, component.token.lower(), component.token + "A", "Bearer " + component.token):
        assert http_get(component.port, wrong)[0] == 403
    assert component.get(path=PATH[:-1])[0] == 400
    assert component.get(method="POST")[0] == 405


def test_the_port_is_on_the_loopback_interface_only(component: Component) -> None:
    def listening(table: str) -> set[str]:
        with open(f"/proc/net/{table}") as lines:
            sockets = [line.split()[1:4] for line in lines][1:]
        found = (local.split(":") for local, _, state in sockets if state == "0A")
        return {address for address, port in found if int(port, 16) == component.port}

    # The table changes as it is read, and may lack a line for that.
    assert wait_until(lambda: listening("tcp")) == {"0100007F"}
    assert listening("tcp6") <= {"00000000000000000000000001000000"}


def test_the_port_may_be_chosen_and_the_old_one_stays(component: Component) -> None:
    runtime = component.runtime
    with bound() as held:  # which lets nobody else have it in between
        chosen = held.getsockname()[1]
        with bound(port=chosen) as taken:
            taken.listen()
            configure(runtime, *OWN, value={"port": chosen})
            wait_until(lambda: "cannot be used" in runtime.log("ggl.core.tesd"))
            assert runtime.call("aws_iot_tes", "serve_port") == component.port
        configure(runtime, *OWN, value={"port": str(chosen), "credentialRetryInSec": {"clientError": 30}})
        wait_until(lambda: active_port(runtime), lambda port: port == chosen)
        assert runtime.call("aws_iot_tes", "serve_port") == chosen
        assert http_get(chosen, component.token)[0] == component.get()[0] == 200


def test_a_device_that_is_not_provisioned_says_so() -> None:
    with running() as runtime:
        status, text = Component(runtime).get()
        assert status == 500
        assert "not provisioned" in text
        assert "iotRoleAlias" in text
        with pytest.raises(BusError, match="CONFIG: the device is not provisioned"):
            runtime.call("aws_iot_tes", "request_credentials")


# -- keeping ---------------------------------------------------------------------------------------------------------


def test_everybody_shares_one_answer(aws: Cloud, component: Component) -> None:
    runtime = component.runtime
    raw = runtime.call("aws_iot_tes", "request_credentials")
    formatted = runtime.call("aws_iot_tes", "request_credentials_formatted")

    assert json.loads(component.get()[1]) == formatted
    assert list(formatted.values()) == list(raw.values())
    assert set(raw) == {"accessKeyId", "secretAccessKey", "sessionToken", "expiration"}
    assert aws.credentials.count == 1


def test_new_credentials_come_before_the_old_ones_end(aws: Cloud, component: Component) -> None:
    aws.credentials.next_lifetimes = [310]  # of which they are used for ten seconds
    first = component.key()
    second = wait_until(component.key, lambda key: key != first)
    assert aws.credentials.issued == [first, second]
    assert component.key() == second
    assert aws.credentials.count == 2


def test_errors_of_aws_are_handed_on_and_kept(aws: Cloud, component: Component) -> None:
    runtime = component.runtime

    def change_role_alias(alias: str) -> None:
        """What was answered for another one counts no more."""
        configure(runtime, *NUCLEUS, "iotRoleAlias", value=alias)

    before = runtime.call("gg_config", "read", {"key_path": [*NUCLEUS, "iotRoleAlias"]})
    aws.credentials.role_aliases |= {"One", "Two"}
    component.key()
    for alias, status in (("One", 403), ("Two", 503), ("None", 404)):
        if status != 404:
            aws.credentials.fail(status, message="not today")
        count = aws.credentials.count
        change_role_alias(alias)
        seen = wait_until(component.get, lambda answer, status=status: answer[0] == status)
        assert str(status) in seen[1]
        assert component.get() == seen
        with pytest.raises(BusError, match=f"REMOTE: AWS IoT answered {status}"):
            runtime.call("aws_iot_tes", "request_credentials")
        assert aws.credentials.count == count + 1
    change_role_alias(before)
    wait_until(component.get, lambda answer: answer[0] == 200)


@pytest.fixture
def aws_without_iot_core(aws: Cloud) -> Cloud:
    """Before there is a runtime: a connection that it makes would be told to tesd some time or other."""
    aws.network.cut("mqtt")
    return aws


def test_when_aws_cannot_be_reached_that_is_known_and_passes(aws_without_iot_core: Cloud, component: Component) -> None:
    aws, runtime = aws_without_iot_core, component.runtime
    aws.network.cut("credentials")
    status, text = component.get()
    assert status == 500
    assert "no credentials could be fetched: cannot reach localhost" in text
    with pytest.raises(BusError, match="NOCONN"):
        runtime.call("aws_iot_tes", "request_credentials")
    aws.network.restore("credentials")
    assert component.get() == (status, text)
    # The connection to AWS IoT Core is there again: so may be the rest.
    runtime.call("aws_iot_tes", "mqtt_connected", {"session_present": True, "first": False})
    assert component.key() == aws.credentials.issued[0]


def test_a_broken_answer_is_not_kept(aws: Cloud, component: Component) -> None:
    aws.faults.http("/role-aliases/", status=200, body="{}", times=1)
    status, text = component.get()
    assert status == 500
    assert "no credentials that can be used" in text
    component.key()
    assert aws.credentials.count == 2


# -- leaving ---------------------------------------------------------------------------------------------------------


def test_between_requests_nobody_is_there(aws: Cloud, component: Component) -> None:
    key = component.key()
    wait_until_they_have_left(component)
    assert component.key() == key
    assert component.runtime.call("aws_iot_tes", "serve_port") == component.port
    assert aws.credentials.count == 1


def test_what_is_kept_is_given_without_a_look_at_the_configuration(component: Component) -> None:
    """That would start, for a minute, the daemon that keeps it."""
    runtime = component.runtime

    def undisturbed() -> bool:
        component.key()
        wait_until_they_have_left(component)
        runtime.call("gg_host", "stop", {"names": ["ggl.core.configd"]})
        component.key()
        return runtime.pid_of("configd") == 0

    wait_until(undisturbed, seconds=3 * PATIENCE)  # others may want to know something just then


def test_a_failure_is_kept_over_leaving(aws: Cloud, component: Component) -> None:
    aws.credentials.fail(403, message="not today")
    seen = component.get()
    assert seen[0] == 403
    wait_until_they_have_left(component)
    assert component.get() == seen
    assert aws.credentials.count == 1


def test_a_new_start_of_the_runtime_has_the_same_port_if_it_is_free(aws: Cloud, component: Component) -> None:
    runtime, key = component.runtime, component.key()
    runtime.down()
    with pytest.raises(ConnectionRefusedError):
        component.get()
    runtime.up()
    again = Component(runtime)
    assert (again.port, again.key()) == (component.port, key)
    runtime.down()
    with bound(port=component.port) as taken:
        taken.listen()
        runtime.up()
        elsewhere = Component(runtime)
        assert elsewhere.port != component.port
        assert elsewhere.key() == key
        assert active_port(runtime) == elsewhere.port
    assert aws.credentials.count == 1


# -- being killed, and other hostilities -----------------------------------------------------------------------------


def test_killed_in_use_nobody_notices(aws: Cloud, component: Component) -> None:
    runtime = component.runtime
    key = component.key()
    for _ in range(2):
        kill_tesd(runtime)
        assert component.key() == key
    assert runtime.call("aws_iot_tes", "serve_port") == component.port
    assert aws.credentials.count == 1
    assert (runtime.root.run / "credentials").stat().st_mode & 0o777 == 0o600


def test_killed_while_aws_is_asked_the_next_one_asks_again(aws: Cloud, component: Component) -> None:
    aws.network.cut("credentials", silently=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(component.get)
        wait_until(lambda: aws.network.accepted("credentials"))
        kill_tesd(component.runtime)
        aws.network.restore()
        assert waiting.result()[0] == 200


def test_the_server_of_the_port_may_be_killed(aws: Cloud, component: Component) -> None:
    runtime = component.runtime
    key = component.key()
    wait_until(lambda: runtime.pid_of(component.server), lambda pid: pid == 0)  # so that it is not about to leave
    with socket.create_connection(("127.0.0.1", component.port), 60) as sock:
        sock.sendall(f"GET {PATH} HTTP/1.1\r\n".encode())
        runtime.kill(wait_until(lambda: runtime.pid_of(component.server)))
        try:
            assert sock.recv(1) == b""
        except ConnectionResetError:
            pass
    assert component.key() == key
    assert runtime.call("aws_iot_tes", "serve_port") == component.port
    assert aws.credentials.count == 1


def test_another_identity_is_noticed_by_one_that_was_killed_in_the_meantime(aws: Cloud, component: Component) -> None:
    runtime = component.runtime
    component.key()
    aws.credentials.role_aliases.add("Other")
    with runtime.client("aws_iot_tes") as client:
        client.call("bus.ping")
        pid = runtime.pid_of("tesd")
        os.kill(pid, signal.SIGSTOP)  # it hears nothing of the change
        configure(runtime, *NUCLEUS, "iotRoleAlias", value="Other")
        runtime.kill(pid)
    assert component.key() == aws.credentials.issued[1]
    assert runtime.call("aws_iot_tes", "serve_port") == component.port


def test_many_silent_connections_keep_nobody_from_credentials(component: Component) -> None:
    with ExitStack() as stack:
        for _ in range(2 * MAX_CONNECTIONS):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", component.port), 60))
            sock.sendall(b"GET /")
        component.key()


# -- a trial before a switch -----------------------------------------------------------------------------------------


def test_another_endpoint_can_be_tried(aws: Cloud, component: Component) -> None:
    runtime = component.runtime
    endpoint = runtime.call("gg_config", "read", {"key_path": [*NUCLEUS, "iotCredEndpoint"]})
    aws.credentials.role_aliases.add("Other")

    def attempt(endpoint: str, role_alias: str = "") -> str:
        try:
            runtime.call("aws_iot_tes", "try_endpoint", {"endpoint": endpoint, "role_alias": role_alias})
        except BusError as error:
            return str(error)
        return ""

    assert attempt(endpoint) == attempt(endpoint, "Other") == ""
    assert attempt(endpoint, "None").startswith("REMOTE: CREDENTIAL_ENDPOINT_AUTH_FAILURE: AWS IoT answered 404")
    aws.credentials.fail(500)
    assert attempt(endpoint).startswith("REMOTE: CREDENTIAL_ENDPOINT_SERVER_ERROR: AWS IoT answered 500")
    with bound() as closed:
        port = closed.getsockname()[1]
        assert attempt(f"localhost:{port}").startswith("REMOTE: CREDENTIAL_ENDPOINT_SERVER_ERROR: ")
    count = aws.credentials.count
    component.key()
    assert aws.credentials.count == count + 1  # nothing of all that is kept
