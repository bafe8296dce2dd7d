"""Selecting the lifecycle of a device and reading its steps."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.host.unit import Condition
from ggl.recipe.lifecycle import lifecycle_path, parse_condition, parse_lifecycle, select_lifecycle
from ggl.recipe.load import recipe_from_data
from ggl.recipe.model import RecipeError

HEAD = {"RecipeFormatVersion": "2020-01-25", "ComponentName": "a", "ComponentVersion": "1.0.0"}


def select(lifecycle: dict[str, Any], *selections: list[str], own: dict[str, Any] | None = None) -> dict[str, Any]:
    """The lifecycle of the first manifest in a recipe with one manifest for each of ``selections``."""
    manifests: list[dict[str, Any]] = [{"Selections": words} for words in selections] or [{}]
    if own is not None:
        manifests[0]["Lifecycle"] = own
    recipe = recipe_from_data({**HEAD, "Lifecycle": lifecycle, "Manifests": manifests})
    return select_lifecycle(recipe, recipe.manifests[0])[0]


def test_a_manifests_own_lifecycle_replaces_the_recipe_wide_one() -> None:
    assert select({"install": "x"}, own={"run": "y", "all": {"run": "z"}}) == {"run": "y", "all": {"run": "z"}}


def test_content_without_selection_keys_is_for_everyone() -> None:
    lifecycle = {"Setenv": {"A": "1"}, "install": {"Script": "x", "Timeout": 5}, "run": "y"}
    assert select(lifecycle) == lifecycle


def test_the_first_selection_that_is_there_wins_then_all() -> None:
    lifecycle = {"linux": {"run": "l"}, "debian": {"run": "d"}, "all": {"run": "a"}}
    assert select(lifecycle, ["debian", "linux"], ["linux"]) == {"run": "d"}
    assert select(lifecycle, ["missing", "linux"], ["debian"]) == {"run": "l"}
    assert select(lifecycle, ["missing"], ["linux", "debian"]) == {"run": "a"}
    assert select(lifecycle, [], ["linux", "debian"]) == {"run": "a"}


def test_selection_levels_may_stand_below_a_step_and_inside_it() -> None:
    lifecycle = {
        "install": {"linux": {"Script": "l"}, "all": {"Script": "a"}},
        "run": {"Script": {"windows": "w", "linux": "l"}, "RequiresPrivilege": True},
        "startup": {"windows": "only there"},
    }
    assert select(lifecycle, ["linux"], ["windows"]) == {
        "install": {"Script": "l"},
        "run": {"Script": "l", "RequiresPrivilege": True},
    }


def test_a_selected_section_is_filtered_in_turn() -> None:
    assert select({"linux": {"run": {"arm": "a", "all": "b"}}}, ["linux"], ["arm"]) == {"run": "b"}


def test_nothing_for_this_device_is_an_empty_lifecycle() -> None:
    assert select({"windows": {"run": "w"}}, ["linux"], ["windows"]) == {}


def test_plain_keys_beside_selection_keys_are_ignored_with_a_warning() -> None:
    data = {**HEAD, "Lifecycle": {"all": {"run": "a"}, "install": "x"}, "Manifests": [{}]}
    recipe = recipe_from_data(data)
    selected, warnings = select_lifecycle(recipe, recipe.manifests[0])
    assert selected == {"run": "a"}
    assert warnings == ["Lifecycle: install stand beside selection keys and are ignored"]
    assert lifecycle_path(recipe.manifests[0]) == "Lifecycle"


def test_selection_words_are_not_confused_with_variable_names() -> None:
    assert select({"Setenv": {"ALL": "1", "LINUX": "2"}}, ["linux"]) == {"Setenv": {"ALL": "1", "LINUX": "2"}}


def test_steps_as_text_get_the_defaults() -> None:
    names = ("bootstrap", "install", "startup", "run", "shutdown", "recover", "uninstall")
    steps = parse_lifecycle({name: f"echo {name}" for name in names}).steps
    assert {name: step.timeout for name, step in steps.items()} == {
        "bootstrap": 120.0,
        "install": 120.0,
        "startup": 120.0,
        "run": None,
        "shutdown": 15.0,
        "recover": 60.0,
        "uninstall": 120.0,
    }
    assert steps["run"].script == "echo run"
    assert not any(step.privileged or step.skip_if for step in steps.values())


def test_keys_of_any_case_and_values_as_text() -> None:
    lifecycle = parse_lifecycle(
        {
            "SETENV": {"A": 1, "B": True, "C": None, "D": 0.5},
            "Run": {
                "script": "x",
                "requiresprivilege": "true",
                "TIMEOUT": "30",
                "skipIf": "! onpath  python3",
                "setEnv": {"A": "own"},
            },
            "ERRORRESETTIME": "60",
        }
    )
    run = lifecycle.steps["run"]
    assert (run.privileged, run.timeout, run.skip_if) == (True, 30.0, Condition("onpath", "python3", True))
    assert run.environment == {"A": "own", "B": "true", "C": "", "D": "0.5"}
    assert lifecycle.error_reset_time == 60.0


def test_an_empty_script_text_is_no_step_and_unknown_keys_are_ignored() -> None:
    assert parse_lifecycle({"install": "", "run": None, "dance": "x"}).steps == {}


@pytest.mark.parametrize(
    ("lifecycle", "text", "code"),
    [
        ({"run": {}}, "Lifecycle.run.Script: is missing", "RUN_CONFIG_NOT_VALID"),
        ({"install": {"Script": ""}}, "Lifecycle.install.Script: is missing", "INSTALL_CONFIG_NOT_VALID"),
        ({"run": ["a"]}, "Lifecycle.run: must be a script or a map", "RUN_CONFIG_NOT_VALID"),
        ({"startup": {"Script": "x", "Skipif": "maybe"}}, "'maybe' is no condition", "STARTUP_CONFIG_NOT_VALID"),
        ({"run": {"Script": "x", "Timeout": "{configuration:/t}"}}, "Timeout: must be a number of seconds", None),
        ({"run": {"Script": "x", "Timeout": 0}}, "above 0, not 0", None),
        ({"run": {"Script": "x", "Timeout": True}}, "above 0", None),
        ({"run": {"Script": "x", "RequiresPrivilege": "perhaps"}}, "RequiresPrivilege: must be true or false", None),
        ({"run": {"Script": "x", "Setenv": {"A=B": "1"}}}, "Setenv.A=B: is no name", None),
        ({"Setenv": {"A": [1]}, "run": "x"}, "Lifecycle.Setenv.A: must be a string, not a list", None),
        ({"Setenv": "A=1"}, "Setenv: must be a map", None),
        ({"run": "a\0b"}, "NUL", None),
        ({"run": "x" * 200_000}, "longer than 131071 bytes", None),
        ({"run": "a", "Run": "b"}, "'run' and 'Run' are the same key", None),
    ],
)
def test_an_invalid_step_is_refused(lifecycle: dict[str, Any], text: str, code: str | None) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_lifecycle(lifecycle, file="a.yaml")
    assert text in str(caught.value)
    assert len(caught.value.problems) == 1
    assert code is None or caught.value.code == code


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("exists /etc/my file", Condition("exists", "/etc/my file")),
        ("onpath git", Condition("onpath", "git")),
        (" !exists ~root/x ", Condition("exists", "~root/x", True)),
    ],
)
def test_conditions(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize("text", ["", "exists", "onpath\tgit", "Exists /a", "!!exists /a", "exists /a\nb"])
def test_text_that_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError, match="is no condition"):
        parse_condition(text)
