"""Reading log files back: rotation, merging, filters, the last few."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ggl.logs.files import scan
from ggl.logs.reader import Query, find_unit, merge, read
from ggl.logs.record import format_record

BASE = 1_795_315_200.0
ALL = Query()


def write(path: Path, *lines: tuple[float, str] | tuple[float, str, str] | str) -> None:
    """Append records (seconds after ``BASE``, message, level) and raw lines."""
    with path.open("ab") as file:
        for line in lines:
            if isinstance(line, str):
                file.write(line.encode() + b"\n")
            else:
                file.write(format_record(BASE + line[0], line[2] if len(line) > 2 else "INFO", line[1]))


def messages(directory: Path, units: list[str] | None = None, query: Query = ALL, last: int | None = None) -> list[str]:
    return [record.message for record in read(directory, units, query, last)]


def test_rotated_files_are_read_oldest_first(tmp_path: Path) -> None:
    write(tmp_path / "a.log.10", (0, "one"))
    write(tmp_path / "a.log.2", (1, "two"))
    write(tmp_path / "a.log.1", (2, "three"))
    write(tmp_path / "a.log", (3, "four"))
    assert messages(tmp_path) == ["one", "two", "three", "four"]
    assert messages(tmp_path, last=3) == ["two", "three", "four"]


def test_units_are_merged_by_time_and_named(tmp_path: Path) -> None:
    write(tmp_path / "com.example.A.log", (0, "a0"), (2, "a2"))
    write(tmp_path / "ggl.core.configd.log", (1, "c1"), (3, "c3"))
    records = read(tmp_path)
    assert [record.message for record in records] == ["a0", "c1", "a2", "c3"]
    assert [record.unit for record in records][:2] == ["com.example.A", "ggl.core.configd"]
    assert messages(tmp_path, ["com.example.A"]) == ["a0", "a2"]
    assert messages(tmp_path, last=2) == ["a2", "c3"]


def test_other_lines_continue_the_record_before(tmp_path: Path) -> None:
    write(tmp_path / "a.log.1", (0, "Traceback:"), "  File x")
    write(tmp_path / "a.log", "ValueError: no", (1, "next"))
    whole = ["Traceback:\n  File x\nValueError: no", "next"]
    assert messages(tmp_path) == whole
    assert messages(tmp_path, last=2) == whole


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    write(tmp_path / "a.log", (0, "whole"))
    with (tmp_path / "a.log").open("ab") as file:
        file.write(b"2026-11-22T02:40:01.123456Z INFO ha")
    assert messages(tmp_path) == ["whole"]
    assert messages(tmp_path, last=5) == ["whole"]


@pytest.mark.parametrize("last", [None, 100])
def test_filters_select_records(tmp_path: Path, last: int | None) -> None:
    write(
        tmp_path / "a.log",
        (0, "early"),
        (10, "asked trail=aa11", "DEBUG"),
        (20, "slow: 17 s", "WARN"),
        (30, "failed trail=aa11", "ERROR"),
        (40, "late", "FATAL"),
    )

    def selected(**query: object) -> list[str]:
        return [m.split()[0] for m in messages(tmp_path, query=Query(**query), last=last)]  # type: ignore[arg-type]

    assert selected(since=int((BASE + 20) * 1e6)) == ["slow:", "failed", "late"]
    assert selected(until=int((BASE + 10) * 1e6)) == ["early", "asked"]
    assert selected(level="ERROR") == ["failed", "late"]
    assert selected(trail="aa11") == ["asked", "failed"]
    assert selected(grep=re.compile(r"\d+ s$")) == ["slow:"]


def test_the_last_records_of_a_large_file_need_no_whole_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(format_record(BASE + i, "INFO", f"line {i} " + "x" * 200) for i in range(20_000)))
    found = [message.split(" x")[0] for message in messages(tmp_path, last=300)]
    assert found == [f"line {i}" for i in range(19_700, 20_000)]


def test_a_file_rotated_while_it_is_read_is_found_again(tmp_path: Path) -> None:
    write(tmp_path / "a.log", (0, "one"))
    found = scan(tmp_path)
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    write(tmp_path / "a.log", (1, "two"))
    assert [record.message for record in merge(found, Query())] == ["one"]


def test_names_of_people_find_units() -> None:
    units = ["com.example.A", "ggl.core.configd"]
    assert find_unit("configd", units) == "ggl.core.configd"
    assert find_unit("ggl.com.example.A", units) == "com.example.A"
    assert find_unit("com.example.A", units) == "com.example.A"
    assert find_unit("nobody", units) is None


def test_no_logs_are_no_error(tmp_path: Path) -> None:
    assert messages(tmp_path / "nowhere") == []


@pytest.mark.parametrize("last", [None, 100])
def test_the_lines_after_a_record_that_is_not_selected_are_not_shown(tmp_path: Path, last: int | None) -> None:
    write(tmp_path / "a.log", (0, "one trail=aa"), "more of one", (1, "two trail=bb"), "more of two")
    write(tmp_path / "a.log", (2, "three trail=aa"))
    assert messages(tmp_path, query=Query(trail="aa"), last=last) == ["one trail=aa\nmore of one", "three trail=aa"]
    since = Query(since=int((BASE + 1) * 1e6))
    assert messages(tmp_path, query=since, last=last) == ["two trail=bb\nmore of two", "three trail=aa"]
