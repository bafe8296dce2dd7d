"""Adding up values of metrics."""

from __future__ import annotations

import sys

import pytest

from ggl.telemetryd.aggregates import INTERVAL, MAX_METRICS, MAX_NAMESPACES, Aggregate, Interval, value_of
from ggl.telemetryd.units import unit_of

A = "aws.greengrass.A"


def interval() -> tuple[Interval, list[str]]:
    complaints: list[str] = []
    return Interval(1000, complaints.append), complaints


def test_values_of_a_metric_add_up() -> None:
    it, _ = interval()
    for value, now in ((3, 1000), (1, 2000), (2, 3000)):
        it.add(A, value_of("n", "Count", value, now))
    assert it.of(A) == [Aggregate("n", "Count", sum=6, count=3, min=1, max=3, last=2, time=3000)]


def test_another_unit_or_namespace_is_another_metric() -> None:
    it, _ = interval()
    it.add(A, value_of("n", "Count", 1, 0))
    it.add(A, value_of("n", "Bytes", 1, 0))
    it.add("aws.B", value_of("n", "Count", 1, 0))
    assert [(metric.unit, metric.count) for metric in it.of(A)] == [("Count", 1), ("Bytes", 1)]
    assert [metric.count for metric in it.of("aws.B")] == [1]


def test_a_sum_stays_a_finite_number() -> None:
    it, _ = interval()
    for _ in range(3):
        it.add(A, value_of("n", "Count", 1e308, 0))
    assert it.of(A)[0].sum == sys.float_info.max


def test_the_metric_that_was_silent_for_longest_makes_room() -> None:
    it, complaints = interval()
    for number in range(MAX_METRICS):
        it.add(A, value_of(f"n{number}", "Count", 1, 0))
    it.add(A, value_of("n0", "Count", 1, 0))
    it.add(A, value_of("new", "Count", 1, 0))
    names = {metric.name for metric in it.of(A)}
    assert len(names) == MAX_METRICS
    assert {"n0", "new"} <= names
    assert "n1" not in names
    assert len(complaints) == 1
    assert "n1 (Count)" in complaints[0]


def test_the_namespace_that_was_silent_for_longest_makes_room() -> None:
    it, complaints = interval()
    for number in range(MAX_NAMESPACES + 4):
        it.add(f"aws.{number}", value_of("n", "Count", 1, 0))
    assert list(it) == [f"aws.{number}" for number in range(4, MAX_NAMESPACES + 4)]
    assert len(complaints) == 3, "complaints become rarer"


def test_what_was_stored_before_comes_before() -> None:
    it, _ = interval()
    it.add(A, value_of("n", "Count", 2, 5000))
    it.put_before(A, [Aggregate("n", "Count", 10, 4, 1, 7, 7, 900), Aggregate("old", "Count", 1, 1, 1, 1, 1, 900)])
    assert it.of(A) == [Aggregate("n", "Count", 12, 5, 1, 7, 2, 5000), Aggregate("old", "Count", 1, 1, 1, 1, 1, 900)]


@pytest.mark.parametrize(
    ("now", "over"), [(1000, False), (1000 + INTERVAL - 1, False), (1000 + INTERVAL, True), (1000 - INTERVAL, True)]
)
def test_an_interval_ends_after_its_time_or_when_the_clock_is_set_back_by_it(now: int, over: bool) -> None:
    it, _ = interval()
    assert it.is_over(now) == over


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("BYTES_PER_SECOND", "BytesPerSecond"),
        ("bytes-per second", "BytesPerSecond"),
        ("Count", "Count"),
        ("Kilobytes", None),
        ("", None),
        ("Coünt", None),
    ],
)
def test_units_are_known_by_their_letters(text: str, unit: str | None) -> None:
    assert unit_of(text) == unit
