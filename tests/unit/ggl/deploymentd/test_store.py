"""From a developer's folders over the staging area into the component store."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from ggl.deploymentd import digests, space
from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.contents import merge
from ggl.deploymentd.digests import Digests
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.placing import place
from ggl.deploymentd.staging import orphans, stage, staging_of
from ggl.deploymentd.store import Store
from ggl.values import InvalidValue
from tests.unit.ggl.deploymentd.conftest import Workshop


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def put_in_place(workshop: Workshop, name: str) -> None:
    """Deploy what lies in the folders, as far as the store is concerned."""
    staging = workshop.stage(name)
    store = Store(workshop.root, staging)
    recipes = [store.recipe(*text.split()) for text in store.check()]
    each = [prepare(workshop.root, staging, recipe, recipe.manifests[0], None, store) for recipe in recipes]
    place(workshop.root, staging, merge(each))
    staging.remove()


def test_recipes_of_any_file_name_are_known_by_what_they_say(workshop: Workshop) -> None:
    workshop.recipe("org.sample.A", "1.0.0", file="recipe.yaml")
    workshop.recipe("org.sample.A", "1.2.0-rc.1+b", file="deep/down/recipe.yaml")
    workshop.recipe("B", "3.0.0", file="whatever.YML")
    (workshop.recipes / "package.json").write_text('{"name": "not a recipe"}')
    (workshop.recipes / "notes.txt").write_text("no recipe either")
    store = Store(workshop.root, workshop.stage())
    assert sorted(store.check()) == ["B 3.0.0", "org.sample.A 1.0.0", "org.sample.A 1.2.0-rc.1+b"]
    assert set(store.versions("org.sample.A")) == {"1.0.0", "1.2.0-rc.1+b"}
    assert store.recipe("B", "3.0.0").name == "B"
    assert list(store.versions("org.sample")) == []
    put_in_place(workshop, "again")
    assert files(workshop.root.recipes) == {
        "org.sample.A-1.0.0.yaml",
        "org.sample.A-1.2.0-rc.1+b.yaml",
        "B-3.0.0.yml",
    }
    assert set(Store(workshop.root).versions("org.sample.A")) == {"1.0.0", "1.2.0-rc.1+b"}


def test_a_component_whose_name_looks_like_a_version_of_another_is_kept_apart(workshop: Workshop) -> None:
    workshop.recipe("a", "1.0.0")
    workshop.recipe("a-1.0.0-b", "2.0.0")
    put_in_place(workshop, "one")
    store = Store(workshop.root)
    assert list(store.versions("a")) == ["1.0.0"]
    assert list(store.versions("a-1.0.0-b")) == ["2.0.0"]


def test_a_staged_recipe_comes_before_the_one_of_the_store_which_stays(workshop: Workshop) -> None:
    workshop.recipe("A", body="ComponentDescription: old")
    workshop.recipe("A", "2.0.0", file="two.yaml")
    put_in_place(workshop, "one")
    (workshop.recipes / "two.yaml").unlink()
    workshop.recipe("A", body="ComponentDescription: new").rename(workshop.recipes / "A.yml")
    staging = workshop.stage("two")
    store = Store(workshop.root, staging)
    assert store.recipe("A", "1.0.0").description == "new"
    assert store.source("A", "1.0.0").parent == staging.recipes
    assert store.source("A", "2.0.0") == workshop.root.recipes / "A-2.0.0.yaml"
    assert Store(workshop.root).recipe("A", "1.0.0").description == "old"


def test_a_recipe_of_the_store_that_cannot_be_read_hides_no_other(workshop: Workshop) -> None:
    workshop.recipe("A")
    put_in_place(workshop, "one")
    (workshop.root.recipes / "A-2.0.0.yaml").write_text("{")
    assert list(Store(workshop.root).versions("A")) == ["1.0.0"]


def test_only_what_belongs_to_a_component_version_is_staged(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/app.py", b"one")
    workshop.artifact("A/1.0.0/deep/data", b"same")
    workshop.artifact("A/1.0.0/__pycache__/app.pyc")
    workshop.artifact("A/README")
    workshop.artifact("A/not-a-version/file")
    assert files(workshop.stage().artifacts) == {"A/1.0.0/app.py", "A/1.0.0/deep/data"}


@pytest.mark.parametrize(
    "name", ["DeploymentService", "main", "core.configd", "Sensor.install", "aws.greengrass.Nucleus"]
)
def test_a_name_that_means_something_else_to_the_runtime_is_refused(workshop: Workshop, name: str) -> None:
    workshop.recipe(name)
    with pytest.raises(DeploymentError, match="cannot be the name"):
        Store(workshop.root, workshop.stage()).check()


@pytest.mark.parametrize("name", ["..", "../../etc", "a/b", ""])
def test_a_name_never_becomes_another_path(workshop: Workshop, name: str) -> None:
    workshop.recipe(f"'{name}'", file="evil.yaml")
    with pytest.raises(DeploymentError) as caught:
        Store(workshop.root, workshop.stage()).check()
    assert "evil.yaml" in caught.value.message
    assert caught.value.codes == ("COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_PARSE_ERROR")


def test_two_different_recipes_of_one_version_are_refused(workshop: Workshop) -> None:
    workshop.recipe("A", file="one.yaml", body="ComponentDescription: one")
    workshop.recipe("A", file="two.yaml", body="ComponentDescription: two")
    with pytest.raises(DeploymentError, match=r"two different recipes are A 1\.0\.0: one\.yaml and two\.yaml"):
        Store(workshop.root, workshop.stage()).check()


def test_a_component_for_another_nucleus_is_refused(workshop: Workshop) -> None:
    workshop.recipe("A", body="ComponentType: aws.greengrass.plugin")
    with pytest.raises(DeploymentError, match="component of type"):
        Store(workshop.root, workshop.stage()).check()


def test_links_that_lead_out_of_the_folder_are_refused_and_nothing_stays(workshop: Workshop) -> None:
    target = workshop.artifact("A/1.0.0/real")
    (workshop.artifacts / "A/1.0.0/inside").symlink_to("real")
    workshop.stage("fine")
    os.symlink("/etc/hostname", target.with_name("outside"))
    with pytest.raises(InvalidValue, match="leads out of"):
        workshop.stage("refused")
    target.with_name("outside").unlink()
    os.symlink("/etc", target.with_name("folder"))
    with pytest.raises(InvalidValue, match="link to a directory"):
        workshop.stage("refused")
    assert not staging_of(workshop.root, "refused").path.exists()


def test_the_runtimes_own_artifacts_are_no_folder_to_deploy_from(workshop: Workshop) -> None:
    inside = workshop.root.artifacts / "A"
    inside.mkdir(parents=True)
    for folder in (workshop.root.artifacts, workshop.root.state, inside):
        with pytest.raises(InvalidValue, match="own artifacts"):
            stage(staging_of(workshop.root, "d"), "", str(folder), workshop.root.artifacts)


def test_a_staging_area_of_no_deployment_is_removed(workshop: Workshop) -> None:
    keep, lost = workshop.stage("keep"), workshop.stage("lost")
    for orphan in orphans(workshop.root, {"keep"}):
        orphan.remove()
    assert (keep.path.exists(), lost.path.exists()) == (True, False)


@pytest.mark.parametrize("deployment_id", ["../..", "/etc", "a/../b", "arn:aws:x"])
def test_an_id_from_outside_is_one_name(workshop: Workshop, deployment_id: str) -> None:
    assert staging_of(workshop.root, deployment_id).path.parent == workshop.root.state / "deployments"


def test_what_does_not_fit_is_refused_before_it_is_copied(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.artifact("A/1.0.0/model", bytes(3_000_000))
    args = (str(workshop.recipes), str(workshop.artifacts), workshop.root.artifacts)
    staging = staging_of(workshop.root, "large")
    with pytest.raises(DeploymentError, match=r"needs 3\.0 MB .* holds 0 bytes and may hold 2\.0 MB") as caught:
        stage(staging, *args, 2_000_000)
    assert caught.value.codes == ("ARTIFACT_DOWNLOAD_ERROR", "DISK_SPACE_CRITICAL")
    disk = shutil.disk_usage(workshop.recipes)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: disk._replace(free=space.RESERVE + 2_000_000))
    with pytest.raises(DeploymentError, match=r"needs 3\.0 MB on the disk .* 23\.0 MB are free and 21\.0 MB must stay"):
        stage(staging, *args)
    assert not staging.path.exists()


def test_a_large_file_is_read_once_until_it_changes(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: read.append(path) or original(path))
    model = workshop.root.artifacts / "A/1.0.0/model"
    model.parent.mkdir(parents=True)
    model.write_bytes(bytes(digests.LARGE))
    first = digest_of(workshop, model)
    assert digest_of(workshop, model) == first
    assert len(read) == 2  # it may have changed within one tick of the clock
    staged = workshop.root.state / "deployments/d/artifacts/A/1.0.0/model"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(bytes(digests.LARGE))
    assert [digest_of(workshop, staged) for _ in range(2)] == [first] * 2
    assert read.pop() == staged
    assert len(read) == 2
    monkeypatch.setattr(digests, "SETTLED_NS", -1_000_000_000)
    assert [digest_of(workshop, model) for _ in range(3)] == [first] * 3
    assert len(read) == 3
    times = model.stat()
    model.write_bytes(b"x" + bytes(digests.LARGE - 1))
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_of(workshop, model) == hashlib.sha256(model.read_bytes()).hexdigest()
    (workshop.root.packages / ".digests.json").write_text("[")
    assert digest_of(workshop, model) != first


def digest_of(workshop: Workshop, path: Path) -> str:
    known = Digests(workshop.root)
    found = known.of(path)
    known.save()
    return found
