"""Which hooks may be run, and what they are told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ggl.paths import find_root
from ggl.recoveryd.hooks import environment, find
from ggl.recoveryd.record import Failure, Recovery, Rung
from ggl.recoveryd.script import run

ME = os.geteuid()


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    directory = tmp_path / "recovery.d"
    directory.mkdir()
    directory.chmod(0o755)
    return directory


def put(directory: Path, name: str, mode: int = 0o755) -> None:
    (directory / name).write_text("#!/bin/sh\n")
    (directory / name).chmod(mode)


def test_executable_files_in_the_order_of_their_names(hooks: Path, tmp_path: Path) -> None:
    for name in ("20-b", "10-a", ".hidden", "30-c~", "40.bak"):
        put(hooks, name)
    put(hooks, "README", 0o644)
    (hooks / "50-directory").mkdir()
    assert find(tmp_path, ME) == (["10-a", "20-b"], [])


def test_no_directory_is_no_hooks(tmp_path: Path) -> None:
    assert find(tmp_path, ME) == ([], [])


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_what_others_may_write_to_is_not_run(hooks: Path, tmp_path: Path, mode: int) -> None:
    put(hooks, "a", mode)
    names, problems = find(tmp_path, ME)
    assert names == []
    assert problems == [f"{hooks}/a is not run: others may write to it (mode {mode:04o})"]
    put(hooks, "a")
    hooks.chmod(mode)
    names, problems = find(tmp_path, ME)
    assert names == []
    assert problems == [f"nothing in {hooks} is run: others may write to it (mode {mode:04o})"]


def test_what_belongs_to_another_user_is_not_run(hooks: Path, tmp_path: Path) -> None:
    put(hooks, "a")
    if ME == 0:
        os.chown(hooks / "a", 12345, -1)
        assert "it belongs to user 12345" in find(tmp_path, ME)[1][0]
    else:
        assert "belongs to user" in find(tmp_path, ME + 1)[1][0]


def test_a_symbolic_link_is_not_followed(hooks: Path, tmp_path: Path) -> None:
    put(tmp_path, "elsewhere")
    (hooks / "a").symlink_to(tmp_path / "elsewhere")
    assert find(tmp_path, ME) == ([], [f"{hooks}/a is not run: it is a symbolic link"])


def test_the_environment_is_made_anew_and_survives_what_a_failure_may_hold(tmp_path: Path) -> None:
    failure = Failure("ggl.A", "A", "1.0.0", "main", "signal", 9, "bad\0 \ud800" + "x" * 9000, 1700000000123)
    recovery = Recovery("id", failure, 1, generation=4, rungs=(Rung("restart", 1, ended=2, outcome="failed"),))
    root = find_root(str(tmp_path))
    made = environment(recovery, Rung("hook", 3, "a", attempt=2), root, {"SECRET": "s", "PATH": "/bin"})
    assert "SECRET" not in made
    assert made["PATH"] == "/bin"
    assert {name.removeprefix("GGL_RECOVERY_"): made[name] for name in made if name.startswith("GGL_RECOVERY_")} == {
        "ID": "id", "KIND": "component", "UNIT": "ggl.A", "COMPONENT": "A", "VERSION": "1.0.0", "PHASE": "main",
        "RESULT": "signal", "EXIT_STATUS": "9", "REASON": made["GGL_RECOVERY_REASON"], "TIME": "1700000000",
        "GENERATION": "4", "ATTEMPT": "2", "TRIED": "restart:failed", "LOGS": str(root.logs),
    }  # fmt: skip
    assert run(["/bin/true"], made, 60, lambda: False) == (True, "it exited with 0")


def test_a_script_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    succeeded, how = run(["/bin/sh", "-c", "sleep 1000"], {}, 0.2, lambda: False)
    assert (succeeded, how) == (False, "it took longer than 0.2 s and was ended")


def test_a_script_that_cannot_be_run_has_failed(tmp_path: Path) -> None:
    assert run([str(tmp_path / "nothing")], {}, 1, lambda: False)[0] is False
