"""Local publish/subscribe."""

from __future__ import annotations

from typing import Any

from tests.compat.actions.asking import call, gets, subscribe, unsubscribe
from tests.compat.actions.messages import (
    binary_event,
    binary_message,
    flood,
    gets_numbers,
    heard,
    json_event,
    json_message,
    listen,
    publish,
)
from tests.compat.case import SDKS, STRANGER, Answer, C, Caller, Case, Refusal, Step
from tests.compat.cases.configuration import nested

PUBLISH, SUBSCRIBE = "PublishToTopic", "SubscribeToTopic"

FREE: dict[str, Any] = {
    "int": 1,
    "large": 2**53,
    "float": 1.0,
    "fraction": 0.1,
    "nothing": None,
    "list": [None, [], {}, [None, {"a": None}]],
    "empty": {},
    "": "an empty key",
    "ü€😀": '\u0000\n"\\ \u2028',
    "bool": False,
}
BYTES = "AAECA/3+/w=="
INVALID = Refusal("InvalidArgumentsError")
TWISTED = Refusal("ServiceError", "Received invalid parameters.*|.*message.*")
LARGE = {"x": "y" * 2_000_000}
LARGE_BYTES = "AAECA/3+" * 330_000
FITTING = {"x": "y" * 9_000}
ONLY_MINE = Caller(
    {
        "aws.greengrass.ipc.pubsub": {
            "p": {"operations": ["aws.greengrass#PublishToTopic"], "resources": ["mine/*"]},
            "s": {"operations": ["aws.greengrass#SubscribeToTopic"], "resources": ["mine/*", "a/#"]},
        }
    }
)


def to(topic: str, message: object) -> dict[str, object]:
    return {"topic": topic, "publishMessage": message}


def refused(operation: str, topic: str) -> Refusal:
    return Refusal(
        "UnauthorizedError",
        r"Principal {me} is not authorized to perform aws\.greengrass\.ipc\.pubsub:"
        rf"aws\.greengrass#{operation} on resource {topic}",
    )


PUBLISHING = (
    Case(PUBLISH, "an object", to("{me}/t", json_message(FREE)), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", json_event("{me}/t", FREE)),)),
    Case(PUBLISH, "an empty object", to("{me}/t", json_message({})), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", json_event("{me}/t", {})),)),
    Case(PUBLISH, "bytes", to("{me}/t", binary_message(BYTES)), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", binary_event("{me}/t", BYTES)),)),
    Case(PUBLISH, "no bytes", to("{me}/t", binary_message("")), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", binary_event("{me}/t", "")),)),
    Case(PUBLISH, "2 MB", to("{me}/t", json_message(LARGE)), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", json_event("{me}/t", LARGE)),), clients=SDKS),
    Case(PUBLISH, "as much as fits", to("{me}/t", json_message(FITTING)), Answer(), (listen("{me}/t"),),
         then=(heard("{me}/t", json_event("{me}/t", FITTING)),), clients=(C,)),
    Case(PUBLISH, "nobody listens", to("{me}/nobody", json_message({})), Answer()),
    Case(PUBLISH, "a context is replaced",
         to("{me}/t", {"jsonMessage": {"message": {"a": 1}, "context": {"topic": "forged"}}}), Answer(),
         (listen("{me}/t"),), then=(heard("{me}/t", json_event("{me}/t", {"a": 1})),)),
    Case(PUBLISH, "allowed by a pattern", to("mine/a/b", json_message({})), Answer(), caller=ONLY_MINE),
    Case(PUBLISH, "not allowed", to("other", json_message({})), refused(PUBLISH, "other"), caller=ONLY_MINE),
    Case(PUBLISH, "without any policy", to("mine/x", json_message({})), refused(PUBLISH, "mine/x"), caller=STRANGER),
    Case(PUBLISH, "to an empty topic", to("", json_message({})), Refusal("UnauthorizedError")),
    *(
        Case(PUBLISH, f"to a wildcard: {topic}", to(topic, json_message({})),
             Refusal("InvalidArgumentsError", "Publish topic must not contain a wildcard."))
        for topic in ("t/#", "t/+", "t*")
    ),
    Case(PUBLISH, "without a topic", {"publishMessage": json_message({})}, INVALID, unchecked=True),
    Case(PUBLISH, "without a message", {"topic": "t"}, TWISTED, unchecked=True),
    Case(PUBLISH, "with neither kind of message", to("t", {}), TWISTED, unchecked=True),
    Case(PUBLISH, "with both kinds of message", to("t", {**json_message({}), **binary_message("")}), TWISTED,
         unchecked=True),
    Case(PUBLISH, "without content", to("t", {"jsonMessage": {}}), TWISTED, unchecked=True),
    Case(PUBLISH, "a topic that is no text", {"topic": 5, "publishMessage": json_message({})}, TWISTED, unchecked=True),
    Case(PUBLISH, "to a topic that is too long", to("t" * 2000, json_message({})), Refusal("ServiceError")),
    Case(PUBLISH, "content that is nested too deeply", to("t", json_message(nested(100))), Refusal("ServiceError")),
    *(
        Case(PUBLISH, f"content that cannot be: {content}",
             b'{"topic": "t", "publishMessage": {"jsonMessage": {"message": {"x": ' + content.encode() + b"}}}}",
             Refusal("ServiceError"), clients=(C,))
        for content in ("1e999", "NaN", "1180591620717411303424", '"\\ud800"', "'x'")
    ),
    Case(PUBLISH, "content that is no object", to("t", json_message([1])), TWISTED, unchecked=True),
    Case(PUBLISH, "bytes that are no base64", to("t", binary_message("?")), TWISTED, clients=(C,)),
)  # fmt: skip

SUBSCRIBING = (
    Case(SUBSCRIBE, "objects, in their order", {"topic": "{me}/t"}, Answer(), then=(
        Step(publish("{me}/t", json_message(FREE)), (json_event("{me}/t", FREE),)),
        *(publish("{me}/t", json_message({"n": n})) for n in range(20)),
        gets(0, *(json_event("{me}/t", {"n": n}) for n in range(20))),
        Step(publish("{me}/t", json_message({})), (json_event("{me}/t", {}),)),
    )),
    Case(SUBSCRIBE, "bytes", {"topic": "{me}/t"}, Answer(), then=(
        Step(publish("{me}/t", binary_message(BYTES)), (binary_event("{me}/t", BYTES),)),
        Step(publish("{me}/t", binary_message("")), (binary_event("{me}/t", ""),)),
    )),
    Case(SUBSCRIBE, "one's own messages", {"topic": "{me}/t"}, Answer(), then=(
        Step(call(PUBLISH, to("{me}/t", json_message(FREE))), (json_event("{me}/t", FREE),)),
    )),
    Case(SUBSCRIBE, "2 MB, also from oneself", {"topic": "{me}/t"}, Answer(), then=(
        Step(publish("{me}/t", json_message(LARGE)), (json_event("{me}/t", LARGE),)),
        Step(call(PUBLISH, to("{me}/t", binary_message(LARGE_BYTES))), (binary_event("{me}/t", LARGE_BYTES),)),
    ), clients=SDKS),
    Case(SUBSCRIBE, "as much as fits", {"topic": "{me}/t"}, Answer(), then=(
        Step(publish("{me}/t", json_message(FITTING)), (json_event("{me}/t", FITTING),)),
    ), clients=(C,)),
    Case(SUBSCRIBE, "more than the client can take", {"topic": "{me}/t"}, Answer(), then=(
        publish("{me}/t", json_message(LARGE)), publish("{me}/t", json_message({"x": "y" * 10_000})),
        Step(publish("{me}/t", json_message({"n": 1})), (json_event("{me}/t", {"n": 1}),)),
    ), clients=(C,)),
    Case(SUBSCRIBE, "a filter, others only", {"topic": "{me}/+/c"}, Answer(), then=(
        call(PUBLISH, to("{me}/b/c", json_message({"own": 1}))),
        publish("{me}/b/d", json_message({})),
        Step(publish("{me}/b/c", json_message({"n": 1})), (json_event("{me}/b/c", {"n": 1}),)),
    )),
    Case(SUBSCRIBE, "a filter, one's own too", {"topic": "{me}/#", "receiveMode": "RECEIVE_ALL_MESSAGES"}, Answer(),
         then=(publish("{me}", json_message({})),
               Step(call(PUBLISH, to("{me}/b/c", json_message({"own": 1}))), (json_event("{me}/b/c", {"own": 1}),)))),
    Case(SUBSCRIBE, "a topic, others only", {"topic": "{me}/t", "receiveMode": "RECEIVE_MESSAGES_FROM_OTHERS"},
         Answer(), then=(call(PUBLISH, to("{me}/t", json_message({"own": 1}))),
                         Step(publish("{me}/t", json_message({"n": 1})), (json_event("{me}/t", {"n": 1}),)))),
    Case(SUBSCRIBE, "the same twice on one connection", {"topic": "{me}/t"}, Answer(), then=(
        subscribe(SUBSCRIBE, {"topic": "{me}/t"}),
        Step(publish("{me}/t", json_message({"n": 1})), (json_event("{me}/t", {"n": 1}),)),
        gets(1, json_event("{me}/t", {"n": 1})),
        unsubscribe(1),
        Step(publish("{me}/t", json_message({"n": 2})), (json_event("{me}/t", {"n": 2}),)),
    )),
    Case(SUBSCRIBE, "while messages are flying", {"topic": "{me}/t"}, Answer(), (flood("{me}/t"),),
         then=(gets_numbers(50),), loud=True),
    Case(SUBSCRIBE, "on two connections", {"topic": "{me}/t"}, Answer(), then=(
        subscribe(SUBSCRIBE, {"topic": "{me}/t"}, own_connection=True),
        Step(publish("{me}/t", json_message({"n": 1})), (json_event("{me}/t", {"n": 1}),)),
        gets(1, json_event("{me}/t", {"n": 1})),
    )),
    Case(SUBSCRIBE, "allowed by a pattern", {"topic": "a/#"}, Answer(), caller=ONLY_MINE),
    Case(SUBSCRIBE, "not allowed", {"topic": "a/b"}, refused(SUBSCRIBE, "a/b"), caller=ONLY_MINE),
    Case(SUBSCRIBE, "without any policy", {"topic": "mine/x"}, refused(SUBSCRIBE, "mine/x"), caller=STRANGER),
    Case(SUBSCRIBE, "to an empty topic", {"topic": ""}, Refusal("UnauthorizedError")),
    Case(SUBSCRIBE, "without a topic", {}, Refusal("InvalidArgumentsError", "Subscribe topic must not be empty"),
         unchecked=True),
    Case(SUBSCRIBE, "to a filter that is too long", {"topic": "t" * 2000}, Refusal("ServiceError")),
    Case(SUBSCRIBE, "a topic that is no text", {"topic": 5}, TWISTED, unchecked=True),
    Case(SUBSCRIBE, "a mode nobody knows", {"topic": "t", "receiveMode": "SOMETIMES"}, INVALID),
)  # fmt: skip

CASES = (*PUBLISHING, *SUBSCRIBING)
