"""Unit files: every loaded unit on disk, so that a restarted supervisor brings up what was deployed.

One JSON file a unit in ``<root>/units``, replaced as a whole. A file that cannot be read costs only its unit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from ggl.durable import write_json
from ggl.host.unit import Unit
from ggl.log import get_logger
from ggl.values import InvalidValue, get_bool, get_dict

_SUFFIX = ".json"

_log = get_logger("host")


def save(directory: Path, unit: Unit, wanted: bool) -> None:
    """Raises ``OSError`` when the disk does not take it; then the file of before is still there."""
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / (unit.name + _SUFFIX), {"wanted": wanted, "unit": unit.to_dict()})


def remove(directory: Path, name: str) -> None:
    """Only syncing ``directory`` makes it last: until then a power cut may bring the file back. Raises ``OSError``."""
    (directory / (name + _SUFFIX)).unlink(missing_ok=True)


def load(directory: Path, name: str) -> Unit | None:
    """The unit ``name``; ``None`` when it is not there, or its file cannot be used."""
    return next((unit for unit, _ in _load(directory / (name + _SUFFIX))), None)


def is_readable(directory: Path, name: str) -> bool:
    """There is a file of the unit ``name``, and this process may read it."""
    return os.access(directory / (name + _SUFFIX), os.R_OK)


def load_all(directory: Path) -> Iterator[tuple[Unit, bool]]:
    """Every unit that can be read, and whether it is meant to be up."""
    if not directory.is_dir():
        return
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        yield from _load(path)


def _load(path: Path) -> Iterator[tuple[Unit, bool]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        yield Unit.from_dict(get_dict(data, "unit")), get_bool(data, "wanted")
    except (OSError, ValueError, AttributeError, TypeError, InvalidValue) as error:
        _log.error("the unit file %s cannot be used and is left alone: %s", path, error)
