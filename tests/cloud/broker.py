"""Debian's mosquitto as the message broker of AWS IoT Core: TLS, certificates of devices, and the limits of AWS.

Devices reach it by TLS and are known by the name in their certificates. The stand-in's own client comes in by a UNIX
socket. Who may publish and subscribe is decided by mosquitto's plug-in for dynamic security, over topics of the broker.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.cloud.certificates import Authority, Files
from tests.cloud.processes import bound, spawn

MAX_PACKET = 149_504
"""Bytes of an MQTT packet: 128 KiB of payload, and room for the rest."""
_PLUGIN = "mosquitto_dynamic_security.so"
_EVERYTHING = ("#", "$aws/#", "$CONTROL/#")
_DEFAULT_ACCESS = {"publishClientSend": True, "publishClientReceive": True, "subscribe": True, "unsubscribe": True}
START_SECONDS = 120.0


class Broker:
    """One mosquitto at a time; ``port`` is its TLS port on the loopback device, another one after each start."""

    def __init__(self, folder: Path, authority: Authority, server: Files) -> None:
        self._folder = folder
        self._authority = authority
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._holder: socket.socket | None = None
        self.port = 0
        self.socket = folder / "broker.socket"
        """The stand-in's own way in; its path is short enough only where the folder's is."""
        self.log = folder / "broker.log"
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self, things: list[str], denied: list[dict[str, object]]) -> None:
        """Start it and wait until it can be reached. ``denied``: access rules that are in force for all ``things``."""
        self._release_port()
        self._holder = bound()
        self.port = self._holder.getsockname()[1]
        self.socket.unlink(missing_ok=True)
        self._write_access(things, denied)
        (self._folder / "mosquitto.conf").write_text(self._configuration())
        self._process = spawn([_mosquitto(), "-c", str(self._folder / "mosquitto.conf")], self.log)
        deadline = time.monotonic() + START_SECONDS
        while not self._reachable():
            if not self.running or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"mosquitto did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once; what it keeps of sessions and retained messages is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._release_port()

    def _release_port(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _reachable(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self.socket))
            with socket.create_connection(("127.0.0.1", self.port), 10.0):
                return True
        except OSError:
            return False

    def _configuration(self) -> str:
        lines = [
            *(["user root"] if os.geteuid() == 0 else []),
            "allow_anonymous true",
            "persistence false",
            f"plugin {_plugin()}",
            f"plugin_opt_config_file {self._folder / 'access.json'}",
            "max_inflight_messages 100",
            "max_queued_messages 100000",  # with 0, no limit, mosquitto 2.0.11 ends connections whose publish it denied
            f"max_packet_size {MAX_PACKET}",
            "max_keepalive 1200",
            "log_type all",
            f"listener 0 {self.socket}",
            f"listener {self.port} 127.0.0.1",
            "max_qos 1",
            "max_topic_alias 8",
            f"cafile {self._authority.certificate}",
            f"certfile {self._server.certificate}",
            f"keyfile {self._server.key}",
            "tls_version tlsv1.2",
            "require_certificate true",
            "use_identity_as_username true",
        ]
        return "\n".join(lines) + "\n"

    def _write_access(self, things: list[str], denied: list[dict[str, object]]) -> None:
        everything = [
            {"acltype": kind, "topic": topic, "allow": True}
            for topic in _EVERYTHING
            for kind in ("publishClientSend", "publishClientReceive", "subscribePattern")
        ]
        access = {
            "defaultACLAccess": _DEFAULT_ACCESS,
            "clients": [client(thing) for thing in things],
            "groups": [{"groupname": "stand-in", "roles": [{"rolename": "all"}], "clients": []}],
            "roles": [{"rolename": "all", "acls": everything}, {"rolename": "device", "acls": denied}],
            "anonymousGroup": "stand-in",
        }
        path = self._folder / "access.json"
        path.write_text(json.dumps(access))
        path.chmod(0o600)


def client(thing: str) -> dict[str, object]:
    """A device, as the plug-in wants it described."""
    return {"username": thing, "roles": [{"rolename": "device"}]}


def require_mosquitto() -> None:
    """Skip the test where there is no mosquitto; fail it where there has to be one."""
    try:
        _mosquitto()
        _plugin()
    except FileNotFoundError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


def _mosquitto() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError("the stand-in for AWS needs mosquitto; install it: apt-get install mosquitto")
    return found


def _plugin() -> Path:
    for pattern in ("lib/*", "lib", "lib64", "local/lib"):
        for path in Path("/usr").glob(f"{pattern}/{_PLUGIN}"):
            return path
    raise FileNotFoundError(f"mosquitto is there, but not its plug-in {_PLUGIN}; install mosquitto 2 from Debian")
