"""What a step works with: its unit's definition and record, systemd's word for the unit, and systemd's ear."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ggl.host import store
from ggl.host.systemd import records
from ggl.host.systemd.layout import RECORDS
from ggl.host.systemd.syntax import unit_name
from ggl.host.unit import Unit
from ggl.log import get_logger
from ggl.notify import notify
from ggl.paths import SYSTEM, find_root
from ggl.values import InvalidValue

if TYPE_CHECKING:
    from ggl.host.systemd.records import Run, Wish

_log = get_logger("hostd")


class Surroundings:
    """``name`` is the unit's, as everybody but systemd calls it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.service = unit_name(name, "service")
        # Never looked up by the user: an administrator may have given the unit another one.
        self.root = find_root() if "GGL_ROOT" in os.environ else SYSTEM
        self.directory = self.root.run / RECORDS
        self.invocation = os.environ.get("INVOCATION_ID", "")
        self.outside = False
        """This process does for a step what that cannot do itself (``outside``)."""

    def is_confined(self) -> bool:
        """What a step works with is out of its reach: somebody has put the unit into a sandbox."""
        if self.outside or not self.root.system:
            return False
        # Each directory is made when it is first needed.
        written = (path if os.path.lexists(path) else path.parent for path in (self.root.work, self.directory))
        return not (store.is_readable(self.root.units, self.name) and all(os.access(path, os.W_OK) for path in written))

    def loaded(self) -> Unit | None:
        """The definition that is in force for the next start; ``None`` when it is gone."""
        return store.load(self.root.units, self.name)

    def run(self) -> Run:
        """The record of this run; an empty one, with what counts of the runs before, when it did not get that far."""
        run = records.read_run(self.directory, self.name)
        if run.invocation == self.invocation:
            return run
        return records.Run(invocation=self.invocation, failures=run.failures, restarts=run.restarts)

    def wish(self) -> Wish:
        return records.read_wish(self.directory, self.name)

    def write(self, run: Run, message: str) -> str:
        """Keep ``run``, and say so: the host's daemon learns of it by the change of the unit's status text.

        Returns what kept it from being kept, which is logged as well; else an empty text.
        """
        problem = self._keep(run)
        if problem:
            _log.error("%s: %s", self.name, problem)
        self.tell(message)
        return problem

    def tell(self, message: str) -> None:
        """Say that the record has changed."""
        notify("STATUS=" + " ".join(message.split()))

    def _keep(self, run: Run) -> str:
        try:
            self.directory.mkdir(mode=0o700, exist_ok=True)
            records.write_run(self.directory, self.name, run)
        except OSError as error:
            if self.is_confined():
                from ggl.host.systemd.outside import keep_outside

                return keep_outside(self, run)
            return f"cannot keep a record in {self.directory}: {error.strerror}"
        return ""


def definition(run: Run) -> Unit | None:
    """The definition with which ``run`` was started."""
    if not run.unit:
        return None
    try:
        return Unit.from_dict(run.unit)
    except InvalidValue:
        return None
