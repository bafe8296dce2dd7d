"""Entries of the journal, as journalctl of systemd 252 printed them."""

from __future__ import annotations

import json

import pytest

from ggl.logs.entry import name_of, names_of, parse_entry, units_of
from ggl.logs.record import Record

HELLO = "com.example.Hello"
CURSOR = "s=2739e332d53a43b38a672112e3c33cf2;i=2e;b=8789ac9669174e9381b7b1d5098c0531;m=5a19d1266;t=660ed2c943e03;x=b2c"
PLAIN = (
    '{"MESSAGE":"plain","_BOOT_ID":"8789ac9669174e9381b7b1d5098c0531","PRIORITY":"6","__MONOTONIC_TIMESTAMP":'
    f'"24186262118","__CURSOR":"{CURSOR}","__REALTIME_TIMESTAMP":"1795421631692291",'
    '"SYSLOG_IDENTIFIER":"com.example.Hello","_SYSTEMD_UNIT":"ggl.com.example.Hello.service"}\n'
)


def record(**changes: object) -> Record:
    """What comes of the entry above with other fields; ``None`` takes a field away."""
    fields = {**json.loads(PLAIN), **changes}
    entry = parse_entry(json.dumps({name: value for name, value in fields.items() if value is not None}).encode())
    assert entry is not None
    assert entry.record is not None
    return entry.record


def test_an_entry_is_a_record_with_its_place() -> None:
    entry = parse_entry(PLAIN.encode())
    assert entry is not None
    assert entry.cursor == CURSOR
    assert entry.time == 1795421631692291
    assert entry.record == Record(1795421631692291, "INFO", "plain", HELLO)


def test_the_priority_is_the_level() -> None:
    levels = [record(PRIORITY=str(priority)).level for priority in range(8)]
    assert levels == ["FATAL", "FATAL", "ERROR", "ERROR", "WARN", "INFO", "INFO", "DEBUG"]


@pytest.mark.parametrize("priority", [None, "9", "", "-1", "high", "²", ["3", "4"]])
def test_without_a_priority_it_is_information_or_the_first_of_several(priority: object) -> None:
    assert record(PRIORITY=priority).level == ("ERROR" if isinstance(priority, list) else "INFO")


def test_what_is_not_printable_comes_as_bytes() -> None:
    red = [27, 91, 51, 49, 109, 114, 101, 100, 27, 91, 48, 109]
    assert record(MESSAGE=red).message == "\x1b[31mred\x1b[0m"
    assert record(MESSAGE=[98, 97, 100, 32, 255, 32, 117, 116, 102, 56]).message == "bad \ufffd utf8"


def test_of_a_message_given_twice_the_first_counts() -> None:
    assert record(MESSAGE=["one", "two"]).message == "one"
    assert record(MESSAGE=[[255, 49], "two"]).message == "\ufffd1"


def test_lines_stay_lines_and_the_space_at_the_end_goes() -> None:
    assert record(MESSAGE="first\nsecond \n").message == "first\nsecond"
    assert record(MESSAGE="bus: it failed\\nbadly trail=3f9a2b11c0").trail == "3f9a2b11c0"


def test_the_time_is_when_the_journal_took_it() -> None:
    assert record(_SOURCE_REALTIME_TIMESTAMP="1").time == 1795421631692291


def test_who_labels_its_output_otherwise_stays_who_it_is() -> None:
    for identifier in ("com.example.Other", "kernel", "ggl.core.configd", None):
        assert record(SYSLOG_IDENTIFIER=identifier).unit == HELLO


def test_what_the_host_says_of_a_component_stands_in_its_own_log_if_it_was_root() -> None:
    assert record(SYSLOG_IDENTIFIER="ggl.core.hostd", _UID="0").unit == "ggl.core.hostd"
    for user in ("998", None):
        assert record(SYSLOG_IDENTIFIER="ggl.core.hostd", _UID=user).unit == HELLO
    assert record(SYSLOG_IDENTIFIER="ggl.core.configd", _UID="0").unit == HELLO


@pytest.mark.parametrize(
    "line",
    [
        PLAIN.replace('"MESSAGE":"plain"', '"MESSAGE":null'),
        PLAIN.replace('"MESSAGE":"plain",', ""),
        PLAIN.replace('"MESSAGE":"plain"', '"MESSAGE":[]'),
        PLAIN.replace('"MESSAGE":"plain"', '"MESSAGE":[{},3]'),
        PLAIN.replace("ggl.com.example.Hello.service", "ssh.service"),
        PLAIN.replace('"ggl.com.example.Hello.service"', "7"),
    ],
)
def test_what_says_nothing_or_is_of_others_is_no_record_but_a_place(line: str) -> None:
    entry = parse_entry(line.encode())
    assert entry is not None
    assert entry.record is None


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"-- No entries --\n", b"[]", b"{}", b'{"__CURSOR":"s=1"}', b"\xff", PLAIN[:80].encode()]
)
def test_what_is_no_entry_is_passed_over(line: bytes) -> None:
    assert parse_entry(line) is None


def test_a_log_is_that_of_a_component_with_all_its_units_or_of_a_daemon() -> None:
    assert units_of("org.A") == [
        "ggl.org.A.service",
        "ggl.org.A.install.service",
        "ggl.org.A.bootstrap.service",
        "ggl.org.A.uninstall.service",
    ]
    for name in ("org.A", "ggl.core.configd"):
        assert {name_of(unit) for unit in units_of(name)} == {name}
    assert name_of("ggl.core.given-up@ggl.core.configd.service") == "ggl.core.given-up@ggl.core.configd"
    for unit in ("init.scope", "ggl.gg_host.socket", "gglx.service", ""):
        assert name_of(unit) == ""


def test_a_component_may_be_called_like_the_step_of_another() -> None:
    unit = "ggl.org.A.install.service"
    assert name_of(unit, "org.A.install") == "org.A.install"
    assert name_of(unit, "org.A") == name_of(unit, "sudo") == name_of(unit) == "org.A"
    assert names_of(unit, {"org.A"}) == ["org.A"]
    assert names_of(unit, {"org.A", "org.A.install"}) == ["org.A", "org.A.install"]
    assert names_of("ggl.org.A.service", {"org.A.install"}) == ["org.A"]
