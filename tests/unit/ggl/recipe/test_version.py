"""Versions and npm requirements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.recipe.version import VersionError, parse_requirement, parse_version, satisfies

PROBES = [
    "0.0.0",
    "0.0.3",
    "0.0.4",
    "0.1.0",
    "0.2.2",
    "0.2.3",
    "0.3.0",
    "0.9.9",
    "1.0.0",
    "1.1.9",
    "1.2.0",
    "1.2.2",
    "1.2.3",
    "1.2.4",
    "1.3.0",
    "1.9.0",
    "2.0.0",
    "2.0.1",
    "2.1.9",
    "2.2.0",
    "3.0.0",
]


def between(low: str, high: str) -> list[str]:
    """The probes from ``low`` up to and without ``high``."""
    return PROBES[PROBES.index(low) : PROBES.index(high)]


@pytest.mark.parametrize(
    ("requirement", "accepted"),
    [
        ("1.2.3", ["1.2.3"]),
        ("=1.2.3", ["1.2.3"]),
        ("v1.2.3", ["1.2.3"]),
        ("1.2.3+build.5", ["1.2.3"]),
        (">1.2.3", PROBES[PROBES.index("1.2.4") :]),
        (">= 1.2.3", PROBES[PROBES.index("1.2.3") :]),
        ("<1.2.3", between("0.0.0", "1.2.3")),
        ("<=1.2.3", between("0.0.0", "1.2.4")),
        ("^1.2.3", between("1.2.3", "2.0.0")),
        ("^0.2.3", between("0.2.3", "0.3.0")),
        ("^0.0.3", between("0.0.3", "0.0.4")),
        ("^0.0", between("0.0.0", "0.1.0")),
        ("^0", between("0.0.0", "1.0.0")),
        ("~1.2.3", between("1.2.3", "1.3.0")),
        ("~1.2", between("1.2.0", "1.3.0")),
        ("~>1.2", between("1.2.0", "1.3.0")),
        ("~1", between("1.0.0", "2.0.0")),
        ("1", between("1.0.0", "2.0.0")),
        ("1.x", between("1.0.0", "2.0.0")),
        ("1.*", between("1.0.0", "2.0.0")),
        ("1.2", between("1.2.0", "1.3.0")),
        ("1.2.x", between("1.2.0", "1.3.0")),
        ("1.2.*", between("1.2.0", "1.3.0")),
        ("1.X", between("1.0.0", "2.0.0")),
        ("*", PROBES),
        ("x", PROBES),
        ("X", PROBES),
        ("", PROBES),
        ("latest", PROBES),
        ("1.0.0 - 2.0.0", between("1.0.0", "2.0.1")),
        ("1.0.0 - 2", between("1.0.0", "3.0.0")),
        ("1.0 - 2.1", between("1.0.0", "2.2.0")),
        (">=1.0.0 <2.0.0", between("1.0.0", "2.0.0")),
        ("1.x >1.2.3", between("1.2.4", "2.0.0")),
        ("0.2.3 || >=1.2.0 <1.3.0 || 3.x", ["0.2.3", *between("1.2.0", "1.3.0"), "3.0.0"]),
        ("1.0.0 2.0.0", []),
        ("1.2.3 || >=2.2.0", ["1.2.3", "2.2.0", "3.0.0"]),
        (">1.2", PROBES[PROBES.index("1.3.0") :]),
        ("<=1.2", between("0.0.0", "1.3.0")),
        (">1.x", PROBES[PROBES.index("2.0.0") :]),
    ],
)
def test_a_requirement_accepts(requirement: str, accepted: list[str]) -> None:
    parsed = parse_requirement(requirement)
    assert [version for version in PROBES if parsed.matches(version)] == accepted


@pytest.mark.parametrize(
    ("requirement", "version", "accepted"),
    [
        (">=1.0.0", "2.0.0-beta", True),
        ("*", "2.0.0-beta", True),
        ("<2.0.0", "2.0.0-beta", True),
        ("^1.2.3", "1.3.0-beta", False),
        (">=1.0.0 <2.0.0", "1.5.0-beta", False),
        ("^1.2.3-alpha", "1.2.3-beta", True),
        ("^1.2.3-alpha", "1.2.4-beta", False),
        ("1.2.3-1", "1.2.3-1", True),
        ("1.2.3-1", "1.2.3", False),
        (">=1.2.3-1", "1.2.3-2", True),
        ("<=1.2.3-beta", "1.2.3", False),
        ("<1.2.3-beta", "1.2.3-alpha", True),
        ("1.2.3-beta", "1.2.3-BETA", False),
        (">1.2.3-B", "1.2.3-a", True),
        ("<1.2.3-a", "1.2.3-B", True),
        ("~1.2.3", "1.2.4-beta", False),
        ("1.x", "1.3.0-beta", False),
        ("", "2.0.0-beta", True),
        ("latest", "2.0.0-beta", True),
        ("x", "2.0.0-beta", True),
        ("1.0.0 - 2.0.0", "1.5.0-beta", False),
        ("^1.0.0 || >=2.0.0", "2.1.0-beta", True),
        ("1.2.3", "1.2.3+build", True),
    ],
)
def test_pre_releases_and_build_metadata(requirement: str, version: str, accepted: bool) -> None:
    assert parse_requirement(requirement).matches(version) is accepted


@pytest.mark.parametrize(
    "text", ["one", "(1.0.0)", "(>=1.0.0 <2.0.0)", ">=", "1.2.3 -", ">=1.0.0,<2", "01.2.3", "^1.2.3.4", "1" * 2000]
)
def test_text_that_is_no_requirement_is_refused(text: str) -> None:
    with pytest.raises(VersionError, match="requirement"):
        parse_requirement(text)


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0\n"]
)
def test_a_version_is_strict(text: str) -> None:
    with pytest.raises(VersionError, match="not a semantic version"):
        parse_version(text)


def test_several_requirements_are_anded_each_with_its_own_alternatives() -> None:
    wanted = [parse_requirement("1.x || 3.x"), parse_requirement(">=1.2.0")]
    assert [v for v in PROBES if satisfies(v, wanted)] == [*between("1.2.0", "2.0.0"), "3.0.0"]


def test_versions_order_by_precedence() -> None:
    ordered = ["1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0", "1.0.1", "1.10.0"]
    backwards = ordered[::-1]
    assert sorted(backwards, key=parse_version) == ordered
    assert parse_version("1.0.0+a") == parse_version("1.0.0+b")


@given(st.text(alphabet="0123456789.xX*^~<>=|- v+ab", max_size=30))
def test_any_text_is_a_requirement_or_refused(text: str) -> None:
    try:
        parse_requirement(text).matches("1.2.3")
    except VersionError:
        pass
