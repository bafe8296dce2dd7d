"""The file by which nobody notices that the daemon was killed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import msgpack
import pytest

from ggl.paths import find_root
from ggl.tesd.cache import Answer, Entry
from ggl.tesd.keeping import Kept, fingerprint, load, save

GOOD = Entry(Answer(200, credentials={"accessKeyId": "A"}, body="{}", lifetime=9.0), 1.0, 2.0)
KEPT = Kept((5000, 6000), "this", "me", "f", GOOD, Entry(Answer(403, "no"), 3.0))


def test_what_was_saved_is_there_for_the_same_user_only(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    save(path, KEPT)
    save(path, KEPT)

    assert load(path) == KEPT
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["credentials"]


def test_after_a_boot_only_the_ports_count(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    save(path, KEPT)
    data = msgpack.unpackb(path.read_bytes())
    path.write_bytes(msgpack.packb(data | {"boot": "another"}))

    assert load(path) == Kept((5000, 6000), "this", "me", "f")


def test_a_file_of_an_earlier_version_has_the_ports_too(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    save(path, KEPT)
    data = msgpack.unpackb(path.read_bytes())
    path.write_bytes(msgpack.packb({key: data[key] for key in ("ports", "identity", "boot", "good")}))

    assert load(path) == Kept((5000, 6000), "", "me", "", GOOD)


def test_a_change_of_the_configuration_shows_and_a_look_at_it_does_not(tmp_path: Path) -> None:
    root = find_root(str(tmp_path))

    seen = [fingerprint(root), fingerprint(root)]  # there is none to be seen
    with closing(connect(root.config_db, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (x)")
        seen.append(fingerprint(root))
        for value in (1, 2):
            db.execute("INSERT INTO t VALUES (?)", (value,))
            seen.append(fingerprint(root))
    assert len(set(seen)) == len(seen)
    at_rest = fingerprint(root)
    with closing(connect(root.config_db)) as db:
        db.execute("SELECT * FROM t").fetchall()
        assert fingerprint(root) == at_rest
    assert fingerprint(root) == at_rest


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "credentials") == Kept()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xc1",
        b"x",
        msgpack.packb([]),
        msgpack.packb({"ports": [0]}),
        msgpack.packb({"ports": [1] * 9}),
        b"\x80" * 99999,
    ],
)
def test_what_is_damaged_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(content)
    assert load(path) == Kept()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path, target = tmp_path / "credentials", tmp_path / "target"
    save(target, KEPT)
    path.symlink_to(target)
    assert load(path) == Kept()
    save(path, Kept((7000,)))
    assert load(path).ports == (7000,)
    assert load(target) == KEPT
