"""Generations as a family: who ran before whom, what lies between two of them, and who may go."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.deploymentd.generation import (
    CURRENT,
    Generation,
    Generations,
    key_of,
    put_operations,
    read_generations,
)


def family(*members: tuple[int, int, str], current: int) -> Generations:
    """Each is a number, its parent, and the component that its deployment touched."""
    known = {number: Generation(number, parent, touched=(touched,)) for number, parent, touched in members}
    return Generations(known, current)


LINE = family((0, -1, ""), (1, 0, "A"), (2, 1, "B"), (3, 2, "C"), current=3)
FORK = family((0, -1, ""), (1, 0, "A"), (2, 1, "B"), (3, 2, "C"), (4, 1, "D"), current=4)


def test_the_ancestors_are_what_really_ran_before() -> None:
    assert [each.number for each in LINE.ancestors(3)] == [2, 1, 0]
    assert [each.number for each in FORK.ancestors(4)] == [1, 0]
    assert LINE.ancestors(0) == []
    assert LINE.ancestors(7) == []


def test_a_damaged_family_has_an_end() -> None:
    circle = family((1, 2, "A"), (2, 1, "B"), current=1)
    assert [each.number for each in circle.ancestors(1)] == [2]


@pytest.mark.parametrize(
    ("generations", "one", "other", "touched"),
    [
        (LINE, 3, 2, {"C"}),
        (LINE, 3, 0, {"A", "B", "C"}),
        (LINE, 1, 3, {"B", "C"}),
        (LINE, 2, 2, set()),
        (FORK, 4, 3, {"D", "B", "C"}),
        (FORK, 4, 1, {"D"}),
        (family((3, 2, "C"), (5, 4, "E"), current=5), 5, 3, None),
    ],
)
def test_what_lies_between_two_generations(
    generations: Generations, one: int, other: int, touched: set[str] | None
) -> None:
    assert generations.touched_between(one, other) == touched


@pytest.mark.parametrize(
    ("generations", "keep", "outdated"),
    [(LINE, 3, [0]), (LINE, 1, [0, 1, 2]), (LINE, 9, []), (LINE, 0, [0, 1, 2]), (FORK, 2, [0, 2, 3])],
)
def test_the_current_one_and_its_nearest_ancestors_are_kept(
    generations: Generations, keep: int, outdated: list[int]
) -> None:
    assert generations.outdated(keep) == outdated


def test_records_are_read_as_they_were_written_and_damaged_ones_are_left_out() -> None:
    generation = Generation(
        *(2, 1, 1000, False, ("A",), "id", "LOCAL", "name", "somebody", "group"),
        components={"A": "1.0.0"},
        requirements={"A": {"B": "^1.0.0"}},
        changed=("A",),
        removed=("B",),
        touched=("A", "B"),
    )
    (operation,) = put_operations(generation)
    records: list[tuple[str, Any]] = [
        (operation["key"], operation["value"]),
        (CURRENT, {"number": 2}),
        (key_of(3), {"number": "three"}),
        (key_of(4), None),
    ]
    assert read_generations(records) == Generations({2: generation}, 2)
    assert read_generations([]) == Generations({}, 0)
