"""``ggl deploy local --watch``: deploy again whenever something was saved, until Ctrl-C.

A round that fails, because a recipe is broken or a component is, says so, and the next one follows when the next file
is saved. What a round would deploy is compared with what the last one did: saving a file that is no part of it, or the
same text again, deploys nothing. What is saved while a round is under way makes the next round.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ggl.bus import BusError
from gglcli import output
from gglcli.client import translate
from gglcli.deployment import End, create, failure, follow
from gglcli.errors import INTERRUPTED, NOT_FOUND, NOT_RUNNING, USAGE, CliError
from gglcli.output import Text
from gglcli.policy_warnings import warn_of_policies
from gglcli.project import gdk
from gglcli.project.changes import changed_files, next_change, snapshot
from gglcli.project.request import Local, digest, request_for
from gglcli.session import session

SHOWN = 3
"""So many changed files are named."""


class Rounds:
    """``deployed``: the digest of what runs, empty when the last round did not succeed."""

    def __init__(self, options: Local) -> None:
        self._options = options
        self._deployed = ""
        self.files = snapshot(options.places)
        """As the last round found them."""

    def run(self) -> End | None:
        """Deploy; ``None`` when nothing is different. Raises ``CliError``."""
        try:
            self.files = snapshot(self._options.places)
            with request_for(self._options) as request:
                self._pass_over_build()
                what = digest(request)
                if what == self._deployed:
                    return None
                self._deployed = ""
                deployment_id = create(request)
            end = follow(deployment_id)
        except CliError:
            self._pass_over_build()
            raise
        except BusError as error:
            raise translate(error) from None
        except OSError as error:
            # A file that goes away or is not readable just now: the next save may mend that.
            raise CliError(f"cannot use {error.filename}: {error.strerror}") from None
        if end.succeeded:
            self._deployed = what
        return end

    def _pass_over_build(self) -> None:
        """What a build wrote is no reason to build again."""
        if self._options.build and any((path / gdk.CONFIG).is_file() for path in self._options.paths):
            self.files = snapshot(self._options.places)


def watch(options: Local) -> NoReturn:
    """Until Ctrl-C. Raises ``CliError`` when not even the first round is possible: the runtime is down, or the command
    line wrong."""
    for place in options.places:
        if not place.exists():
            raise CliError(f"there is no file or folder {place}", NOT_FOUND)
    rounds = Rounds(options)
    changed: list[Path] = []
    output.note(f"watching {', '.join(map(str, options.places))}; Ctrl-C ends it")
    while True:
        try:
            end = rounds.run()
        except CliError as error:
            if error.exit_code == INTERRUPTED or (not changed and error.exit_code in (NOT_RUNNING, USAGE)):
                raise
            _report(changed, None, error)
        else:
            _report(changed, end, None if end is None or end.succeeded else failure(end.deployment))
        before = rounds.files
        changed = changed_files(before, next_change(options.places, before))
        if not session.json:
            moment = time.strftime("%H:%M:%SZ", time.gmtime())
            output.item(None, Text(""))
            output.item(None, Text(f"{moment} changed: {_names(changed)}", "head"))


def _report(changed: Sequence[Path], end: End | None, problem: CliError | None) -> None:
    """How a round ended; the way there was shown already."""
    data: dict[str, Any] = {
        "changed": [str(path) for path in changed],
        "deployment": end.data() if end else None,
        "error": problem.to_dict() if problem else None,
    }
    if session.json:
        output.item(data, Text(""))
        return
    if end:
        end.show_logs()
        if end.succeeded:
            warn_of_policies(end.deployment["components"])
    if problem:
        output.error(problem)
    elif end is None:
        output.item(None, Text("nothing to deploy: it is what runs already", "dim"))


def _names(paths: Sequence[Path]) -> str:
    names = [str(path) if path.exists() else f"{path} (gone)" for path in paths[:SHOWN]]
    more = len(paths) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
