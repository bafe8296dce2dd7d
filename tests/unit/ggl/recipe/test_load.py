"""Reading a recipe file into the model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ggl.recipe.load import load_recipe, parse_recipe, recipe_from_data
from ggl.recipe.model import Artifact, Dependency, RecipeError

HEATER = """
RecipeFormatVersion: 2020-01-25
ComponentName: org.sample.Heater
ComponentVersion: 2.1.0
ComponentDescription: Heater controller
ComponentPublisher: Sample Ltd
ComponentConfiguration:
  DefaultConfiguration:
    loop: {seconds: 5, gains: [1, 0.2]}
    Topic: heater/state
ComponentDependencies:
  org.sample.Sensor: {VersionRequirement: ">=1.0.0 <2.0.0", DependencyType: soft}
  org.sample.Base: {VersionRequirement: ^1.2.0}
Manifests:
  - Platform: {os: linux, architecture: /aarch64|amd64/, runtime: "*"}
    Artifacts:
      - URI: s3://sample-bucket/org.sample.Heater/2.1.0/heater.zip
        Unarchive: zip
        Permission: {Read: all, Execute: Owner}
    Lifecycle:
      run: python3 -u main.py
  - Name: other
    Selections: [small]
Lifecycle:
  small: {run: ./small}
"""


def minimal(**changes: Any) -> dict[str, Any]:
    data = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.example.A",
        "ComponentVersion": "1.0.0",
        "Manifests": [{}],
    }
    return {key: value for key, value in {**data, **changes}.items() if value is not ...}


def complaint(**changes: Any) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        recipe_from_data(minimal(**changes), file="a.yaml")
    return caught.value


def test_a_whole_recipe() -> None:
    recipe = parse_recipe(HEATER)
    assert (recipe.name, recipe.version, recipe.type) == ("org.sample.Heater", "2.1.0", "aws.greengrass.generic")
    assert recipe.default_configuration == {"loop": {"seconds": 5, "gains": [1, 0.2]}, "Topic": "heater/state"}
    assert recipe.dependencies == (
        Dependency("org.sample.Sensor", ">=1.0.0 <2.0.0", hard=False),
        Dependency("org.sample.Base", "^1.2.0", hard=True),
    )
    first, second = recipe.manifests
    assert first.artifacts[0].uri == "s3://sample-bucket/org.sample.Heater/2.1.0/heater.zip"
    assert (first.artifacts[0].unarchive, first.artifacts[0].read, first.artifacts[0].execute) == (
        "ZIP",
        "ALL",
        "OWNER",
    )
    assert (second.name, second.selections, second.lifecycle) == ("other", ("small",), {})


def test_json_and_yaml_give_the_same_recipe(tmp_path: Path) -> None:
    data = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.example.A",
        "ComponentVersion": "1.0.0",
        "Manifests": [{"Artifacts": [{"Uri": "greengrass:abc/file.bin", "Digest": "YQ==", "Algorithm": "SHA-256"}]}],
    }
    for name in ("a.json", "a.yaml", "A.YML"):
        (tmp_path / name).write_text(json.dumps(data))
        assert load_recipe(tmp_path / name) == recipe_from_data(data)


def test_keys_may_have_any_case_and_unknown_ones_are_ignored() -> None:
    data = {
        "recipeformatversion": "2020-01-25",
        "COMPONENTNAME": "com.example.A",
        "componentVersion": "1.0.0",
        "future": {"x": 1},
        "manifests": [{"artifacts": [{"uri": "docker:nginx", "PERMISSION": {"read": "none"}, "more": 1}]}],
    }
    assert recipe_from_data(data).manifests[0].artifacts == (Artifact("docker:nginx", read="NONE", execute="NONE"),)


def test_null_lists_and_maps_are_empty() -> None:
    recipe = recipe_from_data(
        minimal(
            ComponentConfiguration=None, ComponentDependencies=None, Lifecycle=None, Manifests=[{"Artifacts": None}]
        )
    )
    assert recipe.default_configuration == {}
    assert recipe.manifests[0].artifacts == ()


@pytest.mark.parametrize(
    ("changes", "text", "code"),
    [
        ({"RecipeFormatVersion": ...}, "a.yaml: RecipeFormatVersion: is missing", "RECIPE_PARSE_ERROR"),
        ({"RecipeFormatVersion": "2021-01-01"}, "must be '2020-01-25'", "RECIPE_PARSE_ERROR"),
        ({"ComponentName": ...}, "ComponentName: is missing", "RECIPE_PARSE_ERROR"),
        ({"ComponentName": "a b"}, "letters, digits", "RECIPE_PARSE_ERROR"),
        ({"ComponentName": "a\n"}, "letters, digits", "RECIPE_PARSE_ERROR"),
        ({"ComponentName": ".."}, "is a directory", "RECIPE_PARSE_ERROR"),
        ({"ComponentName": "a" * 129}, "1 to 128 characters", "RECIPE_PARSE_ERROR"),
        ({"ComponentVersion": "1.0"}, "not a semantic version", "COMPONENT_VERSION_NOT_VALID"),
        ({"ComponentVersion": 1.0}, "put it in quotes", "RECIPE_PARSE_ERROR"),
        ({"ComponentVersion": "1.0.1000000"}, "at most 999999", "COMPONENT_VERSION_NOT_VALID"),
        ({"ComponentVersion": "1.0.0-" + "a" * 60}, "64 are allowed", "COMPONENT_VERSION_NOT_VALID"),
        ({"ComponentType": "aws.greengrass.other"}, "ComponentType: must be one of", "RECIPE_PARSE_ERROR"),
        ({"Manifests": []}, "Manifests: is missing", "RECIPE_MISSING_MANIFEST"),
        ({"Manifests": [None]}, r"Manifests\[0\]: is empty", "RECIPE_PARSE_ERROR"),
        ({"Manifests": [{"Artifacts": [None]}]}, r"Manifests\[0\].Artifacts\[0\]: is empty", "RECIPE_PARSE_ERROR"),
        ({"ComponentDependencies": {"b": {}}}, "ComponentDependencies.b.VersionRequirement: is missing", None),
        ({"ComponentDependencies": {"b": {"VersionRequirement": "one"}}}, "'one' is not valid: write", None),
        ({"ComponentConfiguration": {"DefaultConfiguration": [1]}}, "must be a map, not a list", None),
        ({"componentname": "b"}, "'ComponentName' and 'componentname' are the same key", None),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], text: str, code: str | None) -> None:
    error = complaint(**changes)
    assert re.search(text, str(error))
    assert code is None or error.code == code


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (None, "EMPTY_ARTIFACT_URI"),
        (" ", "EMPTY_ARTIFACT_URI"),
        ("file.zip", "EMPTY_ARTIFACT_SCHEME"),
        ("https://example.com/a", "UNSUPPORTED_ARTIFACT_SCHEME"),
        ("s3://bucket", "S3_ARTIFACT_URI_NOT_VALID"),
        ("s3://bucket/", "S3_ARTIFACT_URI_NOT_VALID"),
        ("greengrass:a/..", "ARTIFACT_URI_NOT_VALID"),
        ("docker:", "DOCKER_ARTIFACT_URI_NOT_VALID"),
    ],
)
def test_an_artifact_needs_an_address_we_can_fetch(uri: str | None, code: str) -> None:
    error = complaint(Manifests=[{}, {"Artifacts": [{"URI": "S3://b/ok"}, {"URI": uri}]}])
    assert [(p.path, p.code) for p in error.problems] == [("Manifests[1].Artifacts[1].URI", code)]


def test_all_problems_are_reported_at_once() -> None:
    error = complaint(ComponentName="a b", ComponentVersion="x", Manifests=[{"Artifacts": [{"Unarchive": "RAR"}]}])
    assert [p.path for p in error.problems] == [
        "ComponentName",
        "ComponentVersion",
        "Manifests[0].Artifacts[0].Unarchive",
        "Manifests[0].Artifacts[0].URI",
    ]
    assert str(error).startswith("a.yaml: 4 problems\n  ComponentName: ")


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.txt").write_text("x")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "big.yaml").write_text("#" * 300_000)
    for name, text in {
        "recipe.txt": "no recipe by its name",
        "empty.yaml": "empty.yaml: the file is empty",
        "big.yaml": "262144 are allowed",
        "absent.yaml": "cannot be read: No such file",
    }.items():
        with pytest.raises(RecipeError, match=text):
            load_recipe(tmp_path / name)


@pytest.mark.parametrize(
    ("read", "execute", "mode"),
    [
        ("OWNER", "NONE", 0o440),
        ("NONE", "NONE", 0o400),
        ("ALL", "NONE", 0o444),
        ("OWNER", "OWNER", 0o550),
        ("NONE", "OWNER", 0o550),
        ("ALL", "OWNER", 0o554),
        ("NONE", "ALL", 0o555),
        ("ALL", "ALL", 0o555),
    ],
)
def test_artifact_permissions(read: str, execute: str, mode: int) -> None:
    assert Artifact("s3://b/k", read=read, execute=execute).mode == mode


@pytest.mark.parametrize(
    ("uri", "file_name", "unarchived"),
    [
        ("s3://bucket/a/b/heater.tar.zip", "heater.tar.zip", "heater.tar"),
        ("greengrass:id/lib.zip", "lib.zip", "lib"),
        ("greengrass:lib", "lib", "lib"),
        ("s3://b/.hidden", ".hidden", ".hidden"),
        ("docker:repo/image:1", "", ""),
    ],
)
def test_artifact_names(uri: str, file_name: str, unarchived: str) -> None:
    assert (Artifact(uri).file_name, Artifact(uri).unarchived_name) == (file_name, unarchived)
