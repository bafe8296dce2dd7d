"""The units by which the core daemons are started: at a connection, when work was left behind, every now and then."""

from __future__ import annotations

from ggl.catalog import DAEMONS, SPREAD, Daemon
from ggl.daemon import BACKLOG
from ggl.host.systemd.layout import (
    GROUP,
    HOSTD,
    TARGET,
    Layout,
    daemon_unit,
    path_unit,
    port_unit,
    socket_unit,
    template,
    timer_unit,
)
from ggl.host.systemd.syntax import word_of
from ggl.paths import IPC_SOCKET_NAME

OF_INSTANCES = """\
# The slice that systemd would make for instances goes down with the device, and they with it: before the components.
Slice=system.slice
"""


def all_daemons() -> tuple[Daemon, ...]:
    return (HOSTD, *DAEMONS)


def wakers(layout: Layout, daemon: Daemon) -> dict[str, str]:
    """The texts of the units that start ``daemon``, by their names."""
    units = {socket_unit(name): _socket(layout, daemon, name, path) for name, path in listens(layout, daemon).items()}
    if daemon.loopback:
        units[port_unit(template(daemon))] = _ports(daemon)
    if daemon.unfinished:
        units[path_unit(daemon.name)] = _path(layout, daemon)
    if daemon.every is not None:
        units[timer_unit(daemon.name)] = _timer(daemon, daemon.every)
    return units


def waking(layout: Layout) -> list[str]:
    """The names of them all, but for those of ports, which are opened on request."""
    return [name for daemon in all_daemons() if not daemon.loopback for name in wakers(layout, daemon)]


def listens(layout: Layout, daemon: Daemon) -> dict[str, str]:
    """Name and path of each socket of ``daemon``."""
    paths = {interface: str(layout.root.bus_socket(interface)) for interface in daemon.interfaces}
    if daemon.ipc_socket:
        # Not where components look for it: that may be on a mount point, with which the socket would go too early.
        paths[IPC_SOCKET_NAME] = str(layout.root.run / IPC_SOCKET_NAME)
    return paths


def _socket(layout: Layout, daemon: Daemon, name: str, path: str) -> str:
    public = name == IPC_SOCKET_NAME or name in daemon.public
    symlink = f"Symlinks={word_of(str(layout.root.ipc_socket))}\n" if name == IPC_SOCKET_NAME else ""
    return f"""\
[Unit]
Description=Greengrass: socket {name}
DefaultDependencies=no
IgnoreOnIsolate=yes

[Socket]
ListenStream={word_of(path)}
{symlink}FileDescriptorName={name}
SocketMode={"0666" if public else "0660"}
SocketGroup={GROUP}
DirectoryMode=0755
Backlog={BACKLOG}
RemoveOnStop=yes
Service={daemon_unit(daemon.name)}
"""


def _ports(daemon: Daemon) -> str:
    """Both addresses, or neither; on a device without ``::1`` that is an address at which nobody can connect."""
    return f"""\
[Unit]
Description=Greengrass: port %i of {daemon.name}
DefaultDependencies=no
IgnoreOnIsolate=yes

[Socket]
ListenStream=127.0.0.1:%i
ListenStream=[::1]:%i
BindIPv6Only=ipv6-only
FreeBind=yes
FileDescriptorName={daemon.name}
Backlog={BACKLOG}
Service={daemon_unit(template(daemon) + "%i")}
{OF_INSTANCES}"""


def _path(layout: Layout, daemon: Daemon) -> str:
    return f"""\
[Unit]
Description=Greengrass: work that {daemon.name} left behind
PartOf={TARGET}
DefaultDependencies=no
IgnoreOnIsolate=yes

[Path]
DirectoryNotEmpty={word_of(str(layout.root.state / daemon.unfinished))}
Unit={daemon_unit(daemon.name)}
"""


def _timer(daemon: Daemon, seconds: float) -> str:
    return f"""\
[Unit]
Description=Greengrass: {daemon.name} every now and then
PartOf={TARGET}
DefaultDependencies=no
IgnoreOnIsolate=yes

[Timer]
OnActiveSec={seconds:g}
OnUnitInactiveSec={seconds:g}
RandomizedDelaySec={seconds * SPREAD:g}
Unit={daemon_unit(daemon.name)}
"""
