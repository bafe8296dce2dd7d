"""Device attributes and the choice of a manifest."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.recipe.load import recipe_from_data
from ggl.recipe.model import Recipe, RecipeError
from ggl.recipe.platform import attribute_matches, device_attributes, match_manifest, require_manifest

DEVICE = {"os": "linux", "architecture": "aarch64", "runtime": "aws_nucleus_lite"}


def recipe(*platforms: dict[str, Any] | None) -> Recipe:
    manifests = [{} if platform is None else {"Platform": platform} for platform in platforms]
    head = {"RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0"}
    return recipe_from_data({**head, "Manifests": manifests}, file="a.yaml")


@pytest.mark.parametrize(
    ("name", "wanted", "actual", "matches"),
    [
        ("gpu", None, None, True),
        ("gpu", "*", None, True),
        ("gpu", "yes", None, False),
        ("gpu", "/.*/", "", False),
        ("architecture", "/x86|amd64/", "amd64", True),
        ("architecture", "/amd/", "amd64", False),
        ("os", "all", "linux", True),
        ("architecture", "any", "arm", True),
        ("gpu", "all", "nvidia", False),
        ("gpu", "!nvidia", "!nvidia", False),
        ("os", "linux", "linux", True),
        ("os", "Linux", "linux", False),
        ("gpu", "/", "/", False),
        ("gpu", "//", "x", False),
    ],
)
def test_one_attribute(name: str, wanted: str | None, actual: str | None, matches: bool) -> None:
    assert attribute_matches(name, wanted, actual) is matches


@pytest.mark.parametrize(
    ("machine", "narrow", "architecture", "detail"),
    [
        ("x86_64", False, "amd64", None),
        ("x86_64", True, "x86", None),
        ("i686", True, "x86", None),
        ("aarch64", False, "aarch64", None),
        ("aarch64", True, "arm", None),
        ("armv7l", True, "arm", "armv7l"),
        ("armv5tel", True, "arm", None),
        ("riscv64", False, "riscv64", None),
        ("mips", True, "unknown", None),
    ],
)
def test_attributes_follow_the_machine(machine: str, narrow: bool, architecture: str, detail: str | None) -> None:
    found = device_attributes(machine=machine, narrow=narrow)
    assert (found["architecture"], found.get("architecture.detail")) == (architecture, detail)
    assert (found["os"], found["runtime"]) == ("linux", "aws_nucleus_lite")


def test_overrides_replace_and_add_strings_only() -> None:
    found = device_attributes({"architecture": "x", "gpu": "nvidia", "n": 1}, machine="x86_64")
    assert (found["architecture"], found["gpu"], "n" in found) == ("x", "nvidia", False)


def test_the_first_manifest_that_matches_is_taken() -> None:
    found = require_manifest(recipe({"os": "windows"}, {"os": "linux"}, {"architecture": "aarch64"}), DEVICE)
    assert found.index == 1


@pytest.mark.parametrize("platform", [None, {}, {"runtime": "*"}, {"runtime": "aws_nucleus_lite"}, {"OS": "linux"}])
def test_manifests_of_either_nucleus_match(platform: dict[str, Any] | None) -> None:
    assert match_manifest(recipe(platform), DEVICE) is not None


def test_every_attribute_must_match() -> None:
    assert match_manifest(recipe({"os": "linux", "architecture": "arm"}), DEVICE) is None


def test_a_recipe_for_other_devices_says_why() -> None:
    with pytest.raises(RecipeError, match=r"architecture=aarch64, .*Manifests\[0\] wants os=darwin") as caught:
        require_manifest(recipe({"os": "darwin"}), DEVICE)
    assert caught.value.code == "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"


def test_a_broken_regular_expression_is_reported_where_it_stands() -> None:
    with pytest.raises(RecipeError, match=r"a.yaml: Manifests\[0\].Platform.os: is no regular expression"):
        match_manifest(recipe({"os": "/(/"}), DEVICE)
