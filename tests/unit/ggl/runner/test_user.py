"""What belongs to the user whom a component runs as."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ggl.runner.user import Account, hand_over

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

BEFORE, AFTER, OTHER = 54321, 54322, 54323


def test_a_directory_goes_to_its_new_user_with_what_the_old_one_had_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    work = tmp_path / "work"
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "file").write_text("")
    (work / "link").symlink_to(outside)
    (work / "foreign").write_text("")
    for path in (outside, work, work / "deep", work / "deep" / "er", work / "deep" / "er" / "file", work / "link"):
        os.chown(path, BEFORE, BEFORE, follow_symlinks=False)
    os.chown(work / "foreign", OTHER, OTHER)
    hand_over(work, Account(AFTER, AFTER + 1, "", "/"))
    owners = {path.relative_to(tmp_path).as_posix(): path.lstat().st_uid for path in tmp_path.rglob("*")}
    assert owners == {
        "outside": BEFORE,
        "work": AFTER,
        "work/deep": AFTER,
        "work/deep/er": AFTER,
        "work/deep/er/file": AFTER,
        "work/link": AFTER,
        "work/foreign": OTHER,
    }
    assert work.stat().st_gid == AFTER + 1
    # Nothing is looked through again as long as the directory has the right owner.
    os.chown(work / "deep", BEFORE, BEFORE)
    hand_over(work, Account(AFTER, AFTER + 1, "", "/"))
    assert (work / "deep").stat().st_uid == BEFORE
