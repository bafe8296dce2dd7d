"""What is written as YAML is read back as the same values, whatever it looks like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.typed_yaml import dump, parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_every_value_comes_back(value: Any) -> None:
    back = parse(dump(value), 100)
    assert back == value
    assert repr(back) == repr(value)  # 1 and 1.0 and true are equal in Python


@pytest.mark.parametrize(
    "text", ["yes", "0o17", "0x1f", "1e3", "12:30", "2024-01-01", "~", "", "<<", "=", "1_000", "-"]
)
def test_a_text_stays_a_text(text: str) -> None:
    assert parse(dump({"a": text, text: 1}), 100) == {"a": text, text: 1}
