"""Contents of the store as plain data, which may come from a damaged record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ggl.deploymentd.contents import Archive, Contents, File, merge
from ggl.deploymentd.placing import differences, place
from ggl.deploymentd.store import Store
from ggl.values import InvalidValue
from tests.unit.ggl.deploymentd.conftest import Workshop
from tests.unit.ggl.deploymentd.test_placing import contents_of, zipped

DIGEST = "0" * 64
FILE = {"digest": DIGEST, "mode": 0o550, "owner": None}
ARCHIVE = {"source": "artifacts/A/1.0.0/a.zip", "kind": "ZIP", "mode": 0o550, "owner": [1, 2]}


def test_plain_data_and_back() -> None:
    contents = Contents(
        {"artifacts/A/1.0.0/a.zip": File(DIGEST, 0o550, None), "recipes/A-1.0.0.yaml": File(DIGEST, 0o644, (1, 2))},
        {"artifacts-unarchived/A/1.0.0/a": Archive("artifacts/A/1.0.0/a.zip", "ZIP", 0o550, (1, 2))},
    )
    assert Contents.from_dict(contents.to_dict()) == contents
    assert Contents.from_dict({}) == Contents()


@pytest.mark.parametrize(
    "path", ["../evil", "/etc/passwd", "artifacts/../../evil", "kept/x", "artifacts", "", "recipes/\0"]
)
def test_a_path_out_of_the_store_is_refused(path: str) -> None:
    with pytest.raises(InvalidValue, match="belongs to the component store"):
        Contents.from_dict({"files": {path: FILE}})


@pytest.mark.parametrize(
    "change",
    [{"digest": "../x"}, {"mode": 0o4755}, {"mode": -1}, {"owner": [1]}, {"owner": ["root", 0]}, {"mode": "x"}],
)
def test_an_entry_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        Contents.from_dict({"files": {"artifacts/A/1.0.0/a.zip": {**FILE, **change}}})


def test_an_archive_needs_its_file() -> None:
    with pytest.raises(InvalidValue, match="which is not there"):
        Contents.from_dict({"archives": {"artifacts-unarchived/A/1.0.0/a": ARCHIVE}})


def test_the_later_one_counts() -> None:
    one, two = (Contents({"recipes/A-1.0.0.yaml": File(digit * 64, 0o644, None)}) for digit in "12")
    assert merge([one, two]) == two
    assert merge([]) == Contents()


def test_images_are_kept_with_the_files_and_were_not_always() -> None:
    together = merge([Contents(images=("a:1", "b:1")), Contents(images=("b:1", "c:1"))])
    assert together.images == ("a:1", "b:1", "c:1")
    assert Contents.from_dict(together.to_dict()) == together
    old = {key: value for key, value in together.to_dict().items() if key != "images"}
    assert Contents.from_dict(old).images == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_belong_to_whom_the_component_runs_as_and_go_back(workshop: Workshop) -> None:
    workshop.recipe("A", artifacts="{URI: 's3://b/app.zip', Unarchive: ZIP}")
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"1"))
    staging = workshop.stage()
    own = contents_of(workshop, staging)
    given = Contents(
        {path: File(file.digest, file.mode, (4711, 4712)) for path, file in own.files.items() if "recipes" not in path},
        {path: Archive(each.source, each.kind, each.mode, (4711, 4712)) for path, each in own.archives.items()},
    )
    place(workshop.root, staging, merge([own, given]))

    def owners() -> set[tuple[int, int]]:
        below = workshop.root.artifacts_unarchived / "A/1.0.0/app"
        paths: list[Path] = [workshop.root.artifacts / "A/1.0.0/app.zip", below, *below.rglob("*")]
        return {(path.stat().st_uid, path.stat().st_gid) for path in paths}

    assert owners() == {(4711, 4712)}
    assert differences(workshop.root, merge([own, given])) == []
    assert Store(workshop.root).source("A", "1.0.0").stat().st_uid == 0
    place(workshop.root, None, own)
    assert owners() == {(0, 0)}
