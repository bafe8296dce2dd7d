"""The unit files of components: written when they differ, and read by systemd before anything relies on them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.host.systemd.component_unit import choose, file_name, render
from ggl.host.systemd.limits import as_properties
from ggl.host.systemd.systemd1 import NO_ROOM
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.host.systemd.dbus import DBusError
    from ggl.host.systemd.layout import Layout
    from ggl.host.systemd.systemd1 import Systemd
    from ggl.host.unit import Unit

PREVAILING = tuple(
    map(
        Path,
        (
            "/etc/systemd/system.control",
            "/run/systemd/system.control",
            "/run/systemd/transient",
            "/run/systemd/generator.early",
            "/etc/systemd/system",
            "/etc/systemd/system.attached",
        ),
    )
)
"""Where systemd looks first (systemd.unit(5))."""

_log = get_logger("hostd")


class UnitFiles:
    """However many files were changed, systemd is told to read them once; that takes a while on a large system."""

    def __init__(self, layout: Layout, systemd: Systemd) -> None:
        self._layout = layout
        self._systemd = systemd
        self._is_stale = True
        """What systemd has read is not what is written; at first because a predecessor may have been interrupted."""
        self._reading = False
        self._limiting = 0
        self._now: list[tuple[Callable[[], None], Callable[[DBusError], None]]] = []
        self._next: list[tuple[Callable[[], None], Callable[[DBusError], None]]] = []

    def path(self, name: str) -> Path:
        return self._layout.runtime_units / file_name(name)

    def write(self, unit: Unit) -> None:
        """Raises ``OSError``; also when systemd would not take this file, but another of its name."""
        path = self.path(unit.name)
        for other in (directory / path.name for directory in PREVAILING):
            # Of one that leads nowhere, as one that is masked does, systemd says so itself.
            if other.exists() and not os.path.samefile(other, os.devnull):
                self._is_stale = True  # by the time that it is removed
                raise OSError(errno.EEXIST, f"{other} would be taken instead: remove that file")
        text = render(choose(unit), self._layout).encode()
        try:
            if path.read_bytes() == text:
                return
        except FileNotFoundError:
            pass
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(text)
        os.replace(new, path)
        self._is_stale = True

    def limit(self, unit: Unit) -> None:
        """Hold what runs of ``unit`` to its limits, too; to read its file anew does not do that for every limit."""
        name = file_name(unit.name)
        self._limiting += 1
        self._is_stale = True

        def over() -> None:
            # systemd keeps it in files as well, which would prevail over the unit file of later versions.
            for setting in ("MemoryMax", "CPUQuota"):
                path = self._control(name) / f"50-{setting}.conf"
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    _log.error("%s prevails over later limits: %s", path, error.strerror)
            self._limiting -= 1
            if self._next:
                self._read()

        def failed(error: DBusError) -> None:
            _log.warning("%s: runs without its systemResourceLimits: %s", unit.name, error)
            over()

        self._systemd.set_properties(name, as_properties(unit.limits), over, failed)

    def _control(self, name: str) -> Path:
        return self._layout.runtime_units.with_name("system.control") / f"{name}.d"

    def remove(self, name: str) -> None:
        """The file, and what an administrator has added for the time until the next boot. Raises ``OSError``."""
        path = self.path(name)
        self._is_stale |= path.exists()
        path.unlink(missing_ok=True)
        for additions in (path.with_name(f"{path.name}.d"), self._control(path.name)):
            if additions.is_dir():
                import shutil  # on demand: it brings every archive format with it

                shutil.rmtree(additions, ignore_errors=True)

    def when_read(self, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        """Call ``then`` when systemd has read everything that is written now; at once if it has."""
        if self._is_stale:
            self._next.append((then, failed))
            self._read()
        elif self._reading:
            self._now.append((then, failed))
        else:
            then()

    def when_read_or_full(self, then: Callable[[], None], failed: Callable[[DBusError], None]) -> None:
        """As ``when_read``; but while there is no room in /run they are read later, before any of them is started."""
        self.when_read(then, lambda error: then() if error.name == NO_ROOM else failed(error))

    def _read(self) -> None:
        if self._reading or self._limiting:
            return
        self._reading, self._is_stale = True, False
        self._now, self._next = self._next, []
        self._systemd.reload(self._have_read, self._failed)

    def _have_read(self) -> None:
        self._reading = False
        waiting, self._now = self._now, []
        if self._is_stale and self._next:
            self._read()
        for then, _ in waiting:
            then()

    def _failed(self, error: DBusError) -> None:
        _log.error("systemd cannot read its units anew: %s", error)
        self._reading, self._is_stale = False, True
        waiting = [*self._now, *self._next]
        self._now, self._next = [], []
        for _, failed in waiting:
            failed(error)
