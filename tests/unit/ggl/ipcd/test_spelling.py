"""What a misspelt name was probably meant to be."""

from __future__ import annotations

import pytest

from ggl.ipcd.spelling import closest

KNOWN = ("operations", "resources", "pubsub", "mqttproxy", "publishtotopic", "subscribetotopic", "")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("operation", "operations"),
        ("publishtotpic", "publishtotopic"),
        ("pubsb", "pubsub"),
        ("resources", "resources"),
        ("subscribetotopics", "subscribetotopic"),
        ("ressource", "resources"),
        ("getsecret", ""),
        ("topic", ""),
        ("pub", ""),
        ("x" * 100_000, ""),
    ],
)
def test_a_name_is_taken_for_one_that_is_nearly_the_same(name: str, meant: str) -> None:
    assert closest(name, KNOWN) == meant
