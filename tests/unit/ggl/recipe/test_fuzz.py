"""A recipe may hold anything: every step takes it or refuses it with a ``RecipeError``; nothing else happens."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ggl.paths import Root
from ggl.recipe.lifecycle import parse_lifecycle, select_lifecycle
from ggl.recipe.load import parse_recipe
from ggl.recipe.model import Recipe, RecipeError
from ggl.recipe.platform import require_manifest
from ggl.recipe.units import component_units
from ggl.recipe.variables import ComponentValues, Variables, interpolate

ROOT = Root(state=Path("/gg"), run=Path("/run/gg"), config=Path("/etc/gg"))
DEVICE = {"os": "linux", "architecture": "amd64", "runtime": "aws_nucleus_lite"}

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        ["/(/", "/a{99999999999999999999}/", "exists x", "{configuration:/a}", "{artifacts:path}", "1e999"]
    ),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def somewhat(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly a map whose keys have the value they should have, at times anything in their place or in its place."""
    fields = {key: value | ANYTHING for key, value in known.items()}
    return st.fixed_dictionaries({}, optional=fields) | ANYTHING


STEP = st.text(max_size=20) | somewhat(
    Script=st.text(min_size=1, max_size=20),
    RequiresPrivilege=st.sampled_from([True, "true", "x"]),
    Timeout=st.sampled_from([1, "30", 0, 1e300, "nan"]),
    Skipif=st.sampled_from(["onpath git", "!exists /x", "exists", "no"]),
    Setenv=st.dictionaries(st.text(max_size=5), SCALARS, max_size=3),
)
LIFECYCLE = somewhat(
    install=STEP,
    run=STEP,
    startup=STEP,
    shutdown=STEP,
    linux=somewhat(run=STEP),
    all=somewhat(run=STEP),
    Setenv=ANYTHING,
)
MANIFEST = somewhat(
    Platform=st.dictionaries(st.sampled_from(["os", "OS", "architecture"]), SCALARS | st.just("linux"), max_size=2),
    Lifecycle=LIFECYCLE,
    Selections=st.lists(st.sampled_from(["linux", "all", "x"]), max_size=2),
    Artifacts=st.lists(
        somewhat(
            URI=st.sampled_from(["s3://b/k", "docker:x", "greengrass:a/b", "s3://", ":", "x"]),
            Unarchive=st.sampled_from(["ZIP", "none"]),
            Permission=somewhat(Read=st.just("ALL"), Execute=st.just("owner")),
        ),
        max_size=2,
    ),
)
RECIPE = st.fixed_dictionaries(
    {
        "RecipeFormatVersion": st.just("2020-01-25"),
        "ComponentName": st.just("com.a") | st.text(max_size=10),
        "ComponentVersion": st.sampled_from(["1.0.0", "1.0.0-a+b"]) | SCALARS,
        "Manifests": st.lists(MANIFEST, min_size=1, max_size=2) | ANYTHING,
    },
    optional={
        "Lifecycle": LIFECYCLE,
        "ComponentType": ANYTHING,
        "ComponentConfiguration": somewhat(DefaultConfiguration=st.dictionaries(st.text(max_size=5), ANYTHING)),
        "ComponentDependencies": st.dictionaries(
            st.sampled_from(["com.b", "..", "a/b"]),
            somewhat(VersionRequirement=st.sampled_from(["*", "^1", ">", "1 - "]), DependencyType=st.just("soft")),
        ),
    },
)


def go_all_the_way(recipe: Recipe) -> None:
    manifest = require_manifest(recipe, DEVICE)
    selected, _ = select_lifecycle(recipe, manifest)
    own = ComponentValues(recipe.name, recipe.version, recipe.default_configuration)
    replaced, _ = interpolate(selected, Variables(ROOT, own))
    units = component_units(recipe, parse_lifecycle(replaced), root=ROOT)
    assert all(artifact.mode for artifact in manifest.artifacts)
    assert units[0].name == f"ggl.{recipe.name}"


@settings(max_examples=300, deadline=None)
@given(RECIPE | ANYTHING, st.booleans())
def test_any_data_is_a_recipe_or_an_error(data: Any, json_format: bool) -> None:
    text = json.dumps(data) if json_format else yaml.safe_dump(data, allow_unicode=True)
    with suppress(RecipeError):
        go_all_the_way(parse_recipe(text, json_format=json_format))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_recipe_or_an_error(text: bytes, json_format: bool) -> None:
    with pytest.raises(RecipeError):
        parse_recipe(text, json_format=json_format)


@pytest.mark.parametrize("wanted", ["/(/", "/a{99999999999999999999}/", "/" + "(" * 5000 + ")" * 5000 + "/"])
def test_a_regular_expression_that_cannot_be_used_is_named(wanted: str) -> None:
    manifests = [{"Platform": {"os": wanted}}]
    data = {"RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0"}
    recipe = parse_recipe(json.dumps({**data, "Manifests": manifests}), json_format=True)
    with pytest.raises(RecipeError, match=r"Manifests\[0\].Platform.os: is no regular expression"):
        require_manifest(recipe, DEVICE)


def test_a_map_of_very_many_keys_one_of_them_twice_is_refused_without_delay() -> None:
    keys = ",".join(f'"{number:x}":0' for number in range(25_000))
    with pytest.raises(RecipeError, match="'61a7' is there twice"):
        parse_recipe(f'{{{keys},"61a7":1}}', json_format=True)
