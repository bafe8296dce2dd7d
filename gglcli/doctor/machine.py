"""The machine below the runtime: clock, disk, memory, users, control groups."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from ggl.privilege import COMPONENT_USER
from gglcli.client import command
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning

MIB = 1024 * 1024
LITTLE_SPACE, NO_SPACE = 200 * MIB, 20 * MIB
"""Bytes free on the disk below which deployments may fail, and below which the runtime itself may."""
LITTLE_INODES, NO_INODES = 0.05, 0.005
"""Shares of the inodes of a file system."""
LITTLE_MEMORY, NO_MEMORY = 64 * MIB, 16 * MIB
"""Bytes available."""
SLACK = 300.0
"""Seconds by which a clock may be wrong for TLS and signatures to work still."""
UNSYNCHRONISED = 5
"""``TIME_ERROR`` of adjtimex(2)."""
SIZEOF_TIMEX = 512
"""Bytes, more than any kernel's ``struct timex`` has."""


def clock(device: Device, now: float | None = None) -> Iterator[Finding]:
    """Against what is known on the device: files that were written, the certificate. The cloud's clock is compared
    where it is asked for something (``services``)."""
    now = time.time() if now is None else now
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    remedy = "timedatectl set-ntp true, or set the clock by hand: date -u -s 'YYYY-MM-DD hh:mm:ss'"
    latest = max((_modified(path) for path in (device.root.config_db, Path(__file__))), default=0.0)
    if latest > now + SLACK:
        when = time.strftime("%Y-%m-%d", time.gmtime(latest))
        yield failure("clock", f"it says {shown}, but files of the runtime are from {when}: it is behind", remedy)
        return
    begins = _valid_from(device)
    if begins > now + SLACK:
        when = time.strftime("%Y-%m-%d", time.gmtime(begins))
        yield failure(
            "clock", f"it says {shown}, but the device's certificate is valid from {when} on: it is behind", remedy
        )
        return
    yield ok("clock", shown)
    synchronised = is_synchronised()
    if synchronised is None:
        yield skipped("time synchronisation", "the kernel does not say")
    elif synchronised:
        yield ok("time synchronisation", "the kernel's clock is synchronised")
    elif device.root.system:
        yield warning("time synchronisation", "nothing keeps the clock right", "timedatectl set-ntp true")
    else:
        yield skipped("time synchronisation", "nothing keeps the clock right, as far as the kernel knows")


def is_synchronised() -> bool | None:
    """What the kernel says (adjtimex(2)); ``None``: nothing."""
    import ctypes

    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(SIZEOF_TIMEX))  # all modes 0: only look
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != UNSYNCHRONISED


def disk(device: Device) -> Iterator[Finding]:
    place = device.root.state
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    where = f"{_size(free)} free at {device.root.state}"
    remedy = f"make room; '{command('component list')}' shows what is deployed, and logs are in {device.root.logs}"
    if found.f_flag & os.ST_RDONLY:
        yield failure("disk", f"{device.root.state} is mounted read-only", "mount it writable: mount -o remount,rw ...")
    elif free < NO_SPACE:
        yield failure("disk", where, remedy)
    elif free < LITTLE_SPACE:
        yield warning("disk", f"{where}: deployments may fail", remedy)
    else:
        yield ok("disk", where)
    if not found.f_files:
        return  # a file system without a table of inodes
    share = found.f_favail / found.f_files
    inodes = f"{found.f_favail} of {found.f_files} inodes free"
    remedy = f"remove small files: find {device.root.state} -xdev -type f | wc -l"
    if share < NO_INODES:
        yield failure("inodes", inodes, remedy)
    elif share < LITTLE_INODES:
        yield warning("inodes", inodes, remedy)
    else:
        yield ok("inodes", inodes)


def memory(_device: Device, meminfo: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        available, total = (int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, KeyError, ValueError):
        yield skipped("memory", f"{meminfo} does not tell")
        return
    text = f"{_size(available)} of {_size(total)} available"
    remedy = f"stop what is not needed: '{command('status')}' shows components, 'ps -e -o pid,rss,comm --sort -rss' all"
    if available < NO_MEMORY:
        yield failure("memory", text, remedy)
    elif available < LITTLE_MEMORY:
        yield warning("memory", text, remedy)
    else:
        yield ok("memory", text)


def users(device: Device) -> Iterator[Finding]:
    """Whom components run as by default. Only a runtime of root's, or of systemd, can choose."""
    default = device.nucleus.get("runWithDefault")
    named = str(default.get("posixUser") or "") if isinstance(default, dict) else ""
    if not device.root.system and not (named and os.geteuid() == 0):
        yield skipped("users", "components run as the user who started the runtime")
        return
    user, _, group = (named or COMPONENT_USER).partition(":")
    setting = "aws.greengrass.NucleusLite/runWithDefault/posixUser"
    if not _known("pwd", user):
        remedy = f"useradd --system --shell /usr/sbin/nologin {user}"
        if named:
            remedy += f", or name another: {command(f'config set {setting} USER')}"
        yield failure("users", f"there is no user {user}, as whom components are to run", remedy)
    elif group and not _known("grp", group):
        yield failure("users", f"there is no group {group}, which components are to have", f"groupadd --system {group}")
    else:
        yield ok("users", f"components run as {named or COMPONENT_USER} unless their deployment says otherwise")


def cgroups(device: Device, root: Path = Path("/sys/fs/cgroup")) -> Iterator[Finding]:
    default = device.nucleus.get("runWithDefault")
    wanted = isinstance(default, dict) and bool(default.get("systemResourceLimits"))
    try:
        controllers = set((root / "cgroup.controllers").read_text().split())
        version = "version 2"
    except OSError:
        controllers = {name for name in ("memory", "cpu") if (root / name).is_dir()}
        version = "version 1"
    missing = {"memory", "cpu"} - controllers
    remedy = "boot with cgroup_enable=memory systemd.unified_cgroup_hierarchy=1"
    if not missing:
        yield ok("cgroups", f"{version}, with memory and cpu")
    elif wanted:
        yield warning("cgroups", f"no controller for {' and '.join(sorted(missing))}: limits do not hold", remedy)
    else:
        yield skipped("cgroups", f"no controller for {' and '.join(sorted(missing))}; there are no default limits")


def _valid_from(device: Device) -> float:
    """The beginning of the device's certificate; 0 when that is not known."""
    from ggl.cloud.tls import BadCredentials, certificate_facts

    if device.settings is None or not device.settings.identity.certificate:
        return 0.0
    try:
        return certificate_facts(device.settings.identity.certificate).not_before
    except BadCredentials:
        return 0.0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _known(module: str, name: str) -> bool:
    import grp
    import pwd

    try:
        if name.isdecimal():
            return True  # the kernel needs no entry
        (pwd.getpwnam if module == "pwd" else grp.getgrnam)(name)
    except KeyError:
        return False
    return True


def _size(count: int) -> str:
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit in ("B", "KiB") else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
