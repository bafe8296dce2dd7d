"""Unpacking ZIP and TAR files that somebody else made."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.deploymentd import archive
from ggl.deploymentd.archive import BadArchive, NoRoom, unpack


def make(path: Path, entries: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            file.writestr(info, content)
    return path


@dataclass(frozen=True)
class Entry:
    """Something in an archive: ``kind`` as in tarfile, ``target`` of a link."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    size: int = 0
    """What the header says, when that is not the truth."""


S, H, D = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def make_tar(path: Path, *entries: Entry, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.mode = entry.kind, entry.target, 0o6777
            info.size = len(entry.content)
            if entry.size:  # tarfile would not write it
                info.size = entry.size
                file.fileobj.write(info.tobuf())
            else:
                file.addfile(info, io.BytesIO(entry.content))
    return path


def make_zip(path: Path, *entries: Entry) -> Path:
    kinds = {S: stat.S_IFLNK, D: stat.S_IFDIR, tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR}
    with zipfile.ZipFile(path, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)
            info.external_attr = (kinds.get(entry.kind, stat.S_IFREG) | 0o6777) << 16
            file.writestr(info, entry.target or entry.content)
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


def test_a_bomb_is_refused_and_nothing_of_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FLOOR", 1024 * 1024)
    with pytest.raises(BadArchive, match="more than the limits allow"):
        unpack(make(tmp_path / "a.zip", {"zeros": bytes(16 * 1024 * 1024)}), tmp_path / "a")
    assert names(tmp_path) == {"a.zip"}


def test_an_archive_of_too_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(BadArchive, match="more than 2 entries"):
        unpack(make(tmp_path / "a.zip", {"a": b"", "b": b"", "c": b""}), tmp_path / "a")


@pytest.mark.parametrize("entries", [{"a": b"file", "a/b": b"below"}, {"a/b": b"below", "a": b"file"}])
def test_a_name_that_is_both_file_and_directory_is_refused(tmp_path: Path, entries: dict[str, bytes]) -> None:
    with pytest.raises(BadArchive, match="collides"):
        unpack(make(tmp_path / "a.zip", entries), tmp_path / "a")


HOSTILE = {
    "a name with ..": ([Entry("../evil")], "leave its directory"),
    "a name with .. in it": ([Entry("a/../../evil")], "leave its directory"),
    "an absolute name": ([Entry("/etc/evil")], "leave its directory"),
    "backslashes": ([Entry("a\\..\\evil")], "leave its directory"),
    "a control character": ([Entry("a\nb")], "control character"),
    "a file of no name": ([Entry("./")], "collides|is no usable"),
    "the same file twice": ([Entry("a", b"1"), Entry("a", b"2")], "collides"),
    "a file as a directory": ([Entry("a"), Entry("a/b")], "collides"),
    "a link out": ([Entry("a", kind=S, target="../evil")], "leads out"),
    "a link to an absolute path": ([Entry("a", kind=S, target="/etc/passwd")], "leads out"),
    "a link out over a link": (
        [Entry("d/e/x"), Entry("d/up", kind=S, target=".."), Entry("out", kind=S, target="d/up/../../..")],
        "leads out|is not there",
    ),
    "a link out that looks as if it were inside": (
        [Entry("d/e/x"), Entry("s", kind=S, target="."), Entry("d/e/out", kind=S, target="../../s/s/../..")],
        "leads out",
    ),
    "a file through a link": ([Entry("l", kind=S, target="."), Entry("l/x")], "collides"),
    "a link to nothing": ([Entry("a", kind=S, target="b")], "is not there"),
    "links in a circle": ([Entry("a", kind=S, target="b"), Entry("b", kind=S, target="a")], "is not there"),
    "a link with no target": ([Entry("a", kind=S, target="")], "leads out"),
    "a pipe": ([Entry("a", kind=tarfile.FIFOTYPE)], "special file"),
    "a device": ([Entry("a", kind=tarfile.CHRTYPE)], "special file"),
}
HOSTILE_TAR = {
    "a hard link out": ([Entry("a", kind=H, target="../../../etc/hostname")], "leave its directory"),
    "a hard link to nothing": ([Entry("a", kind=H, target="b"), Entry("b")], "no file before it"),
    "a hard link to a link": (
        [Entry("x"), Entry("l", kind=S, target="x"), Entry("a", kind=H, target="l")],
        "no file before it",
    ),
    "a sparse file": ([Entry("a", kind=tarfile.GNUTYPE_SPARSE)], "special file"),
    "a header that lies": ([Entry("a", size=1 << 40)], "no usable|limits"),
    "a huge name": ([Entry("a", kind=tarfile.GNUTYPE_LONGNAME, size=1 << 30)], "header that is too large"),
    "a huge extended header": ([Entry("a", kind=tarfile.XHDTYPE, size=1 << 30)], "header that is too large"),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("kind", ["ZIP", "TAR"])
def test_a_hostile_archive_is_refused_as_a_whole(tmp_path: Path, kind: str, what: str) -> None:
    entries, reason = HOSTILE[what]
    if kind == "ZIP" and what == "a file of no name":
        return  # a name that ends in a slash is a directory there
    make = make_zip if kind == "ZIP" else make_tar
    file = make(tmp_path / "archive", Entry("fine", b"fine"), *entries)
    refused(tmp_path, file, kind, reason)


@pytest.mark.parametrize("what", HOSTILE_TAR)
def test_a_hostile_tar_is_refused_as_a_whole(tmp_path: Path, what: str) -> None:
    entries, reason = HOSTILE_TAR[what]
    refused(tmp_path, make_tar(tmp_path / "archive", Entry("fine", b"fine"), *entries), "TAR", reason)


def refused(tmp_path: Path, file: Path, kind: str, reason: str) -> None:
    with pytest.raises(BadArchive, match=reason):
        unpack(file, tmp_path / "deep" / "out", kind)
    assert names(tmp_path) == {"archive"}
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_encrypted_or_oddly_compressed_zip_is_told(tmp_path: Path) -> None:
    file = make_zip(tmp_path / "archive", Entry("a", b"x"))
    data = bytearray(file.read_bytes())
    listed = data.index(b"PK\x01\x02")
    file.write_bytes(bytes(data[: listed + 8]) + b"\1" + bytes(data[listed + 9 :]))
    refused(tmp_path, file, "ZIP", "is encrypted")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"x" * 100)
    refused(tmp_path, file, "ZIP", "compressed in another way")


@pytest.mark.parametrize("kind", ["ZIP", "TAR"])
def test_links_inside_are_made(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "ZIP" else make_tar
    links = [
        Entry("current", kind=S, target="v2"),
        Entry("v2/deep/up", kind=S, target="../../v1/file"),
        Entry("over", kind=S, target="current/file"),
    ]
    unpack(make(tmp_path / "archive", *links, Entry("v1/file", b"1"), Entry("v2/file", b"2")), tmp_path / "out", kind)
    assert os.readlink(tmp_path / "out/current") == "v2"
    assert (tmp_path / "out/v2/deep/up").read_bytes() == b"1"
    assert (tmp_path / "out/over").read_bytes() == b"2"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_unpacked_however_it_is_compressed(tmp_path: Path, mode: str) -> None:
    large = os.urandom(3_000_000)
    entries = [Entry("./", kind=D), Entry("./a", b"1"), Entry("copy", kind=H, target="./a"), Entry("n" * 200, large)]
    unpack(make_tar(tmp_path / "a.tar", *entries, mode=mode), tmp_path / "out", "TAR")
    assert names(tmp_path / "out") == {"a", "copy", "n" * 200}
    assert (tmp_path / "out" / ("n" * 200)).read_bytes() == large
    copy = (tmp_path / "out/copy").stat()
    assert (copy.st_nlink, copy.st_mode & 0o7000) == (1, 0)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_tar_bomb_is_refused(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_FLOOR", 1024 * 1024)
    make_tar(tmp_path / "archive", Entry("zeros", bytes(32 * 1024 * 1024)), mode=mode)
    refused(tmp_path, tmp_path / "archive", "TAR", "more than the limits allow")


def test_a_tar_bomb_of_nothing_but_headers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_ENTRIES", 100)
    make_tar(tmp_path / "archive", *(Entry(f"d{n}", kind=D) for n in range(200)), mode="w:gz")
    refused(tmp_path, tmp_path / "archive", "TAR", "more than 100 entries")


def test_a_zip_with_an_endless_list_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 1000)
    make_zip(tmp_path / "archive", *(Entry(f"f{n}") for n in range(50)))
    refused(tmp_path, tmp_path / "archive", "ZIP", "entries")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_that_is_cut_off_or_damaged_in_the_middle_is_refused(tmp_path: Path, mode: str) -> None:
    file = make_tar(tmp_path / "archive", *(Entry(f"f{n}", os.urandom(5000)) for n in range(4)), mode=mode)
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:11200] + b"?" * 600 + whole[11800:]):
        file.write_bytes(data)
        refused(tmp_path, file, "TAR", ".")


def test_what_does_not_fit_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    make_zip(tmp_path / "archive", Entry("a", bytes(1000)))
    with pytest.raises(NoRoom):
        unpack(tmp_path / "archive", tmp_path / "out", room=999)
    assert names(tmp_path) == {"archive"}
    unpack(tmp_path / "archive", tmp_path / "out", room=1000)


@given(st.sampled_from(["ZIP", "TAR"]), st.binary(max_size=200))
def test_garbage_is_refused(tmp_path_factory: pytest.TempPathFactory, kind: str, content: bytes) -> None:
    directory = tmp_path_factory.mktemp("garbage")
    (directory / "a").write_bytes(content)
    with pytest.raises(BadArchive):
        unpack(directory / "a", directory / "out", kind)
    assert not (directory / "out").exists()


@given(st.sampled_from(["ZIP", "w", "w:gz", "w:bz2", "w:xz"]), st.data())
def test_a_damaged_archive_is_refused_or_unpacked_but_never_leaves_the_directory(
    tmp_path_factory: pytest.TempPathFactory, mode: str, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("damaged")
    entries = [Entry("one/file", b"content" * 20), Entry("two", b"x"), Entry("link", kind=S, target="two")]
    file = directory / "archive"
    good = bytearray((make_zip(file, *entries) if mode == "ZIP" else make_tar(file, *entries, mode=mode)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(good)
    try:
        unpack(file, directory / "deep" / "out", mode[:3] if mode == "ZIP" else "TAR")
    except BadArchive:
        assert not (directory / "deep" / "out").exists()
    assert {path.name for path in directory.iterdir()} <= {"archive", "deep"}
