"""What outlives this daemon, in a file of the run directory: the ports that components were told, and AWS' answers.

Only the runtime's user can read it. Times are those of the clock that began with the boot, so a file of an earlier boot
has ports, but no answers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack

from ggl.catalog import MAX_PORTS
from ggl.log import get_logger
from ggl.tesd.cache import Answer, Entry
from ggl.values import InvalidValue, get_dict, get_float, get_list, get_str

if TYPE_CHECKING:
    from ggl.paths import Root

FILE = "credentials"
"""In the run directory."""
MAX_SIZE = 65536
_log = get_logger("tesd")


class Kept(NamedTuple):
    """``ports``: the last one is that of today; ``instance``: the start of the runtime that they are of.
    ``identity``: whose answers these are, by the configuration of which ``fingerprint`` is."""

    ports: tuple[int, ...] = ()
    instance: str = ""
    identity: str = ""
    fingerprint: str = ""
    good: Entry | None = None
    failure: Entry | None = None


def now() -> float:
    """Seconds since the boot, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def fingerprint(root: Root) -> str:
    """What is another one after each change of the configuration; it is had without starting the daemon that keeps it.

    A change is in the write-ahead log (https://www.sqlite.org/wal.html), or in the database by now. Where they cannot
    be seen, it is another one each time.
    """
    try:
        return f"{_fingerprint_of(root.config_db.stat())} {_fingerprint_of(_log_of(root.config_db))}"
    except OSError:
        return os.urandom(8).hex()


def _log_of(database: Path) -> os.stat_result | None:
    try:
        found = os.stat(f"{database}-wal")
    except FileNotFoundError:
        return None
    return found if found.st_size else None  # who opens the database makes an empty one, if only to read


def _fingerprint_of(file: os.stat_result | None) -> str:
    return "-" if file is None else f"{file.st_ino}:{file.st_mtime_ns}:{file.st_size}"


def load(path: Path) -> Kept:
    """What is kept in the file ``path``, if anything. One that cannot be used counts for nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return Kept()
    with open(fd, "rb") as file:
        if os.fstat(fd).st_uid != os.geteuid():
            _log.error("%s is not used: it belongs to another user", path)
            return Kept()
        content = file.read(MAX_SIZE + 1)
    try:
        return _decode(msgpack.unpackb(content))
    except (InvalidValue, ValueError, TypeError, msgpack.exceptions.UnpackException):
        _log.error("%s is not used: it is damaged", path)
        return Kept()


def save(path: Path, kept: Kept) -> None:
    """Replace the file ``path``. Raises ``OSError``."""
    data = {
        "ports": list(kept.ports),
        "instance": kept.instance,
        "identity": kept.identity,
        "fingerprint": kept.fingerprint,
        "boot": _boot(),
        "good": _encode(kept.good),
        "failure": _encode(kept.failure),
    }
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink()  # its mode might be another one
    except FileNotFoundError:
        pass
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(msgpack.packb(data))
    temporary.replace(path)


def _decode(data: Any) -> Kept:
    if not isinstance(data, Mapping):
        raise InvalidValue("it is no map")
    ports = get_list(data, "ports")
    if len(ports) > MAX_PORTS or not all(type(port) is int and 0 < port < 65536 for port in ports):
        raise InvalidValue("'ports' are none")
    answers = data if get_str(data, "boot") == _boot() else {}
    return Kept(
        tuple(ports),
        get_str(data, "instance", ""),
        get_str(data, "identity"),
        get_str(data, "fingerprint", ""),
        _entry(get_dict(answers, "good", None)),
        _entry(get_dict(answers, "failure", None)),
    )


def _entry(data: dict[str, Any] | None) -> Entry | None:
    if data is None:
        return None
    return Entry(Answer.from_dict(get_dict(data, "answer")), get_float(data, "until"), get_float(data, "end"))


def _encode(entry: Entry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    answer = entry.answer._asdict() | {"credentials": dict(entry.answer.credentials)}
    return entry._asdict() | {"answer": answer}


def _boot() -> str:
    """What tells one boot of the device from the next."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
