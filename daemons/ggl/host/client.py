"""Typed calls to the host, for everybody who is not the host: deployments, health, the command line.

Each function takes a blocking connection to ``gg_host`` (``ggl.bus.connect``) and raises its ``BusError``. A daemon's
loop, which must not block, uses ``ggl.bus.Remote`` and decodes what comes with ``statuses`` and ``change``.

Names are unit names: ``ggl.host.unit.main_unit`` and ``install_unit`` make them from a component's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ggl.host.status import UnitStatus
from ggl.values import InvalidValue, get_str

if TYPE_CHECKING:
    from ggl.bus import Client
    from ggl.host.unit import Unit

INTERFACE = "gg_host"

STOP_TIMEOUT = 900.0
"""Seconds to wait for units to stop. Shutdown scripts bring their own limits, which the host keeps; this one only
guards against a host that is gone."""


def load(client: Client, units: Iterable[Unit], start: Iterable[str] = ()) -> None:
    """Make ``units`` known, in place of those of the same name, and start ``start``.

    What runs goes on with its old definition, shutdown script included, until it is stopped; only limits come into
    force at once, when the revision is the same. A unit equal to the one that is loaded changes nothing.
    """
    client.call("load", {"units": [unit.to_dict() for unit in units], "start": list(start)})


def unload(client: Client, names: Iterable[str]) -> None:
    """Stop the units, those that require others first, then forget them; returns when both are done."""
    client.call("unload", {"names": list(names)}, STOP_TIMEOUT)


def start(client: Client, names: Iterable[str]) -> None:
    """Returns when starting has begun."""
    client.call("start", {"names": list(names)})


def stop(client: Client, names: Iterable[str]) -> None:
    """Those that require others first; returns when all are down: shutdown scripts have run, no process is left."""
    client.call("stop", {"names": list(names)}, STOP_TIMEOUT)


def restart(client: Client, names: Iterable[str]) -> None:
    """Returns when restarting has begun."""
    client.call("restart", {"names": list(names)})


def pause(client: Client, names: Iterable[str]) -> None:
    """Freeze every process of the units; they stay up. INVALID when one is not up, no effect on one that is paused."""
    client.call("pause", {"names": list(names)})


def resume(client: Client, names: Iterable[str]) -> None:
    """Let the processes of paused units go on. INVALID when one is not paused."""
    client.call("resume", {"names": list(names)})


def reset(client: Client, names: Iterable[str]) -> None:
    """Forget the failures of the units so far. Starting a unit that the host gave up on does that too."""
    client.call("reset", {"names": list(names)})


def notify(client: Client, name: str, *, ready: bool) -> None:
    """Tell the host what a unit says about itself: that it is ready, or that it is in error."""
    client.call("notify", {"name": name, "state": "READY" if ready else "ERROR"})


def listen(client: Client, daemon: str, ports: Iterable[int]) -> None:
    """Open exactly these TCP ports of the loopback interface for a daemon of the catalogue that has ``loopback``.

    All or none: FAILURE when one cannot be had, and then those of before stay.
    """
    client.call("listen", {"daemon": daemon, "ports": list(ports)})


def restart_runtime(client: Client) -> None:
    """Stop everything in order and start the whole runtime anew, in the same process; returns when that has begun.

    It is over when ``info`` names another ``instance``.
    """
    client.call("restart_runtime")


def reboot(client: Client, command: str = "", timeout: float = 60.0) -> None:
    """Restart the device by ``command``, or as this host does it; FAILURE says why that cannot be."""
    client.call("reboot", {"command": command} if command else {}, timeout)


def list_units(client: Client) -> dict[str, UnitStatus]:
    """The status of every unit, by name."""
    return statuses(client.call("list"))


def definition(client: Client, name: str) -> tuple[Unit, str, str]:
    """The definition of a unit as it was loaded last; and the file and its text if this host has a form of its own."""
    from ggl.host.unit import Unit

    found = client.call("definition", {"name": name})
    if not isinstance(found, dict) or not isinstance(found.get("unit"), dict):
        raise InvalidValue("a host's answer must hold a unit")
    return Unit.from_dict(found["unit"]), get_str(found, "file", ""), get_str(found, "text", "")


def watch(client: Client) -> Iterator[tuple[str, UnitStatus | None]]:
    """Every unit as of now, then each change as it happens; without end. See ``change``."""
    subscription = client.subscribe("subscribe")
    yield from statuses(subscription.result).items()
    for item in subscription:
        yield change(item)


def statuses(result: Any) -> dict[str, UnitStatus]:
    """Decode a list of statuses, as ``list`` and ``subscribe`` return it. Raises ``InvalidValue``."""
    if not isinstance(result, list):
        raise InvalidValue("a host's answer must be a list of unit states")
    found = (UnitStatus.from_dict(item) for item in result)
    return {status.name: status for status in found}


def change(item: Any) -> tuple[str, UnitStatus | None]:
    """Decode an item of ``subscribe``: the unit's name and status, or ``None`` when it was unloaded."""
    if not isinstance(item, dict):
        raise InvalidValue("a host's item must be a unit state")
    status = UnitStatus.from_dict(item)
    return status.name, None if item.get("loaded") is False else status
