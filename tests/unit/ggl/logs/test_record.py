"""One line of a log file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ggl.logs.record import LEVELS, Record, format_record, format_time, parse_line

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")).map(str.rstrip)


def test_a_record_is_time_level_and_message() -> None:
    assert format_record(1795315201.123456, "INFO", "hello") == b"2026-11-22T02:40:01.123456Z INFO hello\n"


@given(st.integers(0, 4_000_000_000_000_000), st.sampled_from(LEVELS), TEXT)
def test_what_is_written_is_read_back(micros: int, level: str, message: str) -> None:
    line = format_record(micros / 1_000_000, level, message)
    record = parse_line(line)
    assert record is not None
    assert (record.level, record.message) == (level, message)
    assert abs(record.time - micros) <= 1  # a float holds no more
    assert format_time(record.time).encode() == line[:27]


@given(st.binary(max_size=80))
def test_no_line_breaks_the_parser(line: bytes) -> None:
    parse_line(line)


def test_other_lines_are_no_records() -> None:
    for line in (
        b"",
        b"    at com.example.Main.run(Main.java:7)",
        b"2026-11-22T02:40:01.123456Z NOTICE hello",
        b"2026-99-22T02:40:01.123456Z INFO hello",
        b"2026-11-22 02:40:01.123456Z INFO hello",
    ):
        assert parse_line(line) is None


def test_the_trail_is_the_last_word() -> None:
    assert Record(0, "INFO", "configd: wrote a key trail=3f9a2b11c0").trail == "3f9a2b11c0"
    assert Record(0, "INFO", "on the trail=1 of it").trail == ""
    assert Record(0, "INFO", "no trail").trail == ""
