"""The table of docs/compatibility.md: rows are operations, columns are clients, a cell says what came of their cases.

The suite keeps its outcome in pytest's cache; ``python -m tests.compat.table`` writes the table of it into the page.
A test fails when the page says something else than what the suite has just seen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from ggl.ipc.model import OPERATIONS
from tests.compat.case import CLIENTS, JS, C, Case
from tests.compat.cases import CASES

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
SAVED = ROOT / ".pytest_cache" / "compat.json"
BEGIN, END = "<!-- compat table -->", "<!-- compat table end -->"
COMPLETE, RESULTS = pytest.StashKey[bool](), pytest.StashKey["list[Result]"]()
"""Whether every case was to be run, and what came of those that have been."""
NOT_THERE = "not in the client"
UNUSED = "-"


@dataclass(frozen=True)
class Result:
    """What came of one case sent by one client. ``outcome``: passed, failed, skipped, or a known fault."""

    row: str
    client: str
    outcome: str
    served: bool


def clients_of(case: Case) -> tuple[str, ...]:
    """Who sends it: those that have the operation."""
    return tuple(client for client in case.clients if _offers(client, case.operation))


def _offers(client: str, operation: str) -> bool:
    if operation == "GetSystemConfig":
        return client == C
    return not (client == JS and operation == "SubscribeToIoTCoreConnectionStatus")


def every_case() -> set[tuple[str, str, str]]:
    return {(case.operation, case.title, client) for case in CASES for client in clients_of(case)}


def save(results: Iterable[Result]) -> None:
    SAVED.parent.mkdir(exist_ok=True)
    SAVED.write_text(json.dumps([asdict(result) for result in results], indent=1))


def rows() -> list[str]:
    """The 35 operations of the model, the one of the C runtime, and what concerns them all."""
    operations = [operation.short_name for operation in OPERATIONS.values()]
    named = [case.row or case.operation for case in CASES]
    return [*operations, *(name for name in dict.fromkeys(named) if name not in operations)]


def render(results: Iterable[Result]) -> str:
    """The table, in the shape of Markdown."""
    seen: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        seen.setdefault((result.row, result.client), []).append(result)
    named = {case.operation for case in CASES}
    lines = ["| Operation | " + " | ".join(CLIENTS) + " |", "|---|" + "---|" * len(CLIENTS)]
    for row in rows():
        cells = [_cell(row, client, seen.get((row, client), [])) for client in CLIENTS]
        title = f"`{row}`" if row in named else row
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(row: str, client: str, results: list[Result]) -> str:
    if not results:
        return NOT_THERE if not _offers(client, row) and row != "GetSystemConfig" else UNUSED
    count = {
        outcome: sum(result.outcome == outcome for result in results)
        for outcome in ("passed", "failed", "fault", "skipped")
    }
    if all(not result.served for result in results) and count["passed"] == len(results):
        return "refuses, as specified"
    said = [f"passes ({count['passed']})"] if count["passed"] else []
    said += [f"{count['fault']} known faults" if count["fault"] > 1 else "1 known fault"] if count["fault"] else []
    said += [f"**fails ({count['failed']})**"] if count["failed"] else []
    said += ["not tried"] if count["skipped"] else []
    return ", ".join(said)


def in_page() -> str:
    """What the page has between its marks. Raises ``ValueError`` when it has none."""
    text = PAGE.read_text()
    return text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def write(rendered: str) -> None:
    text = PAGE.read_text()
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    PAGE.write_text(f"{text[:before]}\n{rendered}\n{text[after:]}")


def main() -> None:
    try:
        results = [Result(**each) for each in json.loads(SAVED.read_text())]
    except FileNotFoundError:
        sys.exit("there is no outcome yet: run the suite first (pytest tests/compat)")
    write(render(results))


if __name__ == "__main__":
    main()
