import pytest

from ggl.iotcored.topics import BadTopic, check_filter, check_topic, covers, covers_topic

COVERED = [
    ("a/#", "a"),
    ("a/#", "a/b/c"),
    ("a/#", "a/+"),
    ("a/+", "a/b"),
    ("+", ""),
    ("+/+", "/"),
    ("#", "a/#"),
    ("$aws/#", "$aws/things"),
    ("$aws/things/+/jobs/#", "$aws/things/T/jobs/notify"),
]
NOT_COVERED = [
    ("a", "a/#"),
    ("a/+", "a/#"),
    ("a/+", "a"),
    ("a/b", "a/+"),
    ("a/+", "+/b"),
    ("#", "$aws/things"),
    ("+/things", "$aws/things"),
    ("#", "$share/g/a"),
    ("$share/g/a", "a"),
    ("A", "a"),
]


@pytest.mark.parametrize(("wide", "narrow"), COVERED)
def test_one_filter_covers_another(wide: str, narrow: str) -> None:
    assert covers(wide, narrow)


@pytest.mark.parametrize(("wide", "narrow"), NOT_COVERED)
def test_one_filter_does_not_cover_another(wide: str, narrow: str) -> None:
    assert not covers(wide, narrow)


def test_of_a_shared_subscription_the_filter_decides() -> None:
    assert covers_topic("$share/group/a/+", "a/b")
    assert not covers_topic("$share/group/a/+", "group/a")


@pytest.mark.parametrize(
    "topic",
    [
        "a",
        "/".join("abcdefgh"),
        "x" * 256,
        "$aws/rules/my_rule/" + "/".join("abcdefgh"),
        "$aws/" + "x/" * 100,
        "é" * 128,
    ],
)
def test_topics_to_publish_on(topic: str) -> None:
    check_topic(topic)


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("", "empty"),
        ("a/+", "wildcard"),
        ("a/#", "wildcard"),
        ("/".join("abcdefghi"), "8 slashes"),
        ("x" * 257, "256 bytes"),
        ("é" * 129, "256 bytes"),
        ("$aws/" + "x" * 512, "512 bytes"),
        ("$aws/rules/r/" + "x" * 257, "256 bytes"),
        *((f"a{code}b", "control characters") for code in "\0\n\x1f\x7f\x9f\ud800\ufdd0\ufffe\U0001ffff"),
    ],
)
def test_topics_that_nobody_can_publish_on(topic: str, why: str) -> None:
    with pytest.raises(BadTopic, match=why):
        check_topic(topic)


def test_mqtt3_knows_no_long_reserved_topics() -> None:
    with pytest.raises(BadTopic, match="9 slashes"):
        check_topic("$aws/" + "x/" * 8 + "x", mqtt5=False)
    with pytest.raises(BadTopic, match="needs MQTT 5"):
        check_filter("$share/g/a", mqtt5=False)


@pytest.mark.parametrize("topic_filter", ["#", "+", "a/+/#", "$share/g/" + "/".join("abcdefgh"), "$aws/things/T/#"])
def test_filters_to_subscribe_to(topic_filter: str) -> None:
    check_filter(topic_filter)


@pytest.mark.parametrize("topic_filter", ["", "a/#/b", "a+", "a/b#", "$share/g", "$share//a", "$share/+/a", "a/" * 8])
def test_filters_that_are_none(topic_filter: str) -> None:
    with pytest.raises(BadTopic):
        check_filter(topic_filter)
