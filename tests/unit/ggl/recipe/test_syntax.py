"""Recipe text: what scalars become, and what hostile text meets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.recipe.model import RecipeError
from ggl.recipe.syntax import parse_text


def from_yaml(text: str) -> Any:
    return parse_text(text, json_format=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-25", "2020-01-25"),
        ("1.0.0", "1.0.0"),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("True", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("12", 12),
        ("-1_000", -1000),
        ("0x1f", 31),
        ("017", 15),
        ("089", "089"),
        ("1.50", 1.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("'12'", "12"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
    ],
)
def test_scalars_have_the_types_of_the_java_nucleus(text: str, value: object) -> None:
    found = from_yaml(f"k: {text}")["k"]
    assert (type(found), found) == (type(value), value)


def test_keys_are_always_text() -> None:
    assert from_yaml("{on: 1, 2: 1, ~: 1}") == {"on": 1, "2": 1, "~": 1}


def test_anchors_and_aliases_are_expanded() -> None:
    assert from_yaml("a: &x {k: [1]}\nb: *x") == {"a": {"k": [1]}, "b": {"k": [1]}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {b: 1, b: 2}", "a: line 1: the key 'b' is there twice"),
        ("a: &x [*x]", r"a\[0\]: line 1: alias \*x stands for a value that it is part of"),
        ("a: *x", "no anchor &x"),
        ("a: !!python/object:os.system x", "YAML tag .* is not supported"),
        ("<<: {a: 1}", "merge keys"),
        ("? [a]\n: 1", "a key must be a plain word"),
        ("a: 1\n---\nb: 2", "line 2: a second YAML document"),
        ("a: [1", "not valid YAML: .* at line"),
        ("a: 123456789012345678901", "64 bits"),
        ("[" * 100_000, "levels deep"),
        ("- " * 100_000, "levels deep"),
        ("a: 1\n" * 100_000, "bytes, 262144 are allowed"),
    ],
)
def test_bad_yaml_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        from_yaml(text)


def test_aliases_that_multiply_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    with pytest.raises(RecipeError, match="when its aliases are expanded"):
        from_yaml("\n".join(lines))


def test_aliases_that_nest_are_refused() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 80)]
    with pytest.raises(RecipeError, match="levels deep"):
        from_yaml("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": [{"b": 1, "b": 2}]}', r"a\[0\]: the key 'b' is there twice"),
        ('{"a": ', "not valid JSON: .* at line 1"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "a: the number is too large"),
        ('{"a": 123456789012345678901}', "64 bits"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 100_000, "levels deep"),
        ('{"a":' * 70 + "1" + "}" * 70, "levels deep"),
    ],
)
def test_bad_json_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint):
        parse_text(text, json_format=True)


def test_text_must_be_utf_8_with_or_without_a_byte_order_mark() -> None:
    assert parse_text(b"\xef\xbb\xbfa: \xc3\xa4", json_format=False) == {"a": "ä"}
    with pytest.raises(RecipeError, match="not UTF-8"):
        parse_text("a: ä".encode("latin-1"), json_format=False)


_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(allow_nan=False)
_trees = st.recursive(
    _scalars.filter(lambda v: v not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_trees)
def test_any_json_value_is_read_as_it_is(value: object) -> None:
    assert parse_text(json.dumps(value), json_format=True) == value


@given(st.text(alphabet="ab:-[]{}&*!'\"\n ,?|>#%1", max_size=60))
def test_any_text_is_either_read_or_refused(text: str) -> None:
    try:
        from_yaml(text)
    except RecipeError:
        pass
