"""The whole stand-in, put together."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ggl.paths import Root
from tests.cloud.broker import Broker
from tests.cloud.certificates import Authority
from tests.cloud.certificates import Files as DeviceFiles
from tests.cloud.components import Components
from tests.cloud.credentials import Credentials
from tests.cloud.documents import REGION
from tests.cloud.faults import Faults
from tests.cloud.files import Files
from tests.cloud.fleet import Fleet
from tests.cloud.front import HTTP, MQTT, Front, Refuser
from tests.cloud.gates import Gate, Loop
from tests.cloud.jobs import Jobs
from tests.cloud.mqtt import Mqtt
from tests.cloud.network import Network
from tests.cloud.proxies import Proxies
from tests.cloud.services import S3, Services
from tests.cloud.shadows import Shadows
from tests.cloud.web import Server, server_context

NUCLEUS = "aws.greengrass.NucleusLite"
ROLE_ALIAS = "StandInRoleAlias"
HOSTS = ("localhost", "127.0.0.1")


class Cloud:
    """AWS as one device sees it. See the package for how to use it.

    ``host``: the name of all endpoints. One below ``.test`` is known to the stand-in's proxies alone.
    """

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        self.folder = folder
        self.host = host
        folder.mkdir(parents=True, exist_ok=True)
        # A UNIX socket's path is short, which those that tests are given are not.
        self._short = Path(tempfile.mkdtemp(prefix="aws-"))
        self.authority = Authority(folder / "certificates")
        self.ca: Path = self.authority.certificate
        self._server_files = self.authority.server((*HOSTS, host))
        self._devices: dict[str, DeviceFiles] = {}
        self._loop = Loop()
        broker = Broker(self._short, self.authority, self._server_files)
        self.mqtt = Mqtt(broker)
        self.network = Network(self.mqtt.stop, self.mqtt.start)
        self.faults = Faults()

        certificate, key = str(self._server_files.certificate), str(self._server_files.key)
        for_devices = server_context(certificate, key, str(self.ca), ("x-amzn-http-ca", "http/1.1"))
        public = server_context(certificate, key)
        self._device_server = Server("devices", for_devices, self.faults)
        self._file_server = Server("files", public, self.faults)
        self._service_server = Server("services", public, self.faults)
        self._servers = (self._device_server, self._file_server, self._service_server)

        self.refuser = Refuser(self._loop, server_context(certificate, key, str(self.ca)))
        self._refusing = False
        self.proxies = Proxies(self._loop, public)

        self._gate("mqtt", self._broker_port)
        self._gate("credentials", lambda: self._device_server.port)
        self._gate("data-plane", lambda: self._device_server.port)
        self._gate("files", lambda: self._file_server.port)
        self._gate("services", lambda: self._service_server.port)

        self.credentials = Credentials(self._device_server, self.faults, ROLE_ALIAS)
        files = Files(self._file_server)
        files.address = f"https://{host}:{self.network.gates['files'].port}"
        self.files = files
        self.components = Components(self._device_server, files, lambda *what: self.s3.put(*what).uri)
        self.services = Services(self._service_server)
        self.s3 = S3(self.services, self.components)
        self.jobs = Jobs(self.mqtt, self.components.join)
        self.shadow = Shadows(self.mqtt)
        self.fleet = Fleet(self.mqtt)

    def refuse_connections(self, code: int = 0x87) -> None:
        """From now on, CONNECT is answered with this reason code; ``accept_connections`` ends it."""
        self.refuser.code = code
        self._refusing = True
        self.network.drop_connections("mqtt")

    def accept_connections(self) -> None:
        self._refusing = False

    def on_443(self) -> dict[str, Any]:
        """Serve MQTT and the data plane on port 443, told apart by ALPN; returns what is to be different in the
        configuration. Raises ``PermissionError`` where this port is not for everybody."""
        host = ".".join(map(str, (127, *(random.randint(1, 254) for _ in range(3)))))
        files = self.authority.server([host], file="front")
        tls = server_context(str(files.certificate), str(files.key), str(self.ca))
        ports: dict[str, Callable[[], int]] = {MQTT: self._broker_port, HTTP: lambda: self._device_server.port}
        self.front = Front(self._loop, host, tls, ports, self._devices)
        self.network.gates["alpn"] = self.front
        return {
            "iotDataEndpoint": host,
            "mqtt": {"port": 443},
            "greengrassDataPlaneEndpoint": host,
            "greengrassDataPlanePort": 443,
        }

    def _broker_port(self) -> int:
        return self.refuser.port if self._refusing else self.mqtt.port

    def _gate(self, name: str, port: Callable[[], int]) -> None:
        self.network.gates[name] = Gate(self._loop, name, lambda: ("127.0.0.1", port()))

    def start(self) -> None:
        self.device("Thing1")
        self.mqtt.start()

    def close(self) -> None:
        self.network.close()
        self.proxies.close()
        self.refuser.close()
        for server in self._servers:
            server.close()
        self.mqtt.stop()
        self._loop.close()
        shutil.rmtree(self._short, ignore_errors=True)

    # -- the device --------------------------------------------------------------------------------------------------

    def device(self, thing: str = "Thing1") -> DeviceFiles:
        """Certificate and key of a thing, which the stand-in knows from now on."""
        if thing not in self._devices:
            self._devices[thing] = self.authority.device(thing)
            self.mqtt.add_thing(thing)
        return self._devices[thing]

    def configuration(self, thing: str = "Thing1", device: DeviceFiles | None = None, **nucleus: Any) -> dict[str, Any]:
        """What is to be merged into the device's configuration. ``nucleus``: more keys of the nucleus' configuration,
        those of a map are merged (``mqtt={"version": "mqtt3"}``). ``device``: another certificate than its own."""
        files = device or self.device(thing)
        gates = self.network.gates
        configuration: dict[str, Any] = {
            "awsRegion": REGION,
            "iotDataEndpoint": self.host,
            "iotCredEndpoint": f"{self.host}:{gates['credentials'].port}",
            "iotRoleAlias": ROLE_ALIAS,
            "greengrassDataPlaneEndpoint": self.host,
            "greengrassDataPlanePort": gates["data-plane"].port,
            "mqtt": {"port": gates["mqtt"].port},
        }
        for key, value in nucleus.items():
            known = configuration.get(key)
            configuration[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        return {
            "system": {
                "thingName": thing,
                "certificateFilePath": str(files.certificate),
                "privateKeyPath": str(files.key),
                "rootCaPath": str(self.ca),
            },
            "services": {NUCLEUS: {"configuration": configuration}},
        }

    def environment(self) -> dict[str, str]:
        """What the runtime is to have in its environment, for the SDKs to find the other services here."""
        # By address, the SDKs do not put the names of buckets before it.
        host = "127.0.0.1" if self.host == "localhost" else self.host
        return {
            "AWS_ENDPOINT_URL": f"https://{host}:{self.network.gates['services'].port}",
            "AWS_CA_BUNDLE": str(self.ca),
        }

    def write_boot_file(self, root: Root, thing: str = "Thing1", **nucleus: Any) -> Path:
        """Let the runtime at ``root``, which is not up yet, be this thing."""
        path = root.config / "config.d" / "aws.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.configuration(thing, **nucleus)))
        return path


@contextmanager
def cloud(folder: Path, **options: Any) -> Iterator[Cloud]:
    """A stand-in for AWS that keeps its files in ``folder``; nothing of it is left afterwards but these."""
    aws = Cloud(folder, **options)
    try:
        aws.start()
        yield aws
    finally:
        aws.close()
