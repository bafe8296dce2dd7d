"""What jobsd must not forget, on the disk.

::

    jobs/<number>.json      an assignment that is not finished
    jobs-finished.json      the last ones that are, to know them when they come again

An assignment is in the list of the finished before its own file goes, so that a crash in between loses nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.durable import sync_directory, write_json
from ggl.jobsd.assignment import Assignment
from ggl.log import get_logger
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.paths import Root

DIRECTORY = "jobs"
FINISHED = "jobs-finished.json"
MAX_FINISHED = 100

_log = get_logger("jobsd")


class Store:
    """``present``: the assignments by number; ``past``: those that are finished, oldest first."""

    def __init__(self, root: Root) -> None:
        self._directory = root.state / DIRECTORY
        self._finished = root.state / FINISHED
        self.present: dict[int, Assignment] = {}
        self.past: list[Assignment] = []
        self._last = 0

    def load(self) -> None:
        """Take over what is on the disk. A file that cannot be read is removed: it would never be."""
        values = _read(self._finished)
        found = (_decode(value, self._finished) for value in (values if isinstance(values, list) else ()))
        self.past = [each for each in found if each is not None]
        finished = {each.number for each in self.past}
        for path in sorted(self._directory.glob("*")) if self._directory.is_dir() else ():
            value = _read(path) if path.suffix == ".json" else None
            assignment = None if value is None else _decode(value, path)
            if assignment is None or assignment.number in finished or path != self._path(assignment):
                _remove(path)
            else:
                self.present[assignment.number] = assignment
        self.present = dict(sorted(self.present.items()))
        self._last = max((*self.present, *finished), default=0)

    @property
    def last(self) -> int:
        """The number of the newest one."""
        return self._last

    def next_number(self) -> int:
        self._last += 1
        return self._last

    def put(self, assignment: Assignment) -> None:
        """Raises ``OSError`` when the disk does not take it; it is kept in memory even so."""
        self.present[assignment.number] = assignment
        self._directory.mkdir(mode=0o700, exist_ok=True)
        write_json(self._path(assignment), assignment.to_dict())

    def drop(self, assignment: Assignment) -> None:
        """Forget one that nobody was told of yet."""
        self.present.pop(assignment.number, None)
        _remove(self._path(assignment))

    def finish(self, assignment: Assignment) -> None:
        """Raises ``OSError``; then the same is done when it is loaded the next time."""
        self.present.pop(assignment.number, None)
        self.past = [*(each for each in self.past if each.number != assignment.number), assignment][-MAX_FINISHED:]
        write_json(self._finished, [each.to_dict() for each in self.past])
        self._path(assignment).unlink(missing_ok=True)
        sync_directory(self._directory)

    def _path(self, assignment: Assignment) -> Path:
        return self._directory / f"{assignment.number}.json"


def _read(path: Path) -> Any:
    """``None``: there is nothing that can be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.error("%s cannot be read and is left out: %s", path, error)
        return None


def _decode(value: Any, path: Path) -> Assignment | None:
    try:
        if not isinstance(value, dict):
            raise InvalidValue("it is no map")
        return Assignment.from_dict(value)
    except InvalidValue as error:
        _log.error("%s cannot be used and is left out: %s", path, error)
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.error("%s cannot be removed: %s", path, error.strerror or error)
