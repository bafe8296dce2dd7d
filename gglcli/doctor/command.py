"""Running the checks that were asked for, and showing what they find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gglcli import errors, output
from gglcli.doctor import finding
from gglcli.doctor.checks import CHECKS, Named, run
from gglcli.doctor.device import examine
from gglcli.doctor.finding import Finding
from gglcli.line import Columns
from gglcli.output import Table, Text
from gglcli.session import session

STYLES = {finding.OK: "good", finding.WARNING: "busy", finding.FAILURE: "bad", finding.SKIPPED: "dim"}
EXIT_CODES = {finding.FAILURE: errors.BROKEN, finding.WARNING: errors.WARNING}


def show_checks() -> int:
    rows = [[check.name, check.summary] for check in CHECKS]
    output.show([{"check": name, "what": what} for name, what in rows], Table(["CHECK", "WHAT"], rows))
    return errors.OK


def diagnose(names: Sequence[str], network: bool = True) -> int:
    """Run the checks called ``names``, or all; returns the exit code."""
    chosen = choose(names)
    findings: list[Finding] = []
    with _progress(f"running {len(chosen)} checks") as done:
        shown = _Shown()
        for _check, found in run(chosen, examine(network)):
            done()
            findings += found
            if not session.json:
                shown.add(found)
    if session.json:
        output.show([each.to_dict() for each in findings])
    else:
        shown.finish()
        _summary(findings)
    return exit_code(findings)


def choose(names: Sequence[str]) -> list[Named]:
    """The checks called ``names``, in the order of all. Raises ``CliError`` for a name that there is not."""
    known = [check.name for check in CHECKS]
    for name in names:
        if name not in known:
            raise errors.CliError(f"there is no check '{name}'", errors.USAGE, hint=f"there are {', '.join(known)}")
    return [check for check in CHECKS if check.name in names or not names]


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the worst."""
    statuses = {each.status for each in findings}
    return next((code for status, code in EXIT_CODES.items() if status in statuses), errors.OK)


class _Shown:
    """Writes findings as they come. Checks in a row that were skipped for one reason are one line."""

    def __init__(self) -> None:
        self._lines = Columns()
        self._alike: list[Finding] = []

    def add(self, found: Sequence[Finding]) -> None:
        """All that one check has found."""
        skipped_whole = len(found) == 1 and found[0].status == finding.SKIPPED and not found[0].remedy
        if not (skipped_whole and self._alike and self._alike[0].detail == found[0].detail):
            self.finish()
        if skipped_whole:
            self._alike += found
            return
        for each in found:
            title = "" if each.title == each.check else f"{each.title}: "
            self._write(each.status, each.check, f"{title}{each.detail}", each.remedy)

    def finish(self) -> None:
        if self._alike:
            self._write(finding.SKIPPED, ", ".join(each.check for each in self._alike), self._alike[0].detail)
        self._alike = []

    def _write(self, status: str, checks: str, text: str, remedy: str = "") -> None:
        mark = (f"{status:<7}", STYLES[status])
        output.item(None, self._lines.line(mark, (f"{checks + ':':<14}", "name"), (text, "")), at_once=not remedy)
        if remedy:
            output.item(None, self._lines.line((" " * len(mark[0]), ""), (f"-> {remedy}", "head")))


def _summary(findings: Sequence[Finding]) -> None:
    counts = {status: sum(each.status == status for each in findings) for status in STYLES}
    words = {finding.FAILURE: "failure", finding.WARNING: "warning"}
    bad = [f"{counts[status]} {word}{'s' if counts[status] != 1 else ''}" for status, word in words.items()]
    worst = next((status for status in words if counts[status]), finding.OK)
    parts = [each for each in bad if not each.startswith("0 ")] or ["no problem found"]
    skipped = f" ({counts[finding.SKIPPED]} skipped)" if counts[finding.SKIPPED] else ""
    output.item(None, Text(", ".join(parts) + skipped, STYLES[worst]))


@contextmanager
def _progress(text: str) -> Iterator[Callable[[], None]]:
    """Say on a terminal that something is under way, until the first result."""
    shown = sys.stderr.isatty() and output.on_terminal()
    if shown:
        sys.stderr.write(f"{text} ...")
        sys.stderr.flush()

    def done() -> None:
        nonlocal shown
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        shown = False

    try:
        yield done
    finally:
        done()
