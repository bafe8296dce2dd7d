"""Recoveries on the disk."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from ggl.recoveryd.policy import LONGEST_INTERVAL
from ggl.recoveryd.record import Failure, Recovery, Rung
from ggl.recoveryd.store import KEPT, SHOWN, Store

RECOVERY = Recovery(
    "1-ggl.A", Failure("ggl.A", "A", "1.0.0", "main", "signal", 9, "why", 7), 1, generation=3,
    rungs=(Rung("restart", 2, attempt=1, ended=3, outcome="failed"), Rung("hook", 4, "a", origin="x", target="y")),
)  # fmt: skip
NOW = 10**12


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(RECOVERY)
    assert store.under_way() == [RECOVERY]
    over = replace(RECOVERY, closed=9, outcome="limp-home")
    store.finish(over)
    assert (store.under_way(), store.finished()) == ([], [over])
    assert os.listdir(tmp_path / "recovery") == []


def test_a_report_is_what_its_file_is_called_whatever_is_in_it(tmp_path: Path) -> None:
    reports = tmp_path / "recovery"
    reports.mkdir()
    (reports / "ggl.A.install.json").write_text(json.dumps({"unit": "ggl.B", "component": "A", "time": 5}))
    (reports / "ggl.core.x.json").write_bytes(b"\xff\0")
    (reports / "ggl.C.json").write_text("[" * 100_000)
    os.utime(reports / "ggl.A.install.json", (1, 1))
    store = Store(tmp_path)
    found = list(store.reports())
    assert found[0] == Failure("ggl.A.install", "A", time=5)
    assert {(failure.unit, failure.component) for failure in found[1:]} == {("ggl.core.x", ""), ("ggl.C", "C")}
    for failure in found:
        store.forget_report(failure.unit)
    assert list(store.reports()) == []


def test_what_an_interrupted_write_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(RECOVERY)
    for name, age in ((".ggl.A.json.new", 100), ("ggl.B.open.new", 100), (".young.new", 0)):
        path = tmp_path / "recovery" / name
        path.touch()
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    store.tidy()
    assert sorted(os.listdir(tmp_path / "recovery")) == [".young.new", "ggl.A.open"]


def test_a_record_that_cannot_be_read_is_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save(RECOVERY)
    (tmp_path / "recovery" / "ggl.A.open").write_text('{"id": 1}')
    assert store.under_way() == []
    assert os.listdir(tmp_path / "recovery") == []


def test_a_disk_that_takes_nothing_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "recovery").touch()
    store = Store(tmp_path)
    store.save(RECOVERY)
    assert (list(store.reports()), store.under_way()) == ([], [])


def test_old_recoveries_are_forgotten_but_those_that_a_limit_or_a_rollback_needs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old = NOW - int(LONGEST_INTERVAL * 1000) - 1

    def over(number: int, closed: int, **more: object) -> Recovery:
        recovery = Recovery(f"{number:03}", Failure("ggl.A", "A"), number, closed=closed, **more)  # type: ignore[arg-type]
        store.finish(recovery)
        return recovery

    went_back = over(0, old, rungs=(Rung("generation", 1, origin="5", target="4", deployment_id="d"),))
    forgotten = over(1, old)
    recent = over(2, NOW)
    newest = [over(3 + number, old) for number in range(SHOWN)]
    kept = store.prune([went_back, forgotten, recent, *newest], NOW)
    assert kept == [went_back, recent, *newest] == store.finished()
    many = [over(100 + number, NOW) for number in range(KEPT + 10)]
    assert store.prune(many, NOW) == many[10:]
