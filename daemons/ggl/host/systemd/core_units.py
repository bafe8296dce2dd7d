"""The unit files of the core: sockets, daemons, what starts and stops them together, users and directories.

::

    greengrass-lite.target ──Requires──> ggl.core.runtime.service ──ExecStart/Stop──> ggl.<interface>.socket
      │                                    │                                          ggl.core.<daemon>.path, .timer
      │ (PartOf: stops)                    │                                            └──> ggl.core.<daemon>.service
      └──> ggl.<component>.service ──After─┘

A shutdown script may need the databus, when its component is stopped and also when the device shuts down; and whether a
daemon is there just then must not matter. But systemd lets a socket that waits to be stopped turn connections away, and
starts nothing that is ordered after something that waits to be stopped. So sockets and daemons are in no transaction
with anything: no default dependencies, no order, nothing that requires a mount point, not part of the target. They are
started and stopped by ``ggl.core.runtime.service``, which is up before the first component and stops after the last.
(TCP ports, ``ggl.core.<daemon>@<port>.socket`` and ``.service``, are opened by hostd, and stopped there all the same.)
For the same reason nothing wants them: ``IgnoreOnIsolate=`` keeps them when another target is isolated that the runtime
belongs to. Where it does not, the target and that service go, and take the rest with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ggl.catalog import DAEMONS, Daemon
from ggl.host.given_up import DIRECTORY
from ggl.host.systemd.hardening import hardening, of_tools
from ggl.host.systemd.layout import (
    CERTIFICATES,
    COMPONENT_HOME,
    CORE_UNIT,
    GROUP,
    HOSTD,
    TARGET,
    USER,
    Layout,
    daemon_unit,
    given_up_unit,
    port_unit,
    socket_unit,
    template,
)
from ggl.host.systemd.syntax import word, word_of
from ggl.host.systemd.wakers import OF_INSTANCES, all_daemons, listens, wakers, waking
from ggl.host.unit import CORE_PREFIX
from ggl.privilege import COMPONENT_GROUP, COMPONENT_USER, HOST_VARIABLE

UNITS, TMPFILES, SYSUSERS = "system", "tmpfiles.d", "sysusers.d"
"""First part of the path of every file; where the administrator's or a package's are, is the installer's to know."""

GIVEN_UP = given_up_unit("")
MAX_STARTS = 10
"""In ``_start_limit_seconds``; after that a daemon has failed too often."""
COOL_DOWN = 30
"""Seconds after which a daemon that failed too often is offered again."""

_MEGABYTES = {"hostd": 128, "configd": 320, "deploymentd": 384, "ipcd": 256, "pubsubd": 256, "iotcored": 256}
"""What a daemon may take before it is ended and started anew: many times what it needs in ordinary work, and for
configd twice what it takes when its database is full. docs/installing.md has the figures."""
_MEGABYTES_OTHERS = 96
_WATCHDOG = 120
"""Seconds. Handlers take milliseconds; a device that swaps may make a minute of them."""


def files(layout: Layout) -> dict[str, str]:
    """Every file by its path below the directories of the service manager (``UNITS``, ...)."""
    units = {TARGET: _target(), CORE_UNIT: _runtime(layout), GIVEN_UP: _given_up(layout)}
    for daemon in all_daemons():
        units[daemon_unit(template(daemon))] = _service(layout, daemon)
        units |= wakers(layout, daemon)
    return {
        **{f"{UNITS}/{name}": text for name, text in sorted(units.items())},
        f"{TMPFILES}/ggl.conf": _tmpfiles(layout),
        f"{SYSUSERS}/ggl.conf": _sysusers(layout),
    }


def _target() -> str:
    return f"""\
[Unit]
Description=Greengrass: the core daemons and the components
# It is not up without the core: nor are the components, which are part of it.
Requires={CORE_UNIT}
After={CORE_UNIT}

[Install]
WantedBy=multi-user.target
"""


def _runtime(layout: Layout) -> str:
    sources = waking(layout)
    services = [daemon_unit(daemon.name) for daemon in all_daemons() if not daemon.loopback]
    instances = [f"{CORE_PREFIX}{template(daemon)}*" for daemon in all_daemons() if daemon.loopback]
    resident = [daemon_unit(daemon.name) for daemon in all_daemons() if daemon.at_start]
    return f"""\
[Unit]
Description=Greengrass: the core, before the components and after them
# Whoever stops and starts it again and again means it.
StartLimitIntervalSec=0
PartOf={TARGET}
RequiresMountsFor={word_of(str(layout.root.state))}
After=dbus.socket dbus.service network.target remote-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=systemctl start {" ".join(sources)}
ExecStart=systemctl start --no-block {" ".join(resident)}
ExecStop=systemctl stop {" ".join([*sources, *services, given_up_unit("*")])}
# Not before hostd is gone, who opens ports.
ExecStop=systemctl stop {" ".join(instances)}
# Hooks outlive the daemon that began them, but not the runtime.
ExecStop=-sh -c "systemctl kill --kill-who=all --signal=SIGKILL {daemon_unit("recoveryd")} 2>/dev/null"
# A component that answers SIGTERM with an exit status of its own has failed for systemd, and only hostd knows better.
ExecStop=-systemctl reset-failed "ggl.*"
TimeoutStopSec=60
{of_tools()}"""


def _service(layout: Layout, daemon: Daemon) -> str:
    module = "ggl.host.systemd" if daemon is HOSTD else f"ggl.{daemon.name}"
    sockets = " ".join(socket_unit(name) for name in listens(layout, daemon))
    about, part_of, slice_ = daemon.name, "", ""
    if daemon.loopback:
        sockets = port_unit(f"{template(daemon)}%i")
        # Who closes the port ends the process, which has the sockets, too.
        about, part_of, slice_ = f"{daemon.name}, port %i", f"PartOf={sockets}\n", OF_INSTANCES
    # From the target it takes which start of the runtime this is.
    after = f"After={TARGET}\n" if daemon is HOSTD else ""
    # A hook of recoveryd's may need any amount.
    megabytes = "infinity" if daemon.name == "recoveryd" else f"{_MEGABYTES.get(daemon.name, _MEGABYTES_OTHERS)}M"
    # Lines of our logs have a level, tracebacks have none; nor has what a hook says.
    level = "" if daemon.name == "recoveryd" else "SyslogLevel=warning\n"
    return f"""\
[Unit]
Description=Greengrass: {about}
{part_of}DefaultDependencies=no
IgnoreOnIsolate=yes
{after}OnFailure={given_up_unit("%n")}
StartLimitIntervalSec={_start_limit_seconds(daemon):g}
StartLimitBurst={MAX_STARTS}

[Service]
Type=notify
ExecStart={_resident(layout, module)}
{_environment(layout)}Sockets={sockets}
Restart=on-failure
RestartSec=250ms
TimeoutStartSec=60
TimeoutStopSec=10
WatchdogSec={_WATCHDOG}
SyslogIdentifier={daemon.name}
{level}MemoryMax={megabytes}
LimitNOFILE=16384
{slice_}{hardening(layout, daemon)}"""


def _start_limit_seconds(daemon: Daemon) -> float:
    """Long enough for ``MAX_STARTS`` failures on a slow device, and too short for as many starts of a daemon that comes
    for a request and leaves again, which takes longer than its idle time."""
    longest = 10.0 * MAX_STARTS
    return longest if daemon.idle_exit is None else min(longest, MAX_STARTS * daemon.idle_exit)


def _given_up(layout: Layout) -> str:
    # A port that it serves is in no list: only what belongs to it says so.
    sources = f"{' '.join(waking(layout))} $$(systemctl show --value --property=TriggeredBy %i)"
    return f"""\
[Unit]
Description=Greengrass: word of a failure, and another try for %i
DefaultDependencies=no
IgnoreOnIsolate=yes
StartLimitIntervalSec=0

[Service]
Type=oneshot
# One command of each kind: after one that SIGTERM ended in success, systemd would go on with the next of its kind, also
# when it stops this unit.
ExecStartPre=-{_command(layout, "ggl.host.systemd.given_up")} %i
ExecStart=sh -c "sleep {COOL_DOWN}; systemctl reset-failed %i; systemctl start --no-block {sources}"
{_environment(layout)}SyslogIdentifier=hostd
SyslogLevel=warning
# When the runtime stops in the middle of it.
SuccessExitStatus=SIGTERM
Slice=system.slice
{of_tools(writable=(str(layout.root.state / DIRECTORY),))}"""


def _resident(layout: Layout, package: str) -> str:
    """Run the program of ``package``. Not by ``-m``: what Python loads for that stays in memory."""
    return " ".join([*map(word_of, layout.command), "-c", word(f"import {package}.__main__")])


def _command(layout: Layout, module: str) -> str:
    return " ".join([*map(word_of, layout.command), "-m", module])


def _environment(layout: Layout) -> str:
    """The allocator is set as on the process host: see ``ggl.host.process.launch``."""
    variables = {
        **layout.root.environment(),
        HOST_VARIABLE: "systemd",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }
    return "".join(f"Environment={word_of(f'{name}={value}')}\n" for name, value in variables.items())


@dataclass(frozen=True)
class Directory:
    """A directory that must be there before anything runs."""

    path: Path
    mode: int
    user: str
    group: str


def directories(layout: Layout) -> tuple[Directory, ...]:
    """The outer ones first. No directory of another user's lies in one of ``ggcore``'s: nobody could trust that."""
    root = layout.root
    unfinished = (root.state / daemon.unfinished for daemon in DAEMONS if daemon.unfinished)
    return (
        Directory(root.state, 0o755, USER, GROUP),
        Directory(root.work, 0o755, USER, GROUP),
        Directory(root.units, 0o700, USER, GROUP),
        *(Directory(path, 0o700, USER, GROUP) for path in unfinished),
        Directory(COMPONENT_HOME, 0o700, COMPONENT_USER, COMPONENT_GROUP),
        Directory(root.config, 0o750, "root", GROUP),
        Directory(root.config / "config.d", 0o750, "root", GROUP),
        Directory(root.config / CERTIFICATES, 0o750, "root", GROUP),
        Directory(root.run, 0o755, USER, GROUP),
        Directory(root.bus_dir, 0o751, USER, GROUP),
    )


def _tmpfiles(layout: Layout) -> str:
    lines = [f"d {word_of(str(each.path))} {each.mode:04o} {each.user} {each.group}" for each in directories(layout)]
    return "\n".join(["# Type, path, mode, user, group", *lines]) + "\n"


def _sysusers(layout: Layout) -> str:
    return f"""\
# Type, name, id, description, home
g {COMPONENT_GROUP} -
u {USER} - "Greengrass core daemons" {word_of(str(layout.root.state))}
u {COMPONENT_USER} - "Greengrass components" {COMPONENT_HOME}
m {COMPONENT_USER} {COMPONENT_GROUP}
"""
