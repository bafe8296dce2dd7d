"""The configuration operations of Greengrass IPC.

A component reads and watches the configuration of any component, and merges into its own. Where the nuclei that exist
differ, this is what we do, and why:

* Keys are found in any letter case, and what guards a key ignores case too.
* ``aws.greengrass.Nucleus`` means the nucleus of this runtime, whatever it is called in the tree.
* Keys that begin with ``_`` are private: they are missing from maps that are read, and can be read by name.
* A value that is no map is returned as a map of one member named like the key, in its stored spelling.
* An update merges with the request's time, also where the key path does not exist yet, so that repeating an update is
  the same as sending it once. (The Java nucleus takes the time of the day there.)
* A timestamp of 0 means now: the C client sends it for "no timestamp" and documents that as the current time.
* An update older than what is below its key path fails with FailedUpdateConditionCheckError, after what is newer than
  the leaf it replaces has been merged; so does the Java nucleus, and so the public documentation says.
* ``valueToMerge`` may be any value when there is a key path (the models say a map); leaf and map replace each other.
* The root of the configuration is made when a component has none; a component that is not in the tree at all is
  refused, so that a late update cannot bring back what a deployment has just removed.
* An event names the changed leaf, or what was deleted, relative to ``configuration``. When the configuration, or the
  whole component, is deleted, it names the key path of the subscription.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ggl.bus.request import Method
from ggl.configd.alias import place
from ggl.configd.change import Event
from ggl.configd.errors import ConfigError, LimitExceeded, NoEntry, StorageError
from ggl.configd.limits import check_path
from ggl.configd.store import Store, Write, now
from ggl.configd.tree import stored_key
from ggl.configdb import MAX_TIMESTAMP
from ggl.ipc.errors import IpcError, invalid_arguments, not_found, service_error
from ggl.ipc.handler import ipc_method
from ggl.log import get_logger
from ggl.values import InvalidValue, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.bus.request import Request

PROTECTED = "accessControl"
"""What a component may do is not its own to say."""

_DEPTH = 3
"""Keys above a component's own: ``services``, its name, ``configuration``."""
log = get_logger("configd")


def methods(store: Store) -> dict[str, Method]:
    """The IPC operations as methods of the bus interface."""
    return {
        "aws.greengrass#GetConfiguration": ipc_method(
            lambda component, request, _: get_configuration(store, component, request)
        ),
        "aws.greengrass#UpdateConfiguration": ipc_method(
            lambda component, request, _: update_configuration(store, component, request)
        ),
        "aws.greengrass#SubscribeToConfigurationUpdate": ipc_method(
            lambda component, request, bus_request: subscribe(store, component, request, bus_request)
        ),
    }


def get_configuration(store: Store, caller: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The value at ``keyPath`` of ``componentName``, always as a map."""
    component, path, full = _target(caller, request)
    try:
        value = store.tree.read(full)
        if type(value) is dict:
            return {"componentName": component, "value": _visible(value)}
        if not path:
            raise invalid_arguments("Key is not valid.")
        return {"componentName": component, "value": {store.tree.find(full)[0][-1]: value}}
    except NoEntry:
        raise not_found("Key not found") from None


def update_configuration(store: Store, caller: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Merge ``valueToMerge`` at ``keyPath`` of the caller's own configuration."""
    timestamp = _timestamp(request)
    value = request.get("valueToMerge")
    if value is None:
        raise invalid_arguments("ValueToMerge is required")
    try:
        path = get_str_list(request, "keyPath", [])
    except InvalidValue as error:
        raise invalid_arguments(str(error)) from None
    if not path and type(value) is not dict:
        raise invalid_arguments("ValueToMerge must be an object when there is no key path")
    _refuse_protected(path[:1] or value)
    try:
        store.tree.read(("services", caller))
    except NoEntry:
        raise invalid_arguments(f"Component config not found for component {caller}") from None
    full = _configuration_of(caller, path)
    try:
        store.apply([Write(full, value, timestamp)])
        newest = store.tree.newest(full)
    except InvalidValue as error:
        raise invalid_arguments(str(error)) from None
    except (LimitExceeded, StorageError) as error:
        log.error("UpdateConfiguration of %s: %s", caller, error)
        raise service_error(str(error)) from None
    except ConfigError as error:
        raise service_error(str(error)) from None
    if timestamp < newest:
        raise IpcError(
            "FailedUpdateConditionCheckError",
            "Proposed timestamp is older than the config's latest modified timestamp",
        )
    return {}


def subscribe(store: Store, caller: str, request: Mapping[str, Any], bus_request: Request) -> dict[str, Any]:
    """Open a stream of ``configurationUpdateEvent``."""
    component, path, full = _target(caller, request)
    try:
        store.tree.read(full)
    except NoEntry:
        raise not_found("Key not found") from None

    def tell(event: Event) -> None:
        changed = list(event.path[_DEPTH:]) if len(event.path) > _DEPTH else path
        stream.send({"configurationUpdateEvent": {"componentName": component, "keyPath": changed}})

    stream = bus_request.stream(lambda: cancel())
    cancel = store.watchers.add(full, tell)
    return {}


def _target(caller: str, request: Mapping[str, Any]) -> tuple[str, list[str], list[str]]:
    """The component as requested, the key path in its configuration, and the full path of that."""
    component = get_str(request, "componentName", None) or caller
    path = get_str_list(request, "keyPath", [])
    full = _configuration_of(component, path)
    try:
        check_path(full)
    except LimitExceeded as error:
        raise service_error(str(error)) from None
    return component, path, full


def _configuration_of(component: str, path: list[str]) -> list[str]:
    return place(["services", component, "configuration", *path])


def _visible(value: dict[str, Any]) -> dict[str, Any]:
    """``value`` without private keys; the same object when there are none, so that nothing is copied for most."""
    result = value
    for key, child in value.items():
        if key.startswith("_"):
            if result is value:
                result = dict(value)
            del result[key]
        elif type(child) is dict:
            visible = _visible(child)
            if visible is not child:
                if result is value:
                    result = dict(value)
                result[key] = visible
    return result


def _refuse_protected(keys: Sequence[str] | Mapping[str, Any]) -> None:
    """``keys`` are those of the first level below ``configuration`` that an update touches."""
    if stored_key(dict.fromkeys(key for key in keys if type(key) is str), PROTECTED) is not None:
        raise invalid_arguments(f"Config update is not allowed for following fields [{PROTECTED}]")


def _timestamp(request: Mapping[str, Any]) -> int:
    """The request's time in ms; the model has seconds with a fraction."""
    seconds = request.get("timestamp")
    if seconds is None:
        raise invalid_arguments("Timestamp is required")
    if type(seconds) not in (int, float):
        raise invalid_arguments("Timestamp must be a number of seconds")
    if not 0 <= seconds <= MAX_TIMESTAMP // 1000:
        raise invalid_arguments("Timestamp is out of range")
    # To the microsecond first: 1700000000.123 s must not become 1700000000122 ms because of a binary fraction.
    return int(round(seconds * 1000, 3)) or now()
