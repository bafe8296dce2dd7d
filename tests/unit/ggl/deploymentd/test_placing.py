"""The component store is switched to what a deployment needs, and back, whatever comes in between."""

from __future__ import annotations

import io
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.deploymentd import placing, unpacking
from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.contents import Contents, merge
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.placing import differences, place
from ggl.deploymentd.staging import Staging
from ggl.deploymentd.store import Store
from tests.unit.ggl.deploymentd.conftest import Workshop


def zipped(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def contents_of(workshop: Workshop, staging: Staging) -> Contents:
    store = Store(workshop.root, staging)
    each = []
    for text in store.check():
        recipe = store.recipe(*text.split())
        each.append(prepare(workshop.root, staging, recipe, recipe.manifests[0], None, store))
    return merge(each)


def snapshot(root: Path) -> dict[str, tuple[str, str]]:
    """Every file below ``root`` with its mode and content, but for hidden ones and what is kept."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and "/." not in f"/{name}" and not name.startswith(placing.KEPT):
            found[name] = (oct(stat.S_IMODE(path.stat().st_mode)), path.read_bytes().hex())
    return found


def first(workshop: Workshop) -> Staging:
    """A deployment with a bit of everything."""
    workshop.recipe(
        "A",
        artifacts="{URI: 's3://b/app.zip', Unarchive: ZIP}, {URI: 's3://b/tool', Permission: {Read: ALL}}",
        body="ComponentDescription: one",
    )
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"one", old=b""))
    workshop.artifact("A/1.0.0/tool", b"tool one")
    workshop.artifact("A/1.0.0/swap", b"this")
    workshop.artifact("A/1.0.0/swapped", b"that")
    workshop.artifact("A/1.0.0/same", b"same")
    workshop.artifact("A/1.0.0/file", b"a file")
    workshop.recipe("B", artifacts="{URI: 's3://b/tool'}")
    workshop.artifact("B/1.0.0/tool", b"same")
    return workshop.stage("first")


def second(workshop: Workshop) -> Staging:
    """The same component versions with other contents, more files, and a folder where a file was."""
    (workshop.recipes / "A.yaml").unlink()
    workshop.recipe(
        "A",
        file="A.yml",
        artifacts="{URI: 's3://b/app.zip', Unarchive: ZIP}, {URI: 's3://b/tool', Permission: {Execute: ALL}}",
        body="ComponentDescription: two",
    )
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"two", new=b""))
    workshop.artifact("A/1.0.0/tool", b"tool two")
    workshop.artifact("A/1.0.0/swap", b"that")
    workshop.artifact("A/1.0.0/swapped", b"this")
    workshop.artifact("A/1.0.0/extra", b"extra")
    (workshop.artifacts / "A/1.0.0/file").unlink()
    workshop.artifact("A/1.0.0/file/below", b"below")
    return workshop.stage("second")


@pytest.fixture
def deployed(workshop: Workshop) -> Callable[[], tuple[Contents, Contents, Staging]]:
    """Place the first deployment, and prepare the second."""

    def make() -> tuple[Contents, Contents, Staging]:
        shutil.rmtree(workshop.root.state, ignore_errors=True)
        shutil.rmtree(workshop.recipes)
        shutil.rmtree(workshop.artifacts)
        workshop.recipes.mkdir()
        workshop.artifacts.mkdir()
        staging = first(workshop)
        old = contents_of(workshop, staging)
        place(workshop.root, staging, old)
        staging.remove()
        staging = second(workshop)
        return old, contents_of(workshop, staging), staging

    return make


Deployed = Callable[[], tuple[Contents, Contents, Staging]]


def test_forward_and_back_again_are_exact(workshop: Workshop, deployed: Deployed) -> None:
    old, new, staging = deployed()
    before = snapshot(workshop.root.packages)
    assert before["artifacts/A/1.0.0/tool"][0] == "0o444"
    assert differences(workshop.root, old) == []
    assert set(differences(workshop.root, new)) >= {"recipes/A-1.0.0.yml", "artifacts-unarchived/A/1.0.0/app"}
    place(workshop.root, staging, new)
    staging.remove()
    after = snapshot(workshop.root.packages)
    assert differences(workshop.root, new) == []
    assert bytes.fromhex(after["artifacts-unarchived/A/1.0.0/app/main"][1]) == b"two"
    assert after["artifacts/A/1.0.0/tool"] == ("0o555", b"tool two".hex())
    assert "artifacts/A/1.0.0/file/below" in after
    assert "recipes/A-1.0.0.yaml" not in after
    place(workshop.root, None, old)
    assert snapshot(workshop.root.packages) == before
    assert differences(workshop.root, old) == []
    place(workshop.root, None, new)
    assert snapshot(workshop.root.packages) == after


def test_nothing_is_touched_before_and_what_does_not_differ_never(workshop: Workshop, deployed: Deployed) -> None:
    _, new, staging = deployed()
    before = snapshot(workshop.root.packages)
    contents_of(workshop, staging)
    assert snapshot(workshop.root.packages) == before
    same = workshop.root.artifacts / "A/1.0.0/same"
    inode = same.stat().st_ino
    with (workshop.root.artifacts / "A/1.0.0/tool").open("rb") as in_use:
        place(workshop.root, staging, new)
        assert in_use.read() == b"tool one"
    assert same.stat().st_ino == inode


def test_contents_survive_as_plain_data(deployed: Deployed) -> None:
    old, _, _ = deployed()
    assert Contents.from_dict(old.to_dict()) == old


class Cut(BaseException):
    """The process dies here."""


OPERATIONS = (
    (os, ("rename", "link", "unlink", "mkdir", "chmod", "rmdir")),
    (placing, ("sync_filesystem",)),
    (unpacking, ("sync_filesystem",)),
)


@contextmanager
def dying_after(operations: int) -> Iterator[list[str]]:
    """Let that many operations on the file system happen, and no more."""
    done: list[str] = []

    def counted(name: str, original: Any) -> Any:
        def operation(*values: Any, **named: Any) -> Any:
            if len(done) >= operations:
                raise Cut
            done.append(name)
            return original(*values, **named)

        return operation

    with pytest.MonkeyPatch.context() as patch:
        for module, names in OPERATIONS:
            for name in names:
                patch.setattr(module, name, counted(name, getattr(module, name)))
        yield done


def test_placing_completes_after_a_kill_at_any_point_forward_and_back(workshop: Workshop, deployed: Deployed) -> None:
    old, new, staging = deployed()
    before = snapshot(workshop.root.packages)
    with dying_after(10_000) as done:
        place(workshop.root, staging, new)
    after = snapshot(workshop.root.packages)
    forward = len(done)
    with dying_after(10_000) as done:
        place(workshop.root, None, old)
    assert forward > 20
    for point in range(forward):
        _, _, staging = deployed()
        with dying_after(point), pytest.raises(Cut):
            place(workshop.root, staging, new)
        if point % 2:  # go on, and then back
            place(workshop.root, staging, new)
            assert snapshot(workshop.root.packages) == after
            assert differences(workshop.root, new) == []
        place(workshop.root, staging, old)
        assert snapshot(workshop.root.packages) == before
        assert differences(workshop.root, old) == []
    for point in range(len(done)):
        _, _, staging = deployed()
        place(workshop.root, staging, new)
        with dying_after(point), pytest.raises(Cut):
            place(workshop.root, None, old)
        place(workshop.root, None, old)
        assert snapshot(workshop.root.packages) == before
        place(workshop.root, None, new)
        assert snapshot(workshop.root.packages) == after


def test_an_interrupted_deployment_is_prepared_again_to_the_same(workshop: Workshop, deployed: Deployed) -> None:
    _, new, staging = deployed()
    for point in (5, 10, 15, 20, 25, 30):
        _, _, staging = deployed()
        with dying_after(point), pytest.raises(Cut):
            place(workshop.root, staging, new)
        store = Store(workshop.root, staging)
        each = []
        for name in "AB":
            recipe = store.recipe(name, "1.0.0")
            each.append(prepare(workshop.root, staging, recipe, recipe.manifests[0], None, store))
        place(workshop.root, staging, merge(each))
        assert differences(workshop.root, new) == []


def test_a_content_that_is_nowhere_is_told_before_anything_changes(workshop: Workshop, deployed: Deployed) -> None:
    old, new, staging = deployed()
    place(workshop.root, staging, new)
    before = snapshot(workshop.root.packages)
    kept = workshop.root.packages / "kept" / old.files["artifacts/A/1.0.0/tool"].digest
    kept.chmod(0o600)
    kept.write_bytes(b"damaged")
    with pytest.raises(DeploymentError, match=r"artifacts/A/1\.0\.0/tool .* is not on this device any more"):
        place(workshop.root, None, old)
    assert snapshot(workshop.root.packages) == before


def test_what_a_component_made_beside_its_artifacts_stays_and_is_none(workshop: Workshop, deployed: Deployed) -> None:
    old, new, staging = deployed()
    made = workshop.root.artifacts / "A/1.0.0/__pycache__/main.pyc"
    made.parent.mkdir()
    made.write_bytes(b"")
    assert contents_of(workshop, staging) == new
    place(workshop.root, staging, new)
    place(workshop.root, None, old)
    assert made.exists()


def test_a_changed_file_is_put_right_and_everybody_may_reach_it(workshop: Workshop, deployed: Deployed) -> None:
    old, _, _ = deployed()
    tool = workshop.root.artifacts / "A/1.0.0/tool"
    tool.chmod(0o600)
    workshop.root.artifacts.chmod(0o700)
    assert differences(workshop.root, old) == ["artifacts/A/1.0.0/tool"]
    tool.write_bytes(b"tampered")
    (workshop.root.packages / "kept").mkdir(exist_ok=True)
    kept = workshop.root.packages / "kept" / old.files["artifacts/A/1.0.0/tool"].digest
    kept.write_bytes(b"tool one")
    place(workshop.root, None, old)
    assert differences(workshop.root, old) == []
    assert oct(stat.S_IMODE(workshop.root.artifacts.stat().st_mode)) == "0o755"


def test_without_hard_links_copies_are_kept(
    workshop: Workshop, deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, staging = deployed()
    before = snapshot(workshop.root.packages)

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refused)
    place(workshop.root, staging, new)
    place(workshop.root, None, old)
    assert snapshot(workshop.root.packages) == before


def tool_of(workshop: Workshop, **contents: bytes) -> Contents:
    """Deploy a file ``tool`` for each component."""
    for name, content in contents.items():
        mode = "ALL" if name == "A" else "OWNER"
        workshop.recipe(name, artifacts=f"{{URI: 's3://b/tool', Permission: {{Read: {mode}}}}}")
        workshop.artifact(f"{name}/1.0.0/tool", content)
    staging = workshop.stage()
    found = contents_of(workshop, staging)
    place(workshop.root, staging, found)
    staging.remove()
    return found


def test_what_goes_back_at_one_path_is_still_there_for_another(workshop: Workshop) -> None:
    oldest = tool_of(workshop, A=b"one", B=b"one")
    before = snapshot(workshop.root.packages)
    base = tool_of(workshop, A=b"two", B=b"one")
    tool_of(workshop, A=b"two", B=b"broken")
    place(workshop.root, None, base)
    assert differences(workshop.root, base) == []
    place(workshop.root, None, oldest)
    assert snapshot(workshop.root.packages) == before
    tools = [workshop.root.artifacts / name / "1.0.0/tool" for name in "AB"]
    assert tools[0].stat().st_ino != tools[1].stat().st_ino


def test_a_content_that_is_not_kept_is_taken_from_where_it_is(workshop: Workshop) -> None:
    oldest = tool_of(workshop, A=b"one", B=b"one")
    tool_of(workshop, A=b"two", B=b"one")
    (workshop.root.packages / "kept" / oldest.files["artifacts/A/1.0.0/tool"].digest).unlink()
    place(workshop.root, None, oldest)
    assert differences(workshop.root, oldest) == []


def test_a_damaged_unpacked_file_is_mended_and_what_a_component_made_is_no_damage(
    workshop: Workshop, deployed: Deployed
) -> None:
    old, _, _ = deployed()
    directory = workshop.root.artifacts_unarchived / "A/1.0.0/app"
    before = snapshot(workshop.root.packages)
    (directory / "state.db").write_bytes(b"made")
    assert differences(workshop.root, old) == []
    place(workshop.root, None, old)
    assert (directory / "state.db").exists()
    (directory / "state.db").unlink()

    def change() -> None:
        (directory / "main").chmod(0o600)
        (directory / "main").write_bytes(b"ONE")
        (directory / "main").chmod(0o400)

    def replace_by_link() -> None:
        (directory / "old").unlink()
        (directory / "old").symlink_to("main")

    for damage in (change, replace_by_link, (directory / "main").unlink, lambda: (directory / "main").chmod(0o777)):
        damage()
        assert differences(workshop.root, old) == ["artifacts-unarchived/A/1.0.0/app"]
        place(workshop.root, None, old)
        assert differences(workshop.root, old) == []
        assert snapshot(workshop.root.packages) == before


@pytest.mark.parametrize("folder", ["artifacts-unarchived/A", "artifacts/A", "recipes", "artifacts-unarchived"])
@pytest.mark.parametrize("same", [True, False])
def test_nothing_is_written_or_removed_behind_a_link(
    workshop: Workshop, deployed: Deployed, tmp_path: Path, folder: str, same: bool
) -> None:
    old, new, staging = deployed()
    before = snapshot(workshop.root.packages)
    outside = tmp_path / "outside"
    (workshop.root.packages / folder).rename(outside)
    (workshop.root.packages / folder).symlink_to(outside)
    there = {path: (path.lstat().st_mode, path.read_bytes()) for path in outside.rglob("*") if path.is_file()}
    if same:
        place(workshop.root, None, old)
        assert snapshot(workshop.root.packages) == before
    else:
        place(workshop.root, staging, new)
        assert differences(workshop.root, new) == []
    assert not (workshop.root.packages / folder).is_symlink()
    assert {path: (path.lstat().st_mode, path.read_bytes()) for path in outside.rglob("*") if path.is_file()} == there
