"""Unpacking ZIP files that somebody else made."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.deploymentd import archive
from ggl.deploymentd.archive import BadArchive, unpack


def make(path: Path, entries: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


def names(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_files_and_directories_appear_under_the_target(tmp_path: Path) -> None:
    unpack(make(tmp_path / "a.zip", {"main.py": b"1", "lib/": b"", "lib/x/y.py": b"2"}), tmp_path / "out" / "a")
    assert names(tmp_path / "out") == {"a/main.py", "a/lib/x/y.py"}


def test_what_was_there_before_is_replaced(tmp_path: Path) -> None:
    unpack(make(tmp_path / "a.zip", {"old": b"1", "both": b"1"}), tmp_path / "a")
    unpack(make(tmp_path / "a.zip", {"new": b"2", "both": b"2"}), tmp_path / "a")
    assert names(tmp_path / "a") == {"new", "both"}
    assert (tmp_path / "a" / "both").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil", "..", "a/.."])
def test_an_entry_that_would_leave_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadArchive, match="leave its directory"):
        unpack(make(tmp_path / "a.zip", {"fine": b"", name: b"x"}), tmp_path / "deep" / "a")
    assert names(tmp_path) == {"a.zip"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_special_files_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(BadArchive, match="link or a special file"):
        unpack(make(tmp_path / "a.zip", {"x": b"/etc/passwd"}, kind | 0o777), tmp_path / "a")


def test_a_bomb_is_refused_and_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FLOOR", 1024 * 1024)
    with pytest.raises(BadArchive, match="more than the limits allow"):
        unpack(make(tmp_path / "a.zip", {"zeros": bytes(16 * 1024 * 1024)}), tmp_path / "a")
    assert names(tmp_path) == {"a.zip"}


def test_an_archive_of_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(BadArchive, match="3 entries"):
        unpack(make(tmp_path / "a.zip", {"a": b"", "b": b"", "c": b""}), tmp_path / "a")


@pytest.mark.parametrize("entries", [{"a": b"file", "a/b": b"below"}, {"a/b": b"below", "a": b"file"}])
def test_a_name_that_is_both_file_and_directory_is_refused(tmp_path: Path, entries: dict[str, bytes]) -> None:
    with pytest.raises(BadArchive, match="collides"):
        unpack(make(tmp_path / "a.zip", entries), tmp_path / "a")


@given(st.binary(max_size=200))
def test_garbage_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("zip")
    (directory / "a.zip").write_bytes(content)
    with pytest.raises(BadArchive):
        unpack(directory / "a.zip", directory / "a")
    assert not (directory / "a").exists()


@given(st.data())
def test_a_damaged_archive_is_refused_or_unpacked_but_never_leaves_the_directory(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("zip")
    good = bytearray(make(directory / "a.zip", {"one/file": b"content" * 20, "two": b"x"}).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    (directory / "a.zip").write_bytes(good)
    try:
        unpack(directory / "a.zip", directory / "out" / "a")
    except BadArchive:
        assert not (directory / "out" / "a").exists()
    assert {path.name for path in directory.iterdir()} <= {"a.zip", "out"}
