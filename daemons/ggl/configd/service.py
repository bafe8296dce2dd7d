"""The bus interface ``gg_config``: decode, check, delegate. The package's text describes the methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import Method, Request
from ggl.configd import ipc
from ggl.configd.alias import place, value_at
from ggl.configd.boot import boot
from ggl.configd.errors import (
    ConfigError,
    Conflict,
    LimitExceeded,
    NoEntry,
    StorageBroken,
    StorageError,
    StorageFull,
)
from ggl.configd.limits import check_key, check_path, check_record
from ggl.configd.policies import stamping
from ggl.configd.store import Delete, DropRecord, Operation, PutRecord, Restore, Store, Write, now, open_store
from ggl.configd.wake import wake_daemons
from ggl.log import fatal, get_logger
from ggl.values import InvalidValue, describe, get_bool, get_int, get_list, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_config"
MAX_OPERATIONS = 10_000
"""Operations of one transaction."""

_CODES: dict[type[ConfigError], ErrorCode] = {
    NoEntry: ErrorCode.NOENTRY,
    Conflict: ErrorCode.FAILURE,
    LimitExceeded: ErrorCode.RANGE,
    StorageError: ErrorCode.FAILURE,
    StorageFull: ErrorCode.NOMEM,
    StorageBroken: ErrorCode.FATAL,
}
log = get_logger("configd")


def setup(context: Context) -> None:
    """Open the store of this root, load the boot files, serve."""
    try:
        store = open_store(context.root.config_db, stamping(context.root))
        context.at_exit(store.close)
        wake_daemons(context.loop, context.root, store.watchers)
        boot(store, context.root)
    except ConfigError as error:
        fatal(f"configd: {error}")
    else:
        context.serve(INTERFACE, {**methods(store), **ipc.methods(store)})


def methods(store: Store) -> dict[str, Method]:
    """The methods of the interface, on ``store``."""
    served = {
        "read": lambda request, params: store.tree.read(_key_path(params)),
        "read_with_timestamps": lambda request, params: store.tree.stamped(_key_path(params)),
        "list": lambda request, params: store.tree.names(_key_path(params)),
        "write": lambda request, params: store.apply((_write(params),)),
        "delete": lambda request, params: store.apply((Delete(_key_path(params)),)),
        "transaction": lambda request, params: store.apply(_operations(params)),
        "preview": lambda request, params: _preview(store, params),
        "backup": lambda request, params: _backup(store, params),
        "subscribe": lambda request, params: _subscribe(store, request, params),
        "put": lambda request, params: store.apply((_put(params),)),
        "get": lambda request, params: _get(store, params),
        "scan": lambda request, params: _scan(store, params),
        "drop": lambda request, params: store.apply((DropRecord(*_record(params)),)),
    }
    return {name: Method(_with_bus_errors(handler)) for name, handler in served.items()}


def _with_bus_errors(handler: Callable[[Request, dict[str, Any]], Any]) -> Callable[[Request, dict[str, Any]], Any]:
    def serve(request: Request, params: dict[str, Any]) -> Any:
        try:
            return handler(request, params)
        except ConfigError as error:
            if isinstance(error, StorageError):
                log.error("%s: %s", request.method, error)
            raise BusError(_CODES[type(error)], str(error)) from None

    return serve


def _key_path(params: dict[str, Any]) -> list[str]:
    path = params.get("key_path")
    if type(path) is not list:
        raise InvalidValue(f"'key_path' must be a list of keys, not {describe(path)}")
    for key in path:
        if type(key) is not str:
            raise InvalidValue(f"'key_path' must be a list of strings, but holds {describe(key)}")
    return place(path)


def _write(params: dict[str, Any]) -> Write:
    path = _key_path(params)
    value = value_at(path, _value(params))
    timestamp = params.get("timestamp")
    return Write(path, value, now() if timestamp is None else get_int(params, "timestamp"))


def _preview(store: Store, params: dict[str, Any]) -> list[dict[str, Any]]:
    result = []
    for path, before, after in store.preview(_operations(params)):
        change: dict[str, Any] = {"key_path": list(path)}
        if before.timestamp is not None:
            change["from"] = before.value
        if after.timestamp is not None:
            change["to"] = after.value
        result.append(change)
    return result


def _backup(store: Store, params: dict[str, Any]) -> None:
    path = Path(get_str(params, "path"))
    if not path.is_absolute():
        raise InvalidValue(f"'path' must be an absolute path, not '{path}'")
    store.database.backup(path, get_bool(params, "overwrite", False))


def _value(params: dict[str, Any]) -> Any:
    if "value" not in params:
        raise InvalidValue("'value' is missing")
    return params["value"]


def _operations(params: dict[str, Any]) -> list[Operation]:
    operations = get_list(params, "operations")
    if len(operations) > MAX_OPERATIONS:
        raise LimitExceeded(f"a transaction of {len(operations)} operations is over the limit of {MAX_OPERATIONS}")
    return [_operation(operation) for operation in operations]


def _operation(operation: Any) -> Operation:
    if type(operation) is not dict:
        raise InvalidValue(f"an operation must be a map, not {describe(operation)}")
    kind = get_str(operation, "op")
    if kind == "write":
        return _write(operation)
    if kind == "delete":
        return Delete(_key_path(operation))
    if kind == "restore":
        path = _key_path(operation)
        return Restore(path, value_at(path, _value(operation)))
    if kind == "put":
        return _put(operation)
    if kind == "drop":
        return DropRecord(*_record(operation))
    raise InvalidValue(f"'op' must be write, delete, restore, put or drop, not '{kind}'")


def _subscribe(store: Store, request: Request, params: dict[str, Any]) -> None:
    path = _key_path(params)
    check_path(path)
    if not get_bool(params, "missing_ok", False):
        store.tree.read(path)
    stream = request.stream(lambda: cancel())
    cancel = store.watchers.add(path, lambda event: stream.send(list(event.path)))


def _record(params: dict[str, Any]) -> tuple[str, str]:
    table, key = get_str(params, "table"), get_str(params, "key")
    check_key(table)
    check_key(key)
    return table, key


def _put(params: dict[str, Any]) -> PutRecord:
    table, key = _record(params)
    value = _value(params)
    check_record(table, key, value)
    return PutRecord(table, key, value)


def _get(store: Store, params: dict[str, Any]) -> Any:
    table, key = _record(params)
    try:
        return store.database.get_record(table, key)
    except KeyError:
        raise BusError(ErrorCode.NOENTRY, f"there is no record '{key}' in '{table}'") from None


def _scan(store: Store, params: dict[str, Any]) -> list[list[Any]]:
    limit = get_int(params, "limit", -1)
    return store.database.scan_records(get_str(params, "table"), get_bool(params, "reverse", False), max(limit, -1))
