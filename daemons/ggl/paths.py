"""Where a runtime keeps its files.

A *root* is one runtime: its state (configuration database, component store, logs), its run directory (sockets, pid
file) and its boot configuration. A machine may hold several roots side by side, for example a system install and a
developer's private one. The choice, in this order: the ``--root`` option, ``GGL_ROOT``, the system paths when run as
root, the XDG directories of the user otherwise.

A UNIX socket path must stay under 108 bytes, so a private root with a long path keeps its sockets in a short directory
elsewhere whose name is derived from the root.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

SOCKET_PATH_LIMIT = 107
"""Longest UNIX socket path in bytes: ``sun_path`` is 108 bytes with its terminating zero."""

_LONGEST_SOCKET = "bus/gg_deployment_______"
IPC_SOCKET_NAME = "gg-ipc.socket"


class Root(NamedTuple):
    """The directories of one runtime. (No dataclass: this is on the way of the quickest commands.)"""

    state: Path
    run: Path
    config: Path
    system: bool = False

    @property
    def bus_dir(self) -> Path:
        return self.run / "bus"

    def bus_socket(self, interface: str) -> Path:
        return self.bus_dir / interface

    @property
    def ipc_socket(self) -> Path:
        """The socket components connect to; beside the state as on every nucleus, unless that path is too long."""
        path = self.state / IPC_SOCKET_NAME
        return path if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT else self.run / IPC_SOCKET_NAME

    @property
    def config_db(self) -> Path:
        return self.state / "config.db"

    @property
    def packages(self) -> Path:
        return self.state / "packages"

    @property
    def recipes(self) -> Path:
        return self.packages / "recipes"

    @property
    def artifacts(self) -> Path:
        return self.packages / "artifacts"

    @property
    def artifacts_unarchived(self) -> Path:
        return self.packages / "artifacts-unarchived"

    @property
    def work(self) -> Path:
        return self.state / "work"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def units(self) -> Path:
        return self.state / "units"

    def environment(self) -> dict[str, str]:
        """The variables that make ``find_root()`` in a child process return this root."""
        return {"GGL_ROOT": str(self.state), "GGL_RUN": str(self.run), "GGL_ETC": str(self.config)}


def find_root(option: str | None = None) -> Root:
    """The root to work on: ``option`` (``--root``), else the environment, else the default of this user."""
    if option:
        return _private(Path(option).expanduser().absolute())
    if state := os.environ.get("GGL_ROOT"):
        root = _private(Path(state).expanduser().absolute())
        return Root(
            state=root.state,
            run=Path(os.environ.get("GGL_RUN") or root.run),
            config=Path(os.environ.get("GGL_ETC") or root.config),
            system=root.system,
        )
    if os.geteuid() == 0:
        return SYSTEM
    home = Path.home()
    state_home = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state") / "greengrass"
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "greengrass"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    run = Path(runtime) / "greengrass" if runtime and os.path.isdir(runtime) else state_home / "run"
    return Root(state=state_home, run=run if _fits(run) else _short_run(state_home), config=config_home)


SYSTEM = Root(
    state=Path("/var/lib/greengrass"), run=Path("/run/greengrass"), config=Path("/etc/greengrass"), system=True
)


def _private(state: Path) -> Root:
    if os.path.realpath(state) == os.path.realpath(SYSTEM.state):  # by whatever name
        return SYSTEM
    run = state / "run"
    return Root(state=state, run=run if _fits(run) else _short_run(state), config=state)


def _fits(run: Path) -> bool:
    return len(os.fsencode(run / _LONGEST_SOCKET)) <= SOCKET_PATH_LIMIT


def _short_run(state: Path) -> Path:
    from zlib import crc32

    name = f"ggl-{os.geteuid()}-{crc32(os.fsencode(state)):08x}"
    # What root has there is closed to the users that components run as, who must reach the socket.
    runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None
    base = Path(runtime) if runtime and os.path.isdir(runtime) and len(runtime) < 40 else Path("/tmp")
    return base / name
