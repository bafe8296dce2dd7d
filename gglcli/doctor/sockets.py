"""The sockets of the bus, and the one that components connect to: paths, modes, and whether anybody answers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ggl.bus import BusError, connect
from ggl.catalog import DAEMONS, HOST_INTERFACE
from ggl.paths import SOCKET_PATH_LIMIT
from gglcli.client import command
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped

AT_ONCE = 4
"""Daemons that are asked at the same time; each may have to be started."""
SECONDS = 15.0
"""For a daemon to start and answer."""


def sockets(device: Device) -> Iterator[Finding]:
    interfaces = [HOST_INTERFACE, *(name for daemon in DAEMONS for name in daemon.interfaces)]
    paths = [device.root.ipc_socket, *map(device.root.bus_socket, interfaces)]
    long = [path for path in paths if len(os.fsencode(path)) > SOCKET_PATH_LIMIT]
    if long:
        detail = f"{long[0]} has {len(os.fsencode(long[0]))} bytes; the kernel takes {SOCKET_PATH_LIMIT}"
        yield failure("socket paths", detail, "use a root with a shorter path")
        return
    if not device.running:
        yield skipped("sockets", device.down)
        return
    missing = [path for path in paths if not _is_socket(path)]
    restart = f"{command('down')}; {command('up')}"
    if missing:
        yield failure("sockets", f"missing: {', '.join(map(str, missing))}", restart)
    public = {name for daemon in DAEMONS for name in daemon.public}
    private = [device.root.bus_socket(name) for name in interfaces if name not in public]
    open_to_all = [path for path in private if path not in missing and path.stat().st_mode & stat.S_IWOTH]
    if open_to_all:
        paths_text = " ".join(map(str, open_to_all))
        yield failure("socket modes", f"every user may use {paths_text}", f"chmod o-rwx {paths_text}")
    asked = [name for name in interfaces if device.root.bus_socket(name) not in missing]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda name: _ask(device, name), asked))
    silent = [(name, answer) for name, answer in zip(asked, answers, strict=True) if answer]
    owners = {name: daemon.name for daemon in DAEMONS for name in daemon.interfaces}
    for name, why in silent:
        daemon = owners.get(name, "the host")
        remedy = command(f"logs {daemon}") if name in owners else restart
        yield failure("daemon", f"{daemon} does not answer on {name}: {why}", remedy)
    if not (missing or open_to_all or silent):
        yield ok("sockets", f"{len(paths)} in {device.root.bus_dir}; every daemon answers")


def _ask(device: Device, interface: str) -> str:
    """Why nobody answers; empty when somebody does. This starts the daemon."""
    try:
        with connect(interface, device.root, SECONDS) as client:
            client.call("bus.methods")
    except BusError as error:
        return error.message
    return ""


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
