"""What the configuration starts with: seeds of this runtime, and the files an administrator wrote.

Every start merges, in this order: the seeds at timestamp 0, then ``config.yaml``, then the files of ``config.d`` by
name, all at timestamp 2. So a file overrides recipe defaults (0), an earlier file and what it said at the last start,
but never what a deployment, a component or an administrator's command has set since. To remove a line from a file does
not remove the key.

A file that cannot be read, is too big or is not a map is logged with the place of the fault and left out; the others
are loaded. YAML is typed: numbers, true/false and null are what they look like; anything else, also ``yes``, ``on``,
``12:30`` and dates, is a string.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ggl.configd.alias import value_at
from ggl.configd.errors import ConfigError
from ggl.configd.limits import MAX_DEPTH
from ggl.configd.store import Store, Write
from ggl.documents import BadDocument, parse_json, parse_yaml
from ggl.log import get_logger
from ggl.paths import Root
from ggl.privilege import COMPONENT_GROUP, COMPONENT_USER, is_of_device
from ggl.values import InvalidValue
from ggl.version import NUCLEUS, NUCLEUS_VERSION

SEED_TIMESTAMP = 0
FILE_TIMESTAMP = 2
MAX_FILE_SIZE = 1024 * 1024
"""Bytes of one boot file."""

_SUFFIXES = (".yaml", ".yml", ".json")
log = get_logger("configd")


class BadFile(Exception):
    """A boot file cannot be used; the text says why, and where in the file."""


def boot(store: Store, root: Root) -> None:
    """Merge the seeds and boot files of ``root``.

    When they cannot be stored, for lack of space for example, that is logged and the runtime starts with what it has.
    """
    try:
        store.apply([Write((), seeds(root), SEED_TIMESTAMP)])
    except ConfigError as error:
        log.error("the configuration starts without its seeds: %s", error)
    for path in boot_files(root.config):
        try:
            store.apply([Write((), value_at([], read_boot_file(path)), FILE_TIMESTAMP)])
        except (BadFile, ConfigError, InvalidValue) as error:
            log.error("boot file %s is left out: %s", path, error)


def seeds(root: Root) -> dict[str, Any]:
    """What is true of this runtime unless somebody says otherwise."""
    nucleus: dict[str, Any] = {"componentType": "NUCLEUS", "version": NUCLEUS_VERSION, "configuration": {}}
    # A private runtime has no other user to offer than the one who started it.
    user = _component_user() if root.system else _user_name()
    if user:
        nucleus["configuration"] = {"runWithDefault": {"posixUser": user}}
    return {"system": {"rootPath": str(root.state)}, "services": {NUCLEUS: nucleus}}


def boot_files(directory: Path) -> Iterator[Path]:
    """``config.yaml``, then the files of ``config.d`` by name."""
    if (directory / "config.yaml").exists():
        yield directory / "config.yaml"
    try:
        names = sorted(os.listdir(directory / "config.d"))
    except FileNotFoundError:
        return
    except OSError as error:
        log.error("boot files of %s are left out: %s", directory / "config.d", error.strerror)
        return
    for name in names:
        if name.endswith(_SUFFIXES) and not name.startswith("."):
            yield directory / "config.d" / name


def read_boot_file(path: Path) -> dict[str, Any]:
    """The map in a YAML or JSON file; an empty file is an empty map. Raises ``BadFile``."""
    try:
        # Without O_NONBLOCK a named pipe would stop the start.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except OSError as error:
        raise BadFile(error.strerror) from error
    if len(data) > MAX_FILE_SIZE:
        raise BadFile(f"it is bigger than the limit of {MAX_FILE_SIZE} bytes")
    try:
        text = (data or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"it is not UTF-8 text (byte {error.start})") from error
    try:
        content = parse_json(text) if path.name.endswith(".json") else parse_yaml(text, MAX_DEPTH)
    except BadDocument as error:
        raise BadFile(f"{error}") from error
    if content is None:
        return {}
    if type(content) is not dict:
        raise BadFile("it must hold a map of keys")
    return content


def _component_user() -> str:
    """The user and group that the installation on a device made for components; empty when there are none."""
    if not is_of_device():
        return ""
    import grp

    try:
        pwd.getpwnam(COMPONENT_USER)
        grp.getgrnam(COMPONENT_GROUP)
    except KeyError:
        return ""
    return f"{COMPONENT_USER}:{COMPONENT_GROUP}"


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container run under a number that has no name
        return str(os.geteuid())
