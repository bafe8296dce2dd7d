"""Which versions a deployment consists of."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.deploymentd import resolver
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


@pytest.mark.parametrize("each_brings", [1, 7])
def test_components_that_always_bring_others_along_come_to_an_end(each_brings: int) -> None:
    def brings(name: str, _version: str) -> list[Dependency]:
        return [Dependency(f"{name}{number}", "*") for number in range(each_brings)]

    known = Known(lambda _name: ["1.0.0"], brings, {}, {})
    with pytest.raises(DeploymentError) as caught:
        resolve([Demand("A", "*", "the deployment")], known)
    assert caught.value.codes == ("COMPONENT_DEPENDENCY_NOT_VALID",)


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


def test_an_older_version_is_taken_when_the_newest_leads_nowhere() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*"}},
        "L": {"1.0.0": {}, "1.5.0": {}, "2.0.0": {"Missing": "*"}},
    }
    assert choose(recipes, {"A": "1.0.0"})["L"] == "1.5.0"
    assert choose(recipes, {"A": "1.0.0"}, {"L": "2.0.0"})["L"] == "1.5.0"
    recipes["L"]["1.5.0"] = {"aws.greengrass.Nucleus": "^3.0.0"}
    assert choose(recipes, {"A": "1.0.0"})["L"] == "1.0.0"


def test_a_version_whose_own_choice_excludes_it_is_not_taken() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*", "M": "*"}},
        "L": {"1.0.0": {}, "2.0.0": {"N": "*"}},
        "M": {"1.0.0": {}},
        "N": {"1.0.0": {"L": "<2.0.0"}},
    }
    assert choose(recipes, {"A": "1.0.0"}) == {"L": "1.0.0", "M": "1.0.0", "A": "1.0.0"}


def test_a_circle_is_avoided_only_where_there_is_another_way() -> None:
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*", "Missing": "*"}, "0.9.0": {"L": "*"}},
        "L": {"1.0.0": {}, "2.0.0": {"A": "*"}},
    }
    assert choose(recipes, {"A": ">=0.1.0"}) == {"L": "1.0.0", "A": "0.9.0"}
    del recipes["L"]["1.0.0"]
    assert "Missing" in refusal(recipes, {"A": ">=0.1.0"})[0]


def test_two_groups_that_want_different_versions_are_both_named() -> None:
    known = Known(lambda _: ["1.0.0", "10.0.0", "2.0.0"], lambda *_: [], {}, {})
    demands = [Demand("L", "1.0.0", "the group thinggroup/one"), Demand("L", "2.0.0", "the deployment")]
    with pytest.raises(DeploymentError) as caught:
        resolve(demands, known)
    assert caught.value.message == (
        "no version of L can be used: the group thinggroup/one requires 1.0.0; the deployment requires 2.0.0; "
        "available: 1.0.0, 2.0.0, 10.0.0"
    )
    assert caught.value.codes == ("NO_AVAILABLE_COMPONENT_VERSION", "COMPONENT_VERSION_REQUIREMENTS_NOT_MET")


def test_choices_that_have_no_part_in_a_conflict_are_not_gone_through() -> None:
    """With ten versions of twelve bystanders, trying all of them would never end."""
    bystanders = {f"B{n:02}": {f"1.{v}.0": {} for v in range(10)} for n in range(12)}
    recipes: Recipes = {
        "A": {"1.0.0": {"L": "*", **dict.fromkeys(bystanders, "*"), "Z": "*"}},
        "L": {"2.0.0": {"N": "2.0.0"}, "1.0.0": {"N": "1.0.0"}},
        "Z": {"1.0.0": {"N": "1.0.0"}},
        "N": {"1.0.0": {}, "2.0.0": {}},
        **bystanders,
    }
    chosen = choose(recipes, {"A": "1.0.0"})
    assert (chosen["L"], chosen["N"], chosen["B00"]) == ("1.0.0", "1.0.0", "1.9.0")


def test_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every version of every component needs another version of the last one."""
    monkeypatch.setattr(resolver, "MAX_ATTEMPTS", 100)
    names = [f"C{n}" for n in range(8)]
    recipes: Recipes = {name: {f"1.{v}.0": {"X": f"{n}.{v}.0"} for v in range(8)} for n, name in enumerate(names)}
    recipes["X"] = {f"{n}.{v}.0": {} for n in range(8) for v in range(8)}
    message, _ = refusal(recipes, dict.fromkeys(names, "*"))
    assert message.startswith("no version of X can be used: C0 1.7.0 requires 0.7.0; C1 1.7.0 requires 1.7.0")
    assert message.endswith("100 other choices do not go together either")


NAMES = st.sampled_from("ABCDE")
RANGES = st.sampled_from(["*", "^1.0.0", "<2.0.0", ">=2.0.0", "1.0.0"])
VERSIONS = st.sampled_from(["1.0.0", "1.5.0", "2.0.0"])


@given(
    st.dictionaries(NAMES, st.dictionaries(VERSIONS, st.dictionaries(NAMES, RANGES, max_size=2), max_size=3)),
    st.dictionaries(NAMES, VERSIONS, min_size=1, max_size=2),
    st.dictionaries(NAMES, VERSIONS, max_size=3),
)
def test_whatever_is_chosen_meets_every_requirement_and_is_found_where_there_is_something(
    recipes: Recipes, roots: dict[str, str], running: dict[str, str]
) -> None:
    possible = [
        dict(zip(recipes, versions, strict=True)) for versions in product(*([None, *each] for each in recipes.values()))
    ]
    good = [choice for choice in possible if is_good(choice, recipes, roots)]
    try:
        chosen = choose(recipes, roots, running)
    except DeploymentError as error:
        if "COMPONENT_CIRCULAR_DEPENDENCY_ERROR" not in error.codes:
            assert not good
        return
    assert {name: chosen.get(name) for name in recipes} in good
    assert all(chosen[name] == version for name, version in roots.items())
    seen = set[str]()
    for name, version in chosen.items():
        assert set(recipes[name][version]) <= seen
        seen.add(name)


def is_good(choice: dict[str, str | None], recipes: Recipes, roots: dict[str, str]) -> bool:
    """Whether every requirement is met, nothing is there that nobody asked for, and nothing goes in a circle."""
    if any(choice.get(name) != version for name, version in roots.items()):
        return False
    reached: list[str] = []

    def reach(name: str, path: tuple[str, ...]) -> bool:
        version = choice.get(name)
        if version is None or name in path:
            return False
        reached.append(name)
        needs = recipes[name][version].items()
        return all(
            reach(other, (*path, name)) and parse_requirement(requirement).matches(choice[other] or "")
            for other, requirement in needs
        )

    everything = all(reach(name, ()) for name in roots)
    return everything and {name for name, version in choice.items() if version} == set(reached)
