"""Whether the daemons' user could run an interpreter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ggl.host.systemd import reach


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for one in a directory that is open to everybody; ``tmp_path`` itself is not."""
    monkeypatch.setattr(reach, "_HIDDEN", ())
    monkeypatch.setattr(reach, "_NEEDED", ())
    directory = tmp_path / "open"
    directory.mkdir()
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o111)
    return directory / "python3"


def test_a_closed_directory_on_the_way_is_named(interpreter: Path) -> None:
    interpreter.parent.chmod(0o700)
    why = reach.obstacle([str(interpreter)])
    assert f"{interpreter.parent} is closed to other users (mode 700)" in why


def test_where_a_link_leads_counts(interpreter: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python3").touch()
    interpreter.symlink_to(closed / "python3")
    assert f"{closed} is closed" in reach.obstacle([str(interpreter)])


def test_what_the_sandbox_hides_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "from whom /home is hidden" in reach.obstacle(["/home/x/venv/bin/python3"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try it as somebody else")
def test_in_the_end_it_is_tried(interpreter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter.write_text("#!/bin/sh\necho 'ImportError: no such library' >&2; exit 1\n")
    interpreter.chmod(0o755)
    assert reach.obstacle([str(interpreter)]).endswith("as another user: ImportError: no such library")
    interpreter.write_text("#!/bin/sh\nexit 0\n")
    assert reach.obstacle([str(interpreter)]) == ""


def test_the_packages_count_as_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reach, "_HIDDEN", ())
    monkeypatch.setattr(reach, "_NEEDED", ("closed_package",))
    (tmp_path / "closed_package.py").touch()
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert f"{tmp_path}/closed_package.py is needed" in reach.obstacle(["/bin/sh"])
