"""systemd as its D-Bus interface shows it: calls with names and types, and what became of units and jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ggl.bus.loop import Loop
from ggl.host.systemd.dbus import NO_CONNECTION, TIMEOUT, DBus, DBusError, Signal
from ggl.host.systemd.properties import Properties
from ggl.log import get_logger

SERVICE = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
UNIT_PATHS = MANAGER_PATH + "/unit/"
MANAGER, UNIT, UNIT_SERVICE = f"{SERVICE}.Manager", f"{SERVICE}.Unit", f"{SERVICE}.Service"
PROPERTIES = "org.freedesktop.DBus.Properties"
NO_SUCH_UNIT = f"{SERVICE}.NoSuchUnit"
NO_ROOM = f"{SERVICE}.DiskFull"
"""There is not enough room for units in /run."""
PASSING = frozenset(
    (
        NO_CONNECTION,
        TIMEOUT,
        NO_ROOM,
        "org.freedesktop.DBus.Error.NoReply",
        "org.freedesktop.DBus.Error.NoMemory",
        "org.freedesktop.DBus.Error.LimitsExceeded",
        f"{SERVICE}.TransactionIsDestructive",
        f"{SERVICE}.ShuttingDown",
    )
)
"""Names of errors that have nothing to do with the unit: what was asked for may succeed another time. (A destructive
transaction is one that contradicts another, such as the end of the whole system.)"""
_MATCHES = (
    f"interface='{PROPERTIES}',member='PropertiesChanged',path_namespace='{UNIT_PATHS.rstrip('/')}'",
    *(
        f"interface='{MANAGER}',member='{member}',path='{MANAGER_PATH}'"
        for member in ("UnitRemoved", "JobRemoved", "Reloading")
    ),
)

_log = get_logger("hostd")


def unit_path(file_name: str) -> str:
    """The object that stands for the unit ``file_name``."""
    octets = file_name.encode()
    return UNIT_PATHS + "".join(
        chr(octet) if chr(octet).isascii() and chr(octet).isalnum() and (index or not chr(octet).isdigit())
        else f"_{octet:02x}"
        for index, octet in enumerate(octets)
    )  # fmt: skip


class Systemd:
    """Follows the units whose file names were given to ``follow``.

    ``on_change(file name, properties)`` is called for each change of one, ``on_job(path, result)`` when a job is
    over, ``on_up`` when calls can be made and everything has to be asked for anew, ``on_lost(why)`` when they cannot.
    """

    def __init__(
        self,
        loop: Loop,
        on_change: Callable[[str, Properties], None],
        on_job: Callable[[str, str], None],
        on_up: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._on_change = on_change
        self._on_job = on_job
        self._on_up = on_up
        self._files: dict[str, str] = {}
        self._properties: dict[str, Properties] = {}
        self._reloading = False
        self._bus = DBus(loop, SERVICE, _MATCHES, self._is_wanted, self._on_signal, self._connected, on_lost)

    def connect(self) -> None:
        self._bus.connect()

    def close(self) -> None:
        self._bus.close()

    def follow(self, file_name: str) -> None:
        self._files[unit_path(file_name)] = file_name

    def leave(self, file_name: str) -> None:
        """Follow it no longer."""
        self._files.pop(unit_path(file_name), None)
        self._properties.pop(file_name, None)

    def properties_of(self, file_name: str) -> Properties:
        """As of the last time that systemd was asked, or told of a change."""
        return self._properties.get(file_name, Properties())

    # -- questions ---------------------------------------------------------------------------------------------------

    def ask(self, file_name: str, then: Callable[[Properties], None], failed: Callable[[DBusError], None]) -> None:
        """How the unit is, now. Nothing is wrong with a unit that systemd does not know."""
        interfaces = [UNIT, UNIT_SERVICE] if file_name.endswith(".service") else [UNIT]

        def ask_next() -> None:
            self._bus.call(SERVICE, unit_path(file_name), PROPERTIES, "GetAll", "s", (interfaces.pop(),), got, unknown)

        def got(body: tuple[Any, ...]) -> None:
            # At once: a change that is told before the next answer is newer than this.
            self._properties[file_name] = self._properties.get(file_name, Properties()).updated(body[0])
            if interfaces:
                ask_next()
            else:
                then(self._properties[file_name])

        def unknown(error: DBusError) -> None:
            if error.name in (NO_SUCH_UNIT, "org.freedesktop.DBus.Error.UnknownObject"):
                self._properties[file_name] = Properties()
                then(Properties())
            else:
                failed(error)

        ask_next()

    def loaded(
        self, patterns: list[str], then: Callable[[list[str]], None], failed: Callable[[DBusError], None]
    ) -> None:
        """The file names of the units that systemd has in its memory."""

        def got(body: tuple[Any, ...]) -> None:
            self._properties.clear()
            for name, _, _, _, _, _, _, job, kind, _ in body[0]:
                self._properties[name] = Properties(job=job, start_job=job if kind == "start" else 0)
            then(list(self._properties))

        self._manager("ListUnitsByPatterns", "asas", ([], patterns), got, failed)

    def states(
        self, patterns: list[str], then: Callable[[dict[str, str]], None], failed: Callable[[DBusError], None]
    ) -> None:
        """The same with ``ActiveState`` of each."""

        def got(body: tuple[Any, ...]) -> None:
            then({unit[0]: unit[3] for unit in body[0]})

        self._manager("ListUnitsByPatterns", "asas", ([], patterns), got, failed)

    def settle(self, then: Callable[[], None]) -> None:
        """Call ``then`` when everything that systemd was told before this is shown in what it says of its units."""
        self._bus.call(
            SERVICE, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", "", (), lambda _: then(), lambda _: then()
        )

    # -- requests ----------------------------------------------------------------------------------------------------

    def start(self, file_name: str, then: Callable[[str], None], failed: Callable[[DBusError], None]) -> None:
        """``then(path of the job)`` when it is queued."""
        self._manager("StartUnit", "ss", (file_name, "replace"), lambda body: then(body[0]), failed)

    def stop(self, file_name: str, then: Callable[[str], None], failed: Callable[[DBusError], None]) -> None:
        """``then(path of the job)`` when it is queued."""
        self._manager("StopUnit", "ss", (file_name, "replace"), lambda body: then(body[0]), failed)

    def restart(self, file_name: str, then: Callable[[str], None], failed: Callable[[DBusError], None]) -> None:
        """``then(path of the job)`` when it is queued."""
        self._manager("RestartUnit", "ss", (file_name, "replace"), lambda body: then(body[0]), failed)

    def reset_failed(self, file_name: str, then: Callable[[], None]) -> None:
        """Forget that it failed; ``then`` in any case."""
        self._manager("ResetFailedUnit", "s", (file_name,), lambda _: then(), lambda _: then())

    def kill(
        self, file_name: str, whom: str, number: int, then: Callable[[], None], failed: Callable[[DBusError], None]
    ) -> None:
        """Send signal ``number`` to ``whom``: ``main`` or ``all`` of its processes."""
        self._manager("KillUnit", "ssi", (file_name, whom, number), lambda _: then(), failed)

    def freeze(self, file_name: str, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        self._manager("FreezeUnit", "s", (file_name,), lambda _: then(), failed)

    def thaw(self, file_name: str, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        self._manager("ThawUnit", "s", (file_name,), lambda _: then(), failed)

    def set_properties(
        self,
        file_name: str,
        values: list[tuple[str, tuple[str, Any]]],
        then: Callable[[], None],
        failed: Callable[[DBusError], None],
    ) -> None:
        """Until the next boot, and for what runs at once."""
        self._manager("SetUnitProperties", "sba(sv)", (file_name, True, values), lambda _: then(), failed)

    def reload(self, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        """Read all unit files anew."""
        self._manager("Reload", "", (), lambda _: then(), failed)

    def _manager(
        self,
        member: str,
        signature: str,
        body: tuple[Any, ...],
        then: Callable[[tuple[Any, ...]], None],
        failed: Callable[[DBusError], None],
    ) -> None:
        self._bus.call(SERVICE, MANAGER_PATH, MANAGER, member, signature, body, then, failed)

    # -- what comes by itself ----------------------------------------------------------------------------------------

    def _connected(self) -> None:
        self._reloading = False

        def failed(error: DBusError) -> None:
            if error.name == f"{SERVICE}.AlreadySubscribed":
                self._on_up()
            else:
                _log.error("systemd does not tell of changes: %s", error)

        self._manager("Subscribe", "", (), lambda _: self._on_up(), failed)

    def _is_wanted(self, path: str) -> bool:
        return path in self._files or path == MANAGER_PATH

    def _on_signal(self, signal: Signal) -> None:
        if signal.member == "PropertiesChanged":
            interface, values, _invalidated = signal.body
            file_name = self._files[signal.path]
            known = self._properties.get(file_name, Properties())
            self._properties[file_name] = known.updated(values)
            # Those of the service come before those of the unit: only then is it one state.
            if interface == UNIT:
                self._on_change(file_name, self._properties[file_name])
        elif signal.member == "JobRemoved":
            self._on_job(signal.body[1], signal.body[3])
        elif signal.member == "Reloading":
            self._reloading = signal.body[0]
        elif signal.member == "UnitRemoved" and not self._reloading:
            name = signal.body[0]
            if name in self._properties:
                self._properties[name] = Properties()
                self._on_change(name, self._properties[name])
