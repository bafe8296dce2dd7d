"""What no generation needs goes, and nothing else."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ggl.deploymentd import cleanup, digests
from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.cleanup import clean
from ggl.deploymentd.contents import Contents
from ggl.deploymentd.placing import differences, place
from ggl.deploymentd.store import Store
from tests.unit.ggl.deploymentd.conftest import Workshop


def deploy(workshop: Workshop, version: str, content: bytes) -> Contents:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(zipfile.ZipInfo("logs/"), b"")
        file.writestr(zipfile.ZipInfo("main"), content)
    workshop.recipe("A", version, artifacts="{URI: 's3://b/app.zip', Unarchive: ZIP}")
    workshop.artifact(f"A/{version}/app.zip", buffer.getvalue())
    staging = workshop.stage()
    store = Store(workshop.root, staging)
    recipe = store.recipe("A", version)
    contents = prepare(workshop.root, staging, recipe, recipe.manifests[0], None, store)
    place(workshop.root, staging, contents)
    staging.remove()
    return contents


def test_what_only_an_earlier_generation_has_is_as_it_was_there(workshop: Workshop) -> None:
    oldest = deploy(workshop, "1.0.0", b"oldest")
    workshop.artifact("A/1.0.0/data", b"good")
    earlier, current = deploy(workshop, "1.0.0", b"earlier"), deploy(workshop, "2.0.0", b"current")
    keep = [oldest, earlier, current]
    before = left(workshop)
    assert clean(workshop.root, keep, current) == []
    assert left(workshop) == before
    workshop.artifact("A/1.0.0/data", b"bad")
    workshop.artifact("A/1.0.0/extra", b"bad")
    failed = deploy(workshop, "1.0.0", b"failed")
    made = workshop.root.artifacts / "A/1.0.0/main.pyc"
    made.write_bytes(b"")
    place(workshop.root, None, current)
    assert set(differences(workshop.root, earlier)) >= {"artifacts/A/1.0.0/data", "artifacts-unarchived/A/1.0.0/app"}
    clean(workshop.root, keep, current)
    made.unlink()
    assert left(workshop) == before
    assert differences(workshop.root, earlier) == differences(workshop.root, current) == []
    # What cannot be put back keeps nothing else from being cleaned.
    assert any(path.startswith("kept/") for path in clean(workshop.root, [failed, current], current))
    # What runs is never changed.
    place(workshop.root, None, earlier)
    clean(workshop.root, [earlier, failed], earlier)
    assert differences(workshop.root, earlier) == []


def left(workshop: Workshop) -> set[str]:
    packages = workshop.root.packages
    return {str(path.relative_to(packages)) for path in packages.rglob("*") if path.name != ".digests.json"}


def test_only_what_a_generation_needs_stays(workshop: Workshop) -> None:
    one, two, three = deploy(workshop, "1.0.0", b"1"), deploy(workshop, "1.0.0", b"2"), deploy(workshop, "2.0.0", b"3")
    before = left(workshop)
    assert clean(workshop.root, [one, two, three]) == []
    assert left(workshop) == before
    removed = clean(workshop.root, [one])
    assert {path for path in removed if not path.startswith("kept/")} == {
        "artifacts/A/2.0.0",
        "artifacts-unarchived/A/2.0.0",
        "recipes/A-2.0.0.yaml",
    }
    assert {path.name for path in (workshop.root.packages / "kept").iterdir()} <= one.digests()
    place(workshop.root, None, one)
    assert differences(workshop.root, one) == []
    assert (workshop.root.artifacts_unarchived / "A/1.0.0/app/logs").is_dir()
    clean(workshop.root, [])
    assert left(workshop) == {"recipes", "artifacts", "artifacts-unarchived", "kept"}


def test_what_an_interruption_left_goes_and_what_a_component_made_stays(workshop: Workshop) -> None:
    contents = deploy(workshop, "1.0.0", b"1")
    packages = workshop.root.packages
    rubbish = [
        "recipes/.A-1.0.0.new",
        "kept/.0.new",
        "kept/.abc.new",
        "artifacts/A/1.0.0/.app.zip.new",
        "artifacts-unarchived/A/1.0.0/.app.old/main",
        "artifacts-unarchived/A/1.0.0/.app.next/main",
        "artifacts-unarchived/A/1.0.0/..app.next.unpacked",
        ".digests.json.new",
    ]
    made = ["artifacts/A/1.0.0/__pycache__/main.pyc", "artifacts-unarchived/A/1.0.0/app/state.db"]
    for path in (*rubbish, *made):
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_bytes(b"")
    (packages / "artifacts/Gone/1.0.0").mkdir(parents=True)
    clean(workshop.root, [contents])
    paths = left(workshop)
    assert not [path for path in rubbish if path in paths]
    assert not (packages / "artifacts/Gone").exists()
    assert paths >= {*made, *contents.files, *contents.archives}
    assert differences(workshop.root, contents) == []


def test_one_bad_file_keeps_nothing_else_from_being_removed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(workshop, "1.0.0", b"1")
    original = cleanup.shutil.rmtree

    def stubborn(path: Path, *rest: Any, **more: Any) -> None:
        if "artifacts/" in str(path):
            raise PermissionError("busy")
        original(path, *rest, **more)

    monkeypatch.setattr(cleanup.shutil, "rmtree", stubborn)
    assert clean(workshop.root, []) == ["artifacts-unarchived/A/1.0.0", "recipes/A-1.0.0.yaml"]


def test_digests_of_files_that_went_are_forgotten(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "LARGE", 1)
    monkeypatch.setattr(digests, "SETTLED_NS", -1_000_000_000)
    contents = deploy(workshop, "1.0.0", b"1")
    differences(workshop.root, contents)
    remembered = workshop.root.packages / ".digests.json"
    assert json.loads(remembered.read_text())
    clean(workshop.root, [])
    assert json.loads(remembered.read_text()) == {}
