"""Values for shell completion: quick, and silent when the runtime is down or does not know.

Kept free of Typer: a shell waits for it at every press of the tab key. The first argument is the kind of value, which
is the metavar of the parameter in the command's help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ggl.bus import BusError
from gglcli.client import call, root

TIMEOUT = 1.0


def print_values(kind: str = "", prefix: str = "", *_rest: str) -> int:
    """Print the values of ``kind`` that begin with ``prefix``, one a line."""
    values = KINDS.get(kind.rstrip("."))
    try:
        found = values(prefix) if values else ()
        for value in sorted(set(found)):
            if value.startswith(prefix):
                print(value)
    except (BusError, OSError, KeyError, TypeError):
        pass
    return 0


def components(_prefix: str = "") -> Iterable[str]:
    return [health["component"] for health in call("gg_health", "list", timeout=TIMEOUT)]


def daemons(_prefix: str = "") -> Iterable[str]:
    from ggl.catalog import DAEMONS

    return [daemon.name for daemon in DAEMONS]


def interfaces(_prefix: str = "") -> Iterable[str]:
    return [entry.name for entry in root().bus_dir.iterdir() if entry.is_socket()]


def operations(_prefix: str = "") -> Iterable[str]:
    """Those of the published model by their short names, those that somebody has registered by their full ones."""
    from ggl.ipc.model import OPERATIONS

    try:
        registered = [name for name in call("gg_ipc", "routes", timeout=TIMEOUT) if name not in OPERATIONS]
    except BusError:
        registered = []
    return [*(operation.short_name for operation in OPERATIONS.values()), "RegisterOperation", *registered]


def deployments(_prefix: str = "") -> Iterable[str]:
    found = call("gg_deployment", "list", timeout=TIMEOUT)
    return [*(entry["deployment_id"] for entry in found), "last"]


def generations(_prefix: str = "") -> Iterable[str]:
    return [str(entry["number"]) for entry in call("gg_deployment", "generations", timeout=TIMEOUT)]


def groups(_prefix: str = "") -> Iterable[str]:
    from gglcli.roots import group_names

    return group_names()


def logs(_prefix: str = "") -> Iterable[str]:
    from ggl.logs.reader import display_name
    from ggl.logs.source import Unreadable, log_source

    try:
        return [display_name(name) for name in log_source(root()).names()]
    except Unreadable:
        return []


def keys(prefix: str = "") -> Iterable[str]:
    """The keys directly below what was typed so far."""
    from gglcli.keys import parse_key

    parent, slash, _ = prefix.rpartition("/")
    if not slash:
        names = call("gg_config", "list", {"key_path": ["services"]}, timeout=TIMEOUT)
        return [*(_escape(name) for name in names), "/"]
    names = call("gg_config", "list", {"key_path": parse_key(parent or "/")}, timeout=TIMEOUT)
    return [f"{parent}/{_escape(name)}" for name in names]


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


KINDS: dict[str, Callable[[str], Iterable[str]]] = {
    "COMPONENT": components,
    "OPERATION": operations,
    "DAEMON": daemons,
    "INTERFACE": interfaces,
    "DEPLOYMENT": deployments,
    "GENERATION": generations,
    "GROUP": groups,
    "NAME": logs,
    "KEY": keys,
}
