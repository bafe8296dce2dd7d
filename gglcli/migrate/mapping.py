"""What of another nucleus' configuration this runtime takes over, under which key, and what it leaves out and why.

Taken over are the identity of the device, the nucleus' own configuration and that of every component, with the times of
the values. Which components are deployed is not written into the tree: their recipes and files are not here yet, and a
component counts as deployed once its version stands there. They are listed instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ggl.recipe.model import BUILT_IN
from ggl.version import NUCLEUS, NUCLEUS_ALIAS
from gglcli.keys import format_key
from gglcli.trees import Stamped, find, is_leaf, plain

_SYSTEM_KEYS = {key.casefold(): key for key in ("thingName", "certificateFilePath", "privateKeyPath", "rootCaPath")}
_SYSTEM_LEFT_OUT = {"rootpath": "this runtime has its own", "ipcsocketpath": "this runtime has its own socket"}
_BOOKKEEPING = {"main", "deploymentservice", "telemetryagent", "updatesystempolicyservice"}
_FLEET_STATUS, _SEQUENCE = "FleetStatusService", "sequenceNumber"
_PROVISIONING = "aws.greengrass.fleet_provisioning"
_INSIDE_NUCLEUS = {"PLUGIN": "it is a plugin of the Java nucleus", "LAMBDA": "Lambda functions cannot run here"}
_FROM_RECIPE = {"version", "previousversion", "componenttype", "dependencies", "lifecycle", "arn", "configarn", "class"}
"""What the next deployment writes anew."""
_SERVICE_LEFT_OUT = {
    "runwith": "name it again in the deployment",
    "runtime": "private data of the old nucleus",
    "setenv": "not known here: set it in the recipe",
}
_NUCLEUS_LEFT_OUT = (
    (("jvmOptions",), "there is no Java virtual machine"),
    (("runWithDefault", "windowsUser"), "Linux only"),
)


@dataclass(frozen=True)
class Component:
    """A component of the old nucleus, to be deployed here."""

    name: str
    version: str
    root: bool
    """It was deployed by name, not only for what depends on it."""
    groups: tuple[str, ...]
    """Through which groups, as far as that is known."""


@dataclass
class Plan:
    """What becomes of a configuration. ``tree`` is stamped and is to be merged at the root."""

    tree: Stamped = field(default_factory=dict)
    components: list[Component] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Key and reason."""

    def keep(self, path: tuple[str, ...], node: Stamped) -> None:
        place = self.tree
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = node

    def leave_out(self, path: tuple[str, ...], reason: str) -> None:
        self.left_out.append((format_key(path), reason))


def make_plan(tree: Stamped, *, users: bool) -> Plan:
    """``users``: this runtime can run components as other users."""
    plan = Plan()
    for key, node in _children(tree):
        if key.casefold() == "system":
            _system(plan, node)
        elif key.casefold() == "services":
            _services(plan, node, users)
        else:
            plan.leave_out((key,), "nothing of this runtime reads it")
    return plan


def _system(plan: Plan, system: Stamped) -> None:
    for key, node in _children(system):
        reason = _SYSTEM_LEFT_OUT.get(key.casefold())
        if reason:
            plan.leave_out(("system", key), reason)
        else:
            plan.keep(("system", _SYSTEM_KEYS.get(key.casefold(), key)), node)


def _services(plan: Plan, services: Stamped, users: bool) -> None:
    groups = _roots(services)
    for name, service in _children(services):
        path = ("services", name)
        kind = _text(service, "componentType").upper()
        if name.casefold() in _BOOKKEEPING:
            plan.leave_out(path, "bookkeeping of the old nucleus")
        elif name.casefold() == _FLEET_STATUS.casefold():
            number = _at(service, _SEQUENCE)
            if number is not None:
                plan.keep(("services", _FLEET_STATUS, _SEQUENCE), number)
        elif kind == "NUCLEUS" or name in (NUCLEUS, NUCLEUS_ALIAS):
            _nucleus(plan, path, _at(service, "configuration") or {}, users)
        elif name in BUILT_IN:
            plan.leave_out(path, "it is part of this runtime")
        elif name == _PROVISIONING:
            plan.leave_out(path, "the device has its certificate already")
        elif kind in _INSIDE_NUCLEUS:
            plan.leave_out(path, _INSIDE_NUCLEUS[kind])
        else:
            _component(plan, name, service, groups.get(name))


def _component(plan: Plan, name: str, service: Stamped, groups: set[str] | None) -> None:
    path = ("services", name)
    for key, node in _children(service):
        if key.casefold() == "configuration" and not is_leaf(node):
            plan.keep((*path, "configuration"), node)
        elif key.casefold() not in _FROM_RECIPE and node:
            reason = _SERVICE_LEFT_OUT.get(key.casefold(), "nothing of this runtime reads it")
            plan.leave_out((*path, key), reason)
    version = _text(service, "version")
    if version:
        plan.components.append(Component(name, version, groups is not None, tuple(sorted(groups or ()))))


def _nucleus(plan: Plan, path: tuple[str, ...], configuration: Stamped, users: bool) -> None:
    configuration = _copy(configuration)
    left_out = list(_NUCLEUS_LEFT_OUT)
    if not users:
        left_out.append((("runWithDefault", "posixUser"), "this runtime runs components as its own user"))
    for keys, reason in left_out:
        if _take(configuration, keys) is not None:
            plan.leave_out((*path, "configuration", *keys), reason)
    _fold_credentials(configuration)
    plan.keep(("services", NUCLEUS, "configuration"), configuration)


def _fold_credentials(configuration: Stamped) -> None:
    """User name and password of a proxy become part of its URL, as this runtime reads them."""
    proxy = _at(configuration, "networkProxy", "proxy")
    if proxy is None or is_leaf(proxy):
        return
    url, user, password = (_at(proxy, key) for key in ("url", "username", "password"))
    if url is None or user is None or not is_leaf(url) or not is_leaf(user) or not user["v"]:
        return
    scheme, separator, rest = str(url["v"]).partition("://")
    if separator and "@" not in rest.partition("/")[0]:
        secret = f":{quote(str(password['v']), safe='')}" if password and is_leaf(password) and password["v"] else ""
        url["v"] = f"{scheme}://{quote(str(user['v']), safe='')}{secret}@{rest}"
        url["t"] = max(node["t"] for node in (url, user, password) if node and is_leaf(node))
    for key in ("username", "password"):
        _take(proxy, (key,))


def _roots(services: Stamped) -> dict[str, set[str]]:
    """The components that were deployed by name, with their groups; every nucleus has its own way to say it."""
    found: dict[str, set[str]] = {}
    for key in ("GroupToRootComponents", "thingGroupsToRootComponents"):
        for group, roots in _children(_at(services, "DeploymentService", key) or {}):
            for name, _ in _children(roots):
                found.setdefault(name, set()).add(group.removeprefix("thinggroup/"))
    dependencies = _at(services, "main", "dependencies")
    listed = dependencies["v"] if dependencies is not None and is_leaf(dependencies) else None
    for entry in listed if isinstance(listed, list) else ():
        found.setdefault(str(entry).partition(":")[0], set())
    return found


def _children(node: Stamped) -> list[tuple[str, Stamped]]:
    """The children of a map; none of a value, and none whose key is hidden."""
    return [] if is_leaf(node) else [(key, child) for key, child in node.items() if not key.startswith("_")]


def _at(node: Stamped, *keys: str) -> Any:
    try:
        return find(node, keys)
    except KeyError:
        return None


def _text(node: Stamped, key: str) -> str:
    found = _at(node, key)
    return str(plain(found)) if found is not None and is_leaf(found) else ""


def _take(node: Stamped, keys: tuple[str, ...]) -> Any:
    """Remove what is at ``keys`` and return it; ``None`` when it is not there."""
    parent = _at(node, *keys[:-1])
    if parent is None or is_leaf(parent):
        return None
    stored = next((key for key in parent if key.casefold() == keys[-1].casefold()), None)
    return None if stored is None else parent.pop(stored)


def _copy(node: Mapping[str, Any]) -> Stamped:
    return {key: _copy(child) if isinstance(child, dict) else child for key, child in node.items()}
