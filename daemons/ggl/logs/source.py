"""The logs of one runtime, wherever its host keeps them: in files of its own, or in the device's journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ggl.logs.files import scan
from ggl.logs.follow import follow as follow_files
from ggl.logs.reader import Query, merge
from ggl.logs.record import Record
from ggl.paths import Root


class Unreadable(Exception):
    """The logs cannot be read; the text says why, ``hint`` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class LogSource(Protocol):
    """Reads the logs of a runtime, be it up or down. A log is called after its component, or ``ggl.core.<daemon>``."""

    place: str
    """Where the logs are, as people say it."""
    host_daemon: str
    """The daemon that runs all others, as people call it."""

    def names(self) -> list[str]:
        """What has a log, removed components included. Raises ``OSError``, ``Unreadable``."""
        ...

    def records(
        self, names: Sequence[str] | None, query: Query, last: int | None, follow: bool = False
    ) -> Iterator[Record]:
        """The selected records of ``names`` (all when ``None``), oldest first; of many, only the ``last`` ones.

        With ``follow``, what is written after that comes as it is written, without end. Raises like ``names``.
        """
        ...

    def whereabouts(self, component: str) -> str:
        """Where the log of ``component`` is found without us: a file, or a command."""
        ...


class LogFiles:
    """The log files of the process host in ``root``."""

    host_daemon = "ggld"

    def __init__(self, root: Root) -> None:
        self._directory = root.logs
        self.place = str(root.logs)

    def names(self) -> list[str]:
        return list(scan(self._directory))

    def records(
        self, names: Sequence[str] | None, query: Query, last: int | None, follow: bool = False
    ) -> Iterator[Record]:
        found = scan(self._directory)
        chosen = {name: found[name] for name in found if names is None or name in names}
        yield from merge(chosen, query, last)
        if follow:
            yield from follow_files(self._directory, chosen, names, query)

    def whereabouts(self, component: str) -> str:
        return str(self._directory / f"{component}.log")


def log_source(root: Root) -> LogSource:
    """The logs of the runtime at ``root``."""
    from ggl.host.detect import host_of

    if host_of(root) == "systemd":
        from ggl.logs.journal import Journal

        return Journal()
    return LogFiles(root)
