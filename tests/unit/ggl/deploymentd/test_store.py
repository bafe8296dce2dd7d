"""From a developer's folders over the staging area into the component store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.staging import remove_orphans, stage, staging_of
from ggl.deploymentd.store import Store, digest
from ggl.values import InvalidValue
from tests.unit.ggl.deploymentd.conftest import Workshop


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_recipes_of_any_file_name_are_stored_by_what_they_say(workshop: Workshop) -> None:
    workshop.recipe("org.sample.A", "1.0.0", file="recipe.yaml")
    workshop.recipe("org.sample.A", "1.2.0-rc.1+b", file="deep/down/recipe.yaml")
    workshop.recipe("B", "3.0.0", file="whatever.YML")
    (workshop.recipes / "package.json").write_text('{"name": "not a recipe"}')
    (workshop.recipes / "notes.txt").write_text("no recipe either")
    store = Store(workshop.root)
    assert sorted(store.ingest(workshop.stage())) == ["B 3.0.0", "org.sample.A 1.0.0", "org.sample.A 1.2.0-rc.1+b"]
    assert files(workshop.root.recipes) == {
        "org.sample.A-1.0.0.yaml",
        "org.sample.A-1.2.0-rc.1+b.yaml",
        "B-3.0.0.yml",
    }
    assert set(store.versions("org.sample.A")) == {"1.0.0", "1.2.0-rc.1+b"}
    assert store.recipe("B", "3.0.0").name == "B"
    assert list(store.versions("org.sample")) == []


def test_a_component_whose_name_looks_like_a_version_of_another_is_kept_apart(workshop: Workshop) -> None:
    workshop.recipe("a", "1.0.0")
    workshop.recipe("a-1.0.0-b", "2.0.0")
    store = Store(workshop.root)
    store.ingest(workshop.stage())
    assert list(store.versions("a")) == ["1.0.0"]
    assert list(store.versions("a-1.0.0-b")) == ["2.0.0"]


def test_a_changed_recipe_replaces_the_one_of_its_version_in_whatever_format(workshop: Workshop) -> None:
    workshop.recipe("A", body="ComponentDescription: old")
    Store(workshop.root).ingest(workshop.stage("one"))
    workshop.recipe("A", body="ComponentDescription: new").rename(workshop.recipes / "A.yml")
    store = Store(workshop.root)
    store.ingest(workshop.stage("two"))
    assert store.recipe("A", "1.0.0").description == "new"
    assert files(workshop.root.recipes) == {"A-1.0.0.yml"}


def test_artifacts_are_put_in_place_and_files_in_use_keep_their_content(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/app.py", b"one")
    workshop.artifact("A/1.0.0/deep/data", b"same")
    workshop.artifact("A/README", b"left out")
    workshop.artifact("A/not-a-version/file", b"left out")
    Store(workshop.root).ingest(workshop.stage("one"))
    stored = workshop.root.artifacts / "A" / "1.0.0"
    assert files(workshop.root.artifacts) == {"A/1.0.0/app.py", "A/1.0.0/deep/data"}
    same = (stored / "deep/data").stat().st_ino
    with (stored / "app.py").open("rb") as in_use:
        workshop.artifact("A/1.0.0/app.py", b"two")
        Store(workshop.root).ingest(workshop.stage("two"))
        assert in_use.read() == b"one"
    assert (stored / "app.py").read_bytes() == b"two"
    assert (stored / "deep/data").stat().st_ino == same


def test_taking_over_twice_is_the_same_as_once(workshop: Workshop) -> None:
    workshop.recipe("A")
    workshop.artifact("A/1.0.0/file")
    staging = workshop.stage()
    for _ in range(2):
        assert Store(workshop.root).ingest(staging) == ["A 1.0.0"]
    assert files(workshop.root.packages) == {"recipes/A-1.0.0.yaml", "artifacts/A/1.0.0/file"}


@pytest.mark.parametrize(
    "name", ["DeploymentService", "main", "core.configd", "Sensor.install", "aws.greengrass.Nucleus"]
)
def test_a_name_that_means_something_else_to_the_runtime_is_refused(workshop: Workshop, name: str) -> None:
    workshop.recipe(name)
    with pytest.raises(DeploymentError, match="cannot be the name"):
        Store(workshop.root).ingest(workshop.stage())


@pytest.mark.parametrize("name", ["..", "../../etc", "a/b", ""])
def test_a_name_never_becomes_another_path(workshop: Workshop, name: str) -> None:
    workshop.recipe(f"'{name}'", file="evil.yaml")
    with pytest.raises(DeploymentError) as caught:
        Store(workshop.root).ingest(workshop.stage())
    assert "evil.yaml" in caught.value.message
    assert caught.value.codes == ("COMPONENT_PACKAGE_LOADING_ERROR", "RECIPE_PARSE_ERROR")


def test_two_different_recipes_of_one_version_are_refused(workshop: Workshop) -> None:
    workshop.recipe("A", file="one.yaml", body="ComponentDescription: one")
    workshop.recipe("A", file="two.yaml", body="ComponentDescription: two")
    with pytest.raises(DeploymentError, match=r"two different recipes are A 1\.0\.0: one\.yaml and two\.yaml"):
        Store(workshop.root).ingest(workshop.stage())


def test_a_component_for_another_nucleus_is_refused(workshop: Workshop) -> None:
    workshop.recipe("A", body="ComponentType: aws.greengrass.plugin")
    with pytest.raises(DeploymentError, match="component of type"):
        Store(workshop.root).ingest(workshop.stage())


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
    remove_orphans(workshop.root, {"keep"})
    assert (keep.path.exists(), lost.path.exists()) == (True, False)


@pytest.mark.parametrize("deployment_id", ["../..", "/etc", "a/../b", "arn:aws:x"])
def test_an_id_from_outside_is_one_name(workshop: Workshop, deployment_id: str) -> None:
    assert staging_of(workshop.root, deployment_id).path.parent == workshop.root.state / "deployments"


def test_digest_of_a_file(workshop: Workshop) -> None:
    assert digest(workshop.artifact("f", b"")).hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")
