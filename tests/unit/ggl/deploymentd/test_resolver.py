"""Which versions a deployment consists of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.resolver import Demand, Known, resolve
from ggl.recipe.model import Dependency
from ggl.recipe.version import parse_requirement

Recipes = dict[str, dict[str, dict[str, str]]]
"""name -> version -> dependency -> requirement"""


def choose(recipes: Recipes, roots: dict[str, str], running: dict[str, str] | None = None) -> dict[str, str]:
    known = Known(
        versions=lambda name: list(recipes.get(name, {})),
        dependencies=lambda name, version: [Dependency(*item) for item in recipes[name][version].items()],
        running=running or {},
        provided={"aws.greengrass.Nucleus": "2.18.0", "aws.greengrass.Cli": None},
    )
    return resolve([Demand(name, version, "the deployment") for name, version in roots.items()], known)


def refusal(recipes: Recipes, roots: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(DeploymentError) as caught:
        choose(recipes, roots)
    return caught.value.message, caught.value.codes


def test_dependencies_come_along_and_before_those_that_need_them() -> None:
    recipes: Recipes = {"A": {"1.0.0": {"C": "*"}}, "B": {"1.0.0": {"A": "^1.0.0"}}, "C": {"1.0.0": {}}}
    assert list(choose(recipes, {"B": "1.0.0"}).items()) == [("C", "1.0.0"), ("A", "1.0.0"), ("B", "1.0.0")]


def test_the_newest_version_that_satisfies_everybody_is_taken() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": ">=1.0.0"}},
        "B": {"1.0.0": {"L": "<1.10.0"}},
        "L": {"1.2.0": {}, "1.9.0": {}, "1.10.0": {}},
    }
    assert choose(recipes, {"A": "1.0.0", "B": "1.0.0"})["L"] == "1.9.0"
    assert choose(recipes, {"A": "1.0.0"})["L"] == "1.10.0"


def test_the_running_version_is_kept_while_it_will_do() -> None:
    recipes: Recipes = {"A": {"1.0.0": {"L": "^1.0.0"}}, "L": {"1.2.0": {}, "1.9.0": {}, "2.0.0": {}}}
    assert choose(recipes, {"A": "1.0.0"}, {"L": "1.2.0"})["L"] == "1.2.0"
    assert choose(recipes, {"A": "1.0.0"}, {"L": "2.0.0"})["L"] == "1.9.0"
    assert choose(recipes, {"A": "1.0.0"}, {"L": "1.3.0"})["L"] == "1.9.0"  # there is no recipe for it any more


def test_requirements_of_a_version_that_is_not_chosen_in_the_end_do_not_count() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*", "M": "*"}},
        "M": {"1.0.0": {"N": "*"}},
        "N": {"1.0.0": {"L": "<2.0.0"}},
        "L": {"1.0.0": {}, "2.0.0": {"Missing": "*"}},
    }
    assert choose(recipes, {"A": "1.0.0"}) == {"L": "1.0.0", "N": "1.0.0", "M": "1.0.0", "A": "1.0.0"}


def test_what_the_runtime_provides_is_no_component_but_the_version_of_the_nucleus_is_checked() -> None:
    recipes: Recipes = {"A": {"1.0.0": {"aws.greengrass.Nucleus": ">=2.5.0 <3", "aws.greengrass.Cli": "~2.0.0"}}}
    assert choose(recipes, {"A": "1.0.0"}) == {"A": "1.0.0"}
    assert choose(recipes, {"A": "1.0.0", "aws.greengrass.Cli": "2.4.0"}) == {"A": "1.0.0"}
    message, _ = refusal({"A": {"1.0.0": {"aws.greengrass.Nucleus": "^3.0.0"}}}, {"A": "1.0.0"})
    assert "A 1.0.0 requires ^3.0.0" in message
    assert "part of the runtime, in version 2.18.0" in message


def test_what_is_missing_is_told_with_who_requires_it_and_what_there_is() -> None:
    recipes: Recipes = {"A": {"1.0.0": {"L": "^3.0.0", "X": "*"}}, "L": {"1.0.0": {}, "2.0.0": {}}}
    message, codes = refusal(recipes, {"A": "1.0.0", "L": "1.0.0"})
    assert message == (
        "no version of L can be used: the deployment requires 1.0.0; A 1.0.0 requires ^3.0.0; available: 1.0.0, 2.0.0"
    )
    assert codes == ("NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET")
    assert "there is no recipe for it" in refusal({"A": {"1.0.0": {"X": "*"}}}, {"A": "1.0.0"})[0]


def test_a_requirement_that_cannot_be_read_is_told() -> None:
    message, codes = refusal({"A": {"1.0.0": {"L": "newish"}}, "L": {"1.0.0": {}}}, {"A": "1.0.0"})
    assert "A 1.0.0 asks for L" in message
    assert codes == ("COMPONENT_VERSION_NOT_VALID",)


def test_a_circle_of_dependencies_is_refused_and_shown() -> None:
    recipes: Recipes = {"A": {"1.0.0": {"B": "*"}}, "B": {"1.0.0": {"C": "*"}}, "C": {"1.0.0": {"B": "*"}}}
    message, codes = refusal(recipes, {"A": "1.0.0"})
    assert "B -> C -> B" in message
    assert codes == ("COMPONENT_CIRCULAR_DEPENDENCY_ERROR",)


def test_choices_that_never_settle_are_refused() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*", "M": "*"}},
        "L": {"1.0.0": {}, "2.0.0": {"N": "*"}},
        "M": {"1.0.0": {}},
        "N": {"1.0.0": {"L": "<2.0.0"}},
    }
    assert "no choice of versions is stable" in refusal(recipes, {"A": "1.0.0"})[0]


NAMES = st.sampled_from("ABCDE")
RANGES = st.sampled_from(["*", "^1.0.0", "<2.0.0", ">=2.0.0", "1.0.0"])
VERSIONS = st.sampled_from(["1.0.0", "1.5.0", "2.0.0"])


@given(
    st.dictionaries(NAMES, st.dictionaries(VERSIONS, st.dictionaries(NAMES, RANGES, max_size=2), max_size=3)),
    st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=2),
    st.dictionaries(NAMES, VERSIONS, max_size=3),
)
def test_whatever_is_chosen_meets_every_requirement(
    recipes: Recipes, roots: dict[str, str], running: dict[str, str]
) -> None:
    try:
        chosen = choose(recipes, roots, running)
    except DeploymentError:
        return
    assert all(chosen[name] == version for name, version in roots.items())
    seen = set[str]()
    for name, version in chosen.items():
        for dependency, requirement in recipes[name][version].items():
            assert parse_requirement(requirement).matches(chosen[dependency])
            assert dependency in seen
        seen.add(name)
