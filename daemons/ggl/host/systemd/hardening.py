"""What a core daemon may do beside its job: as little as its entry in the catalogue allows.

Every daemon but the privileged ones has the file system read-only except for what it writes, no devices, no network
beyond UNIX sockets unless it talks to the cloud, no way to more rights, and only the system calls of an ordinary
service. Who serves a port needs no network either: its sockets come from systemd, and with them what is accepted.
``systemd-analyze security 'ggl.core.*'`` rates it. No ``PrivateTmp=``: that would require the mount point of ``/tmp``;
see ``core_units``.
"""

from __future__ import annotations

from ggl.catalog import Daemon
from ggl.host.systemd.layout import GROUP, USER, Layout

_STATE, _RUN = "state", "run"
_WRITES = {
    "configd": (_STATE, _RUN),
    "deploymentd": (_STATE, _RUN),
    "telemetryd": (_STATE,),
    "ipcd": (_STATE, _RUN),
    "iotcored": (_STATE,),
    "tesd": (_RUN,),
    "jobsd": (_STATE,),
    "fleetstatusd": (_RUN,),
}
_SEES_PROCESSES = ("ipcd",)
"""They find out which component a peer belongs to by its entry in /proc."""
_READS_EVERYTHING = ("deploymentd",)
"""Local deployments are folders, wherever the developer has them: in a home directory, or in /tmp."""
_EVERYBODY = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
_NO_NETWORK = """\
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
"""
_NETWORK = """\
# To look up a name takes a question to the kernel about its addresses.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
"""
_COMMON = f"""\
{_EVERYBODY}ProtectControlGroups=yes
PrivateDevices=yes
RemoveIPC=yes
"""
_HOSTD = f"""\
{_EVERYBODY}{_NO_NETWORK}ProtectHome=read-only
# To be heard by systemd in the name of a component (a process id in credentials), and to look at anybody's processes.
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER CAP_KILL CAP_SYS_PTRACE CAP_SETUID CAP_SETGID
"""
_RECOVERYD = """\
# Its hooks roll back whole systems: nothing is kept from them, and they may outlive the daemon that began them.
KillMode=process
LockPersonality=yes
RestrictRealtime=yes
SystemCallArchitectures=native
"""


def hardening(layout: Layout, daemon: Daemon) -> str:
    """The lines of ``[Service]`` for ``daemon``, its user included."""
    if daemon.name == "recoveryd":
        return _RECOVERYD
    writable = " ".join(str({_STATE: layout.root.state, _RUN: layout.root.run}[place]) for place in _writes(daemon))
    if daemon.privileged:
        return f"{_HOSTD}ReadWritePaths={writable} -{layout.runtime_units.parent}\n"
    capabilities = " ".join(daemon.capabilities)
    lines = [
        f"User={USER}",
        f"Group={GROUP}",
        f"CapabilityBoundingSet={capabilities}",
        f"AmbientCapabilities={capabilities}",
        _COMMON.rstrip(),
        (_NETWORK if daemon.network else _NO_NETWORK).rstrip(),
        f"SystemCallFilter=~@resources {'' if capabilities else '@privileged'}".rstrip(),
        f"UMask={'0022' if daemon.capabilities else '0077'}",
    ]
    if writable:
        lines.append(f"ReadWritePaths={writable}")
    if daemon.name in _READS_EVERYTHING:
        lines.append("ProtectHome=read-only")
    else:
        lines += ["ProtectHome=yes", "TemporaryFileSystem=/tmp /var/tmp"]
    if daemon.name not in _SEES_PROCESSES:
        lines += ["ProtectProc=invisible", "ProcSubset=pid"]
    return "\n".join(lines) + "\n"


def of_tools(writable: tuple[str, ...] = ()) -> str:
    """The lines of ``[Service]`` for what runs for a moment as root, talks to systemd and writes to ``writable``."""
    places = f"ReadWritePaths={' '.join(writable)}\n" if writable else ""
    capabilities = "CAP_DAC_OVERRIDE" if writable else ""
    own = f"CapabilityBoundingSet={capabilities}\nSystemCallFilter=~@resources\nProtectHome=yes\n{places}"
    return _COMMON + _NO_NETWORK + own


def _writes(daemon: Daemon) -> tuple[str, ...]:
    return (_STATE, _RUN) if daemon.privileged else _WRITES.get(daemon.name, ())
