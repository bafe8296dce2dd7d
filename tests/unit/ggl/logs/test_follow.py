"""Following log files: growth, rotation, truncation, new units."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.logs import follow as module
from ggl.logs.files import scan
from ggl.logs.follow import follow
from ggl.logs.reader import Query
from ggl.logs.record import Record, format_record


class Log:
    """A log file that is written and rotated as the log writer does it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = 1_795_315_200

    def write(self, *messages: str) -> None:
        with self.path.open("ab") as file:
            for message in messages:
                self.time += 1
                file.write(format_record(self.time, "INFO", message))

    def rotate(self) -> None:
        for age in range(8, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{age + 1}")
            newer = self.path.with_name(f"{self.path.name}.{age}")
            if newer.exists():
                newer.rename(older)
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(module, "POLL_INTERVAL", 0.001)
    return Log(tmp_path / "a.log")


def start(log: Log, units: list[str] | None = None, query: Query = Query()) -> Iterator[Record]:  # noqa: B008
    return follow(log.path.parent, scan(log.path.parent), units, query)


def take(records: Iterator[Record], count: int) -> list[str]:
    return [next(records).message for _ in range(count)]


def test_only_what_comes_after_the_start_is_shown(log: Log) -> None:
    log.write("before")
    records = start(log)
    log.write("one", "two")
    assert take(records, 2) == ["one", "two"]


def test_a_rotation_while_the_files_are_listed_repeats_nothing(log: Log) -> None:
    log.write("old")
    log.rotate()
    log.write("one")
    tail = module.Tail("a", Query())
    segments = scan(log.path.parent)["a"]
    tail.start_after(segments[-1])
    log.write("two")
    # The file that is read was about to get its new name: the list has it under neither.
    assert [record.message for record in tail.read(segments[:-1])] == ["two"]
    assert [record.message for record in tail.read(scan(log.path.parent)["a"])] == []
    # It was moved away for good by somebody else.
    log.path.rename(log.path.with_name("elsewhere"))
    log.write("three")
    looks = [tail.read(scan(log.path.parent)["a"]) for _ in range(2)]
    assert [record.message for look in looks for record in look] == ["three"]
    tail.close()


def test_a_file_that_is_listed_under_both_of_its_names_is_one(log: Log) -> None:
    log.write("one")
    log.path.with_name("a.log.1").hardlink_to(log.path)
    assert [segment.age for segment in scan(log.path.parent)["a"]] == [0]


def test_nothing_is_lost_or_repeated_over_rotation(log: Log) -> None:
    log.write("before")
    records = start(log)
    log.write("one")
    assert take(records, 1) == ["one"]
    log.write("two")
    log.rotate()
    log.write("three")
    log.rotate()
    log.write("four")
    assert take(records, 3) == ["two", "three", "four"]
    log.write("five")
    assert take(records, 1) == ["five"]


def test_a_rotation_before_the_first_look_loses_nothing(log: Log) -> None:
    log.write("before")
    found = scan(log.path.parent)
    log.write("one")
    log.rotate()
    log.write("two")
    assert take(follow(log.path.parent, found, None, Query()), 2) == ["one", "two"]


def test_a_truncated_file_starts_anew(log: Log) -> None:
    log.write("before", "and more")
    records = start(log)
    log.write("one")
    assert take(records, 1) == ["one"]
    log.path.write_bytes(b"")
    log.write("two")
    assert take(records, 1) == ["two"]


def test_a_unit_that_appears_is_followed_from_its_beginning(log: Log) -> None:
    log.write("before")
    records = start(log)
    Log(log.path.with_name("b.log")).write("hello")
    record = next(records)
    assert (record.unit, record.message) == ("b", "hello")


def test_a_half_written_line_is_shown_when_it_is_whole(log: Log) -> None:
    log.write("before")
    line = format_record(1_795_315_300, "INFO", "a long message")
    with log.path.open("ab") as file:
        file.write(line[:35])
    records = start(log)
    with log.path.open("ab") as file:
        file.write(line[35:])
    assert take(records, 1) == ["a long message"]


def test_late_lines_of_a_record_share_its_fate(log: Log) -> None:
    log.write("nothing")
    records = start(log, query=Query(level="INFO"))
    log.write("Traceback:")
    assert take(records, 1) == ["Traceback:"]
    with log.path.open("ab") as file:
        file.write(b"  File x\n")
    record = next(records)
    assert record.continues
    assert record.message == "  File x"


def test_only_the_named_units_and_selected_records_are_followed(log: Log) -> None:
    log.write("before")
    other = Log(log.path.with_name("b.log"))
    records = start(log, ["b"], Query(trail="aa"))
    log.write("one trail=aa")
    other.write("two", "three trail=aa")
    assert take(records, 1) == ["three trail=aa"]
