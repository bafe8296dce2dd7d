"""Topics and topic filters as MQTT and AWS IoT Core have them. Pure.

In a filter the level ``+`` stands for exactly one level, and a last level ``#`` for any number, none as well: ``a/#``
covers ``a``. A wildcard in the first level does not cover topics that begin with ``$``. What of a shared subscription
(``$share/<group>/<filter>``) is compared with topics is the filter alone.
"""

from __future__ import annotations

MAX_SLASHES = 7
MAX_TOPIC = 256
MAX_RESERVED = 512
"""Bytes of a topic that begins with ``$``, over MQTT 5."""
_RULES = "$aws/rules/"
_SHARE = "$share/"


class BadTopic(ValueError):
    """A topic or a filter that cannot be used; the text says why."""


def check_topic(topic: str, mqtt5: bool = True) -> None:
    """Raise ``BadTopic`` unless one may publish on ``topic``."""
    if not topic:
        raise BadTopic("the topic is empty")
    if "+" in topic or "#" in topic:
        raise BadTopic(f"the topic '{topic}' holds a wildcard ('+' or '#'): a message goes to one topic")
    _check_text(topic)
    _check_size(topic, "topic", mqtt5)


def check_filter(topic_filter: str, mqtt5: bool = True) -> None:
    """Raise ``BadTopic`` unless one may subscribe to ``topic_filter``."""
    if not topic_filter:
        raise BadTopic("the topic filter is empty")
    _check_text(topic_filter)
    if topic_filter.startswith(_SHARE) and not mqtt5:
        raise BadTopic(f"'{topic_filter}' is a shared subscription, which needs MQTT 5")
    plain = matched_part(topic_filter)
    if topic_filter.startswith(_SHARE):
        group = topic_filter.removeprefix(_SHARE).partition("/")[0]
        if not plain or not group or "+" in group or "#" in group:
            raise BadTopic(f"'{topic_filter}' must be $share/GROUP/FILTER")
    levels = plain.split("/")
    for number, level in enumerate(levels, 1):
        if level == "#" and number < len(levels):
            raise BadTopic(f"'#' must be the last level of the topic filter '{topic_filter}'")
        if len(level) > 1 and ("+" in level or "#" in level):
            raise BadTopic(f"a wildcard must be a level of its own in the topic filter '{topic_filter}'")
    _check_size(plain, "topic filter", mqtt5)


def is_text(text: str) -> bool:
    """Whether MQTT can have ``text``. A broker may end the connection of everybody for a control character, or for
    what Unicode calls no character."""
    if text.isascii() and text.isprintable():
        return True
    codes = map(ord, text)
    return not any(
        code < 0x20
        or 0x7F <= code <= 0x9F
        or 0xD800 <= code <= 0xDFFF
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE
        for code in codes
    )


def _check_text(text: str) -> None:
    if not is_text(text):
        raise BadTopic(f"a topic cannot hold control characters, or what is no character: {text[:100]!a}")


def _check_size(text: str, what: str, mqtt5: bool) -> None:
    rest = text
    if text.startswith(_RULES):
        rest = text.removeprefix(_RULES).partition("/")[2]
    elif text.startswith("$") and mqtt5:
        if len(text.encode()) > MAX_RESERVED:
            raise BadTopic(f"the {what} has more than {MAX_RESERVED} bytes: '{text[:60]}...'")
        return
    if rest.count("/") > MAX_SLASHES:
        raise BadTopic(f"the {what} '{text}' has {rest.count('/')} slashes; AWS IoT Core takes {MAX_SLASHES}")
    if len(rest.encode()) > MAX_TOPIC:
        raise BadTopic(f"the {what} has more than {MAX_TOPIC} bytes: '{text[:60]}...'")


def matched_part(topic_filter: str) -> str:
    """What of a filter topics are compared with."""
    if topic_filter.startswith(_SHARE):
        return topic_filter.removeprefix(_SHARE).partition("/")[2]
    return topic_filter


def covers(wide: str, narrow: str) -> bool:
    """Whether whoever subscribes to ``wide`` gets everything that a subscriber of ``narrow`` gets.

    A shared subscription gets a part of the messages only: it covers nothing but itself, and nothing else covers it.
    """
    if wide == narrow:
        return True
    if wide.startswith(_SHARE) or narrow.startswith(_SHARE):
        return False
    if wide[:1] in ("+", "#") and narrow.startswith("$"):
        return False
    ours, theirs = wide.split("/"), narrow.split("/")
    for number, level in enumerate(ours):
        if level == "#":
            return True
        if number == len(theirs):
            return False
        other = theirs[number]
        if other == "#" or (level not in ("+", other)) or (level == "+" and other == "#"):
            return False
    # "a/#" covers "a" too, but "a" does not cover "a/#".
    return len(ours) == len(theirs)


def covers_topic(topic_filter: str, topic: str) -> bool:
    """Whether a message on ``topic`` is for who subscribes to ``topic_filter``."""
    return covers(matched_part(topic_filter), topic)
