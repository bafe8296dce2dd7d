"""The components of a running supervisor as services of OpenRC: their scripts, and in which state each is shown.

OpenRC is told by its own programs (``mark_service_started`` and the like). Components are marked as hotplugged too,
which is OpenRC's word for services that came by themselves: so they are listed, and a change of runlevels leaves them
alone. After a boot nothing of this is left, the supervisor starts what was running.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ggl.host.openrc.scripts import MARK, PREFIX, component_script, service_name
from ggl.host.status import UnitStatus
from ggl.log import get_logger

SCRIPTS = Path("/etc/init.d")
STATE = Path("/run/openrc")
STARTED, STOPPED, FAILED, HOTPLUGGED = "started", "stopped", "failed", "hotplugged"

_log = get_logger("openrc")


class Services:
    """``command``: the words that run ``ggl``; ``programs``: the directory of OpenRC's own programs."""

    def __init__(self, command: tuple[str, ...], programs: Path, scripts: Path = SCRIPTS, state: Path = STATE) -> None:
        self._command = command
        self._programs = programs
        self._scripts = scripts
        self._state = state
        self._shown: dict[str, str] = {}
        self._described: dict[str, str] = {}

    def begin(self, units: Iterable[tuple[UnitStatus, str]]) -> None:
        """The supervisor comes up with ``units`` (each with its description); no other component has a service."""
        for status, description in units:
            self.changed(status, description)
        for path in sorted(self._scripts.glob(f"{PREFIX}*")):
            if path.name not in self._shown and is_ours(path):
                self._remove(path.name)

    def changed(self, status: UnitStatus, description: str) -> None:
        """A unit is new, or has another state or another definition."""
        name = self._service_of(status)
        if name is None:
            return
        if self._described.get(name) != description:
            text = component_script(status.component, description, self._command)
            if not self._write(self._scripts / name, text):
                return
            self._described[name] = description
        state = FAILED if status.active_state == "failed" else STARTED if status.wanted else STOPPED
        if self._shown.get(name) != state:
            self._shown[name] = state
            # Hotplugged: each time, as it is not any more once somebody stopped it. Failed: a service that is stopped.
            for mark in (HOTPLUGGED, *((STOPPED,) if state == FAILED else ()), state):
                self._mark(mark, name)

    def removed(self, status: UnitStatus) -> None:
        """A unit is gone."""
        name = self._service_of(status)
        if name is not None and self._shown.pop(name, None) is not None:
            del self._described[name]
            self._remove(name)

    def _service_of(self, status: UnitStatus) -> str | None:
        return service_name(status.component) if status.phase == "main" else None

    def _remove(self, name: str) -> None:
        self._mark(STOPPED, name)
        for path in (self._state / HOTPLUGGED / name, self._state / FAILED / name, self._scripts / name):
            try:
                path.unlink(missing_ok=True)
                forget_dependencies(self._state)
            except OSError as error:
                _log.warning("cannot remove %s: %s", path, error.strerror)

    def _write(self, path: Path, text: str) -> bool:
        new = path.with_name(f".{path.name}.new")
        try:
            if path.exists():
                if path.read_text(encoding="utf-8", errors="replace") == text:
                    return True
                if not is_ours(path):
                    _log.warning("%s is somebody else's: the component has no service in OpenRC", path)
                    return False
            new.write_text(text, encoding="utf-8")
            new.chmod(0o755)
            new.replace(path)
            forget_dependencies(self._state)
        except OSError as error:
            _log.warning("the component has no service in OpenRC: cannot write %s: %s", path, error.strerror)
            return False
        return True

    def _mark(self, state: str, name: str) -> None:
        program = str(self._programs / "sbin" / f"mark_service_{state}")
        try:
            os.waitpid(os.posix_spawn(program, [program, name], {"PATH": os.defpath}), 0)
        except OSError as error:
            _log.warning("cannot tell OpenRC that %s is %s: %s", name, state, error.strerror)


def forget_dependencies(state: Path = STATE) -> None:
    """Let OpenRC look at all scripts anew before it does something: it overlooks what changed within a second."""
    (state / "deptree").unlink(missing_ok=True)


def is_ours(path: Path) -> bool:
    """The service script is one that Greengrass Lite has written."""
    try:
        with path.open("rb") as file:
            file.readline()
            return file.readline().startswith(MARK.encode())
    except OSError:
        return False
