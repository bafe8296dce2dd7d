"""What is asked of journalctl, and what becomes of its answers. (With a real journal: tests/system/test_logs.py.)"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ggl.logs import journal
from ggl.logs.journal import Journal
from ggl.logs.reader import Query
from ggl.logs.source import Unreadable

Answer = Callable[..., None]


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Make a journalctl that prints something, and notes what it was asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))

    def answer(script: str) -> None:
        program = tmp_path / "journalctl"
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> "$ASKED"\n{script}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    return answer


@pytest.fixture
def asked(tmp_path: Path) -> Callable[[], list[str]]:
    return lambda: (tmp_path / "asked").read_text().splitlines()


def entry(number: int, message: str, unit: str = "ggl.org.A.service") -> str:
    fields = {"__CURSOR": f"i={number}", "__REALTIME_TIMESTAMP": str(number), "MESSAGE": message, "_SYSTEMD_UNIT": unit}
    return json.dumps(fields)


def read(query: Query = Query(), last: int | None = None) -> list[str]:  # noqa: B008
    return [record.message for record in Journal().records(["org.A"], query, last)]


def test_the_journal_sorts_out_what_it_can(journalctl: Answer, asked: Callable[[], list[str]]) -> None:
    journalctl(":")
    read(Query(since=1_500_000, until=2_000_001, level="ERROR"), last=5)
    (words,) = asked()
    assert "--reverse --since=@1.500000" in words
    assert "--until=@2.000001" in words
    assert " _SYSTEMD_UNIT=ggl.org.A.service _SYSTEMD_UNIT=ggl.org.A.install.service " in words
    assert [word for word in words.split() if "PRIORITY=" in word] == [f"PRIORITY={i}" for i in range(4)]


def test_what_the_host_says_of_components_is_looked_for_as_well(
    journalctl: Answer, asked: Callable[[], list[str]]
) -> None:
    journalctl(":")
    list(Journal().records(["ggl.core.hostd"], Query(level="FATAL"), None))
    levels = "PRIORITY=0 PRIORITY=1"
    hostd = f"_SYSTEMD_UNIT=ggl.core.hostd.service {levels} + SYSLOG_IDENTIFIER=ggl.core.hostd {levels}"
    assert asked()[0].endswith(hostd)


def test_a_daemon_with_a_process_for_each_port_is_looked_for_in_all_of_them(
    journalctl: Answer, asked: Callable[[], list[str]]
) -> None:
    name = "ggl.core.tesserverd"
    journalctl(f"echo '{entry(1, 'hello', unit=f'{name}@8080.service')}'")
    assert [record.message for record in Journal().records([name], Query(), None)] == ["hello"]
    assert asked()[0].endswith(f"_SYSTEMD_UNIT={name}.service + SYSLOG_IDENTIFIER=tesserverd")


def test_what_has_no_priority_is_not_sorted_out_as_information(
    journalctl: Answer, asked: Callable[[], list[str]]
) -> None:
    journalctl(f"echo '{entry(1, 'hello')}'")
    assert read(Query(level="INFO")) == ["hello"]
    assert "PRIORITY=" not in asked()[0]


def test_of_many_no_more_is_read_than_is_shown(journalctl: Answer) -> None:
    journalctl(f"while :; do echo '{entry(1, 'again and again')}'; done")
    assert read(last=3) == ["again and again"] * 3


def test_a_journalctl_without_regular_expressions_does_as_well(
    journalctl: Answer, asked: Callable[[], list[str]]
) -> None:
    journalctl(
        'case "$*" in *--grep=*) echo "Compiled without pattern matching support" >&2; exit 1;; esac\n'
        f"echo '{entry(1, 'one trail=aa')}'; echo '{entry(2, 'two')}'"
    )
    assert read(Query(trail="aa")) == ["one trail=aa"]
    assert len(asked()) == 2


def test_a_journalctl_that_finds_nothing_has_not_failed(journalctl: Answer, asked: Callable[[], list[str]]) -> None:
    journalctl("exit 1")
    assert read(Query(trail="aa")) == []
    assert len(asked()) == 1


def test_an_entry_without_end_is_left_out(journalctl: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "ENTRY_LIMIT", 200)
    journalctl(f"echo '{entry(1, 'one')}'; echo '{entry(2, 'x' * 1000)}'; echo '{entry(3, 'three')}'")
    assert read() == ["one", "three"]


@pytest.mark.parametrize(
    ("script", "says", "hint"),
    [
        (
            "echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1",
            "no permission to read the journal",
            "systemd-journal",
        ),
        (
            "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2",
            "no permission to read the journal",
            "systemd-journal",
        ),
        (
            "echo 'Failed to open: Bad message' >&2; exit 1",
            "journalctl cannot read the journal: Failed to open: Bad message",
            "",
        ),
    ],
)
def test_a_journal_that_cannot_be_read_is_said_in_a_line(journalctl: Answer, script: str, says: str, hint: str) -> None:
    journalctl(script)
    with pytest.raises(Unreadable) as caught:
        Journal().names()
    assert str(caught.value) == says
    assert hint in caught.value.hint


def test_a_device_without_journalctl_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unreadable, match="this device has no journalctl"):
        read()
