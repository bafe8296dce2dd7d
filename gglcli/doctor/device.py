"""What is known of the device before anything is checked: whether the runtime is up, and what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ggl.bus import BusError
from ggl.cloud.settings import Settings, decode
from ggl.configdb import BadDatabase, read_tree
from ggl.host.detect import Host, host_of
from ggl.paths import Root
from ggl.values import InvalidValue
from ggl.version import NUCLEUS
from gglcli import client
from gglcli.trees import find, plain

BUS_TIMEOUT = 10.0
"""Seconds for what a daemon answers from memory; it may have to be started first."""
MQTT = "aws_iot_mqtt"
TOKENS = "aws_iot_tes"


@dataclass(frozen=True)
class Device:
    """``settings``: what the device is to AWS; ``None`` when that cannot be told, for the reason ``problem``.
    ``system`` and ``nucleus``: those sections of the configuration. ``units``, ``components``, ``mqtt``: what the host,
    the health daemon and the MQTT daemon say; empty without a runtime. ``network``: checks may use it."""

    root: Root
    host: Host = "process"
    running: bool = False
    forbidden: bool = False
    network: bool = True
    units: Sequence[Mapping[str, Any]] = ()
    components: Sequence[Mapping[str, Any]] = ()
    system: Mapping[str, Any] = field(default_factory=dict)
    nucleus: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings | None = None
    problem: str = ""
    mqtt: Mapping[str, Any] = field(default_factory=dict)

    @property
    def down(self) -> str:
        """Why the runtime cannot be asked; empty when it can."""
        if self.running:
            return ""
        return "the runtime may not be used by this user" if self.forbidden else "the runtime is not running"

    @property
    def provisioned(self) -> bool:
        """There is all that a connection to AWS IoT Core needs."""
        return self.settings is not None and not self.settings.missing_for_mqtt()

    @property
    def local(self) -> bool:
        """It was never meant to have a cloud: nothing of what a connection needs is set."""
        if self.settings is None:
            return False
        identity = self.settings.identity
        named = (identity.thing_name, identity.certificate, identity.private_key, identity.root_ca)
        return not any((*named, self.settings.data_endpoint, self.settings.credential_endpoint))

    def why_no_cloud(self) -> str:
        """Why the cloud is not looked at; empty when it is."""
        if self.settings is None:
            return self.problem or "the configuration cannot be read"
        if self.local:
            return "this device is not connected to AWS"
        if missing := self.settings.missing_for_mqtt():
            return f"not set: {', '.join(missing)}"
        return ""


def examine(network: bool = True) -> Device:
    """The device that this invocation of ``ggl`` is about. Raises nothing: what cannot be found out is a finding."""
    root = client.root()
    running = client.is_running()
    forbidden = not running and client.is_forbidden()
    system, nucleus, problem = _configuration(root, running, forbidden)
    settings = None
    if not problem:
        try:
            settings = decode(system, nucleus)
        except InvalidValue as error:
            problem = str(error)
    return Device(
        root,
        host_of(root),
        running,
        forbidden,
        network,
        _ask("gg_host", "list", []) if running else [],
        _ask("gg_health", "list", []) if running else [],
        system,
        nucleus,
        settings,
        problem,
        _ask(MQTT, "status", {}) if running and settings and not settings.missing_for_mqtt() else {},
    )


def _ask(interface: str, method: str, nothing: Any) -> Any:
    try:
        return client.call(interface, method, timeout=BUS_TIMEOUT)
    except BusError:
        return nothing  # the check of the sockets tells why


def _configuration(root: Root, running: bool, forbidden: bool) -> tuple[dict[str, Any], dict[str, Any], str]:
    """``system``, the nucleus' configuration, and why they cannot be read."""
    try:
        if running:
            tree = {
                "system": _section(["system"]),
                "services": {NUCLEUS: _section(["services", NUCLEUS])},
            }
        elif forbidden:
            return {}, {}, "the runtime belongs to another user"
        else:
            tree = plain(read_tree(root.config_db))
    except FileNotFoundError:
        return {}, {}, "the runtime was never started here"
    except BusError as error:
        return {}, {}, f"the configuration daemon does not answer: {error.message}"
    except (BadDatabase, OSError) as error:
        text = error.strerror if isinstance(error, OSError) else None
        return {}, {}, f"the configuration cannot be read: {text or error}"
    return _part(tree, ["system"]), _part(tree, ["services", NUCLEUS, "configuration"]), ""


def _section(path: list[str]) -> Any:
    try:
        return client.call("gg_config", "read", {"key_path": path}, BUS_TIMEOUT)
    except BusError as error:
        if error.code.value == "NOENTRY":
            return {}
        raise


def _part(tree: Any, path: list[str]) -> dict[str, Any]:
    try:
        found = find(tree, path)
    except KeyError:
        return {}
    return found if isinstance(found, dict) else {}
