"""Which filters cover which topics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.pubsubd.topics import TopicIndex, is_publishable, is_wildcard, levels


def covered(topic_filter: str, topic: str) -> bool:
    index: TopicIndex[str] = TopicIndex()
    index.add(topic_filter, "s")
    return index.subscribers(topic) == ("s",)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/B", False),
        ("a/b", "a", False),
        ("a", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("+", "a", True),
        ("a/#", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", False),
        ("#", "a", True),
        ("#", "a/b", True),
        ("+/#", "a", False),
        ("a/+/#", "a/b/c", True),
        ("a/#/c", "a/b/c", True),
        ("a/#/c", "a/b/b/c", False),
        ("a+", "ab", False),
        ("a#", "ab", False),
        ("a/*", "a/b", False),
        ("$a/#", "$a/b", True),
        ("#", "$a/b", True),
        ("a/b/", "a/b", True),
        ("a/b", "a/b//", True),
        ("a//b", "a/b", False),
        ("a//b", "a//b", True),
        ("a/+/b", "a//b", True),
        ("/a", "a", False),
        ("/a", "/a", True),
        ("+/a", "/a", True),
        ("/", "/", True),
    ],
)
def test_matching(topic_filter: str, topic: str, expected: bool) -> None:
    assert covered(topic_filter, topic) is expected


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [("a/b", False), ("a/+", True), ("+/a", True), ("#", True), ("a/#", True), ("a/#/b", False), ("a+/b#", False)],
)
def test_wildcard_filters(topic_filter: str, expected: bool) -> None:
    assert is_wildcard(topic_filter) is expected


@pytest.mark.parametrize("topic", ["a/#", "a+b", "*", "a/b*"])
def test_a_topic_that_holds_a_wildcard_character_cannot_be_published_on(topic: str) -> None:
    assert not is_publishable(topic)


_levels = st.sampled_from(["a", "b", "", "$x"])
_topics = st.lists(_levels, min_size=1, max_size=4).map("/".join)
_filters = st.lists(st.one_of(_levels, st.sampled_from(["+", "#"])), min_size=1, max_size=4).map("/".join)


def by_definition(topic_filter: str, topic: str) -> bool:
    wanted, found = levels(topic_filter), levels(topic)
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(found) <= len(wanted):
            return False
        found = found[: len(wanted)]
    return len(wanted) == len(found) and all(w in ("+", "#", f) for w, f in zip(wanted, found, strict=True))


@given(st.lists(_filters, max_size=8), st.lists(_topics, max_size=5), st.data())
def test_the_index_finds_what_the_definition_says_while_subscriptions_come_and_go(
    filters: list[str], topics: list[str], data: st.DataObject
) -> None:
    index: TopicIndex[int] = TopicIndex()
    current = dict(enumerate(filters))
    for number, topic_filter in current.items():
        index.add(topic_filter, number)
    while True:
        for topic in topics:
            expected = {number for number, topic_filter in current.items() if by_definition(topic_filter, topic)}
            assert set(index.subscribers(topic)) == expected
        if not current:
            break
        number = data.draw(st.sampled_from(sorted(current)))
        index.remove(current.pop(number), number)
    assert index._root.empty
