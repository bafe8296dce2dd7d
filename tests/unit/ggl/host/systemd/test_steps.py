"""The parts of the steps that need no systemd."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ggl.host import store
from ggl.host.systemd import cgroup, records
from ggl.host.systemd.records import Run
from ggl.host.systemd.surroundings import Surroundings, definition
from ggl.host.systemd.syntax import escaped
from ggl.host.unit import Command, Condition, Start, Unit

UNIT = Unit("ggl.a b", component="a b", start=(Start("run", Command("true")),), revision="1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    monkeypatch.setenv("GGL_ROOT", str(tmp_path))
    monkeypatch.setenv("GGL_RUN", str(tmp_path))
    monkeypatch.setenv("INVOCATION_ID", "this")
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    store.save(tmp_path / "units", UNIT, True)
    return Surroundings(UNIT.name)


def test_a_record_of_an_earlier_run_is_not_taken_for_this_ones(here: Surroundings) -> None:
    times = {"run": [1.0, 2.0]}
    here.write(Run(UNIT.to_dict(), "earlier", kind="run", result="signal", restarts=4, failures=times), "")
    assert here.run() == Run(invocation="this", restarts=4, failures=times)
    here.write(Run(UNIT.to_dict(), "this", kind="run"), "")
    assert definition(here.run()) == UNIT


def test_a_record_that_cannot_be_kept_is_a_reason_not_an_end(here: Surroundings) -> None:
    here.directory.write_text("in the way")
    assert "cannot keep a record" in here.write(Run(), "")


def step(*arguments: str) -> int:
    words = [sys.executable, "-m", "ggl.host.systemd.step", *arguments]
    return subprocess.run(words, capture_output=True, env={**os.environ}).returncode


def test_a_start_without_a_definition_says_so_in_its_record(here: Surroundings) -> None:
    assert step("start", "ggl.other", "run") == 203
    run = records.read_run(here.directory, "ggl.other")
    assert (run.kind, run.began, run.invocation, "no definition" in run.why) == ("run", False, "this", True)


def test_a_start_with_nothing_to_do_is_a_success_of_no_kind(here: Surroundings) -> None:
    skipped = Start("run", Command("exit 1", skip_if=Condition("exists", "/")))
    store.save(here.root.units, Unit(UNIT.name, component="a", start=(skipped,)), True)
    assert step("start", escaped(UNIT.name), "run") == 0
    assert (here.run().kind, here.run().began) == ("", False)


def test_errors_count_until_something_of_importance_changes(here: Surroundings) -> None:
    times = {"run": [1.0, 2.0]}
    for revision, kept in (("1", times), ("2", {})):
        here.write(Run({**UNIT.to_dict(), "revision": revision}, "earlier", restarts=4, failures=times), "")
        store.save(here.root.units, Unit(**{**vars(UNIT), "user": "nobodyhere"}), True)
        assert step("start", escaped(UNIT.name), "run") == 203
        assert (here.run().failures, here.run().restarts) == (kept, 4)


def test_a_start_imports_little() -> None:
    modules = ("step", "surroundings", "step_start")
    code = "import sys; " + "; ".join(f"import ggl.host.systemd.{each}" for each in modules) + "; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"argparse", "asyncio", "jeepney", "logging", "subprocess", "ssl", "yaml"} & set(told)


@pytest.mark.parametrize(
    ("lines", "file"),
    [
        ("0::/system.slice/ggl.a.service\n", "system.slice/ggl.b.service"),
        (
            "4:memory:/x\n1:name=systemd:/system.slice/ggl.a.service\n0::/system.slice/ggl.a.service\n",
            "systemd/system.slice/ggl.b.service",
        ),
    ],
)
def test_the_processes_of_the_unit_beside(
    lines: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / file
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text("12\n7\n")
    read = cgroup._lines
    monkeypatch.setattr(cgroup, "_MOUNTED", str(tmp_path))
    monkeypatch.setattr(cgroup, "_lines", lambda name: lines.splitlines() if name.startswith("/proc") else read(name))
    assert cgroup.processes_of("ggl.b.service") == [7, 12]
    assert cgroup.processes_of("ggl.c.service") == []


def test_an_end_for_want_of_memory_is_seen_in_either_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    read = cgroup._lines
    monkeypatch.setattr(cgroup, "_MOUNTED", str(tmp_path))
    monkeypatch.setattr(cgroup, "_lines", lambda name: ["0::/x"] if name.startswith("/proc") else read(name))
    assert not cgroup.out_of_memory()
    (tmp_path / "x/memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    assert cgroup.out_of_memory()
