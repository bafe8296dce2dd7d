"""``Skipif``: when a step is not run."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from ggl.host.conditions import is_skipped
from ggl.host.unit import Command, Condition


def skipped(kind: str, value: str, negate: bool = False, user: str = "", privileged: bool = False) -> bool:
    return is_skipped(Command("true", skip_if=Condition(kind, value, negate), privileged=privileged), user)


def test_a_step_without_a_condition_runs() -> None:
    assert not is_skipped(Command("true"), "")


def test_a_file_that_exists_skips_the_step_unless_negated(tmp_path: Path) -> None:
    assert skipped("exists", str(tmp_path))
    assert not skipped("exists", str(tmp_path), negate=True)
    assert not skipped("exists", str(tmp_path / "nothing"))


def test_a_program_on_the_path_or_in_the_usual_places_skips_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert skipped("onpath", "sh")
    assert skipped("onpath", "/bin/sh")
    assert not skipped("onpath", "no-such-program")
    assert not skipped("onpath", "/etc/passwd"), "a file that is not executable is no program"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs steps as somebody else")
def test_the_home_is_that_of_the_user_whom_the_step_runs_as() -> None:
    other = next(
        entry for entry in pwd.getpwall() if entry.pw_uid and Path(entry.pw_dir).is_dir() and entry.pw_dir != "/"
    )
    name = next((item.name for item in Path(other.pw_dir).iterdir()), None)
    if name is None or (Path.home() / name).exists():
        pytest.skip("no two homes on this machine can be told apart")
    assert skipped("exists", f"~/{name}", user=other.pw_name)
    assert not skipped("exists", f"~/{name}", user=other.pw_name, privileged=True)
