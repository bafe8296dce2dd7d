"""Resource patterns of policies: what they cover."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.ipcd.patterns import MAX_TEXT, covers, escape, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "anything/at all", True),
        ("a/*", "a/", True),
        ("a/*", "a/b/c", True),
        ("a/*", "a", False),
        ("a/*/c", "a/b/b/c", True),
        ("a/*/c", "a/c", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a*a", "a", False),
        ("a", "A", False),
        ("${*}", "*", True),
        ("${*}", "x", False),
        ("a${?}${$}", "a?$", True),
        ("a/#", "a/#", True),
        ("a/#", "a/b", False),
        ("a/+", "a/b", False),
        ("a/+", "a/+", True),
        ("$a", "$a", True),
        ("a\nb*", "a\nb\nc", True),
        ("*", "", True),
        ("**", "a/b", True),
        ("a*", "a", True),
        ("*a", "ba", True),
        ("meter/*/power", "meter//power", True),
        ("${*}*", "*x", True),
        ("${*}*", "x*", False),
        ("${$}{x}", "${x}", True),
        ("{x}", "{x}", True),
        ("{x}", "x", False),
        ("$", "$", True),
        ("$x$", "$x$", True),
        ("[ab]", "[ab]", True),
        ("[ab]", "a", False),
        (".", "x", False),
        ("a/#", "a/+", False),
        ("#", "a", False),
        ("+", "a", False),
        ("ä*", "äö", True),
    ],
)
def test_patterns_of_local_topics_know_one_wildcard(pattern: str, text: str, expected: bool) -> None:
    assert covers(parse_pattern(pattern), text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a/+", True),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a//c", True),
        ("a/+/c", "a/b/d", False),
        ("+", "a", True),
        ("+/b", "a/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a/#", True),
        ("a/#", "ab", False),
        ("#", "anything/at/all", True),
        ("a+", "ab", False),
        ("a+", "a+", True),
        ("a/#/b", "a/x/b", False),
        ("a/#/b", "a/#/b", True),
        ("site/*/+/x", "site/1/2/3/x", True),
        ("${*}/+", "*/a", True),
        ("a/+/#", "a/b", True),
        ("a/+/#", "a", False),
        ("a/+/#", "a/b/c/d", True),
        ("*/#", "a", True),
        ("+", "a/b", False),
        ("+/+", "/", True),
        ("a/b#", "a/bc", False),
        ("a/b#", "a/b#", True),
        ("a/+b", "a/xb", False),
        ("a/b+/c", "a/bx/c", False),
        ("a*/+", "abc/d", True),
        ("a*/+", "abc/d/e", True),  # the star covers 'bc/d', the plus 'e'
        ("*", "a/#", True),
        ("a/*", "a/#", True),
    ],
)
def test_patterns_of_cloud_topics_know_those_of_mqtt_too(pattern: str, text: str, expected: bool) -> None:
    assert covers(parse_pattern(pattern, topics=True), text) is expected


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("", "empty"),
        ("a?", r"must be written"),
        ("?", r"must be written"),
        ("${x}", "may follow"),
        ("${", "may follow"),
        ("a${*", "may follow"),
        ("${**}", "may follow"),
        ("a" * (MAX_TEXT + 1), "longer than 4096"),
    ],
)
@pytest.mark.parametrize("topics", [False, True])
def test_what_is_no_pattern(pattern: str, complaint: str, topics: bool) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_pattern(pattern, topics)


# -- compared with a model that is slow, and plainly right -------------------------------------------------------------

PIECES = st.lists(st.sampled_from(["*", "+", "#", "/", "a", "b", "ab", "$", "{", "${*}", "${?}", "${$}"]), max_size=7)
TEXTS = st.text("ab/+#*?$", max_size=8)


def as_expression(pattern: str, topics: bool) -> str:
    """A regular expression for ``pattern``; its alternatives are tried one after another, however long that takes."""
    expression = ""
    for at, piece in enumerate(tokens := re.findall(r"\$\{[*?$]\}|.", pattern, re.DOTALL)):
        before, after = tokens[at - 1] if at else "/", tokens[at + 1] if at + 1 < len(tokens) else "/"
        last = at + 1 == len(tokens)
        if piece == "*":
            expression += ".*"
        elif topics and piece == "+" and before == after == "/":
            expression += "[^/]*"
        elif topics and piece == "#" and before == "/" and last:
            expression = expression.removesuffix("/") + "(/.*)?" if at else ".*"
        else:
            expression += re.escape(piece[2] if len(piece) > 1 else piece)
    return expression


@given(PIECES, TEXTS, st.booleans())
def test_patterns_mean_what_a_regular_expression_says(pieces: list[str], text: str, topics: bool) -> None:
    pattern = "".join(pieces)
    try:
        parsed = parse_pattern(pattern, topics)
    except ValueError:
        assert not pattern or re.search(r"\$\{(?![*?$]\})", pattern)
        return
    assert covers(parsed, text) is bool(re.fullmatch(as_expression(pattern, topics), text, re.DOTALL))


@given(st.text("ab/*?${}", min_size=1, max_size=12), TEXTS)
def test_an_escaped_text_covers_itself_alone(text: str, other: str) -> None:
    pattern = parse_pattern(escape(text))
    assert covers(pattern, text)
    assert covers(pattern, other) is (text == other)


@given(st.text(min_size=1, max_size=30), st.text(max_size=30), st.booleans())
def test_no_text_breaks_anything(pattern: str, text: str, topics: bool) -> None:
    try:
        parsed = parse_pattern(pattern, topics)
    except ValueError:
        return
    covers(parsed, text)


def test_a_malicious_text_takes_no_exponential_time() -> None:
    assert not covers(parse_pattern("*a" * 100 + "b"), "a" * 1000)
