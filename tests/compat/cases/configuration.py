"""Configuration: reading, updating, and being told of changes."""

from __future__ import annotations

from typing import Any

from tests.compat.actions.asking import call, gets, subscribe, unsubscribe
from tests.compat.actions.world import another, bus, stored, write
from tests.compat.case import UNKNOWN, Answer, C, Caller, Case, Having, Refusal, Step
from tests.compat.scene import Now

GET, UPDATE, SUBSCRIBE = "GetConfiguration", "UpdateConfiguration", "SubscribeToConfigurationUpdate"
NUCLEUS = "aws.greengrass.Nucleus"

TREE: dict[str, Any] = {
    "int": 1,
    "large": 2**53,
    "float": 1.0,
    "fraction": -2.5,
    "text": 'ü€😀\n"\\/\u0001',
    "empty": "",
    "nothing": None,
    "yes": True,
    "list": [1, 2.5, "s", None, False, [], {}],
    "Mixed": {"Case": 5},
    "map": {"deep": {"er": {"leaf": "x"}}, "none": {}},
}
CONFIGURED = Caller(configuration={**TREE, "_private": 1, "map": {**TREE["map"], "_own": 1}})


def nested(levels: int) -> dict[str, Any]:
    content: dict[str, Any] = {"leaf": 1}
    for _ in range(levels):
        content = {"k": content}
    return content


def value(key: str, content: object) -> Answer:
    return Answer({"componentName": "{me}", "value": {key: content}})


def merge(content: object, *path: str, timestamp: object = Now(0)) -> dict[str, object]:
    return {"keyPath": list(path), "timestamp": timestamp, "valueToMerge": content}


def changed(*path: str, component: str = "{me}") -> dict[str, object]:
    return {"configurationUpdateEvent": {"componentName": component, "keyPath": list(path)}}


NOT_FOUND = Refusal("ResourceNotFoundError", "Key not found")
TWISTED = Refusal("ServiceError", "Received invalid parameters.*")
PROTECTED = Refusal("InvalidArgumentsError", r"Config update is not allowed for following fields \[accessControl\]")

READING = (
    Case(GET, "all of it", {"keyPath": []}, Answer({"componentName": "{me}", "value": {"x": 1, **TREE}}),
         caller=CONFIGURED),
    Case(GET, "all of it without a key path", {}, Answer({"componentName": "{me}", "value": {"x": 1, **TREE}}),
         caller=CONFIGURED, unchecked=True),
    *(
        Case(GET, f"a leaf: {key}", {"keyPath": [key]}, value(key, TREE[key]), caller=CONFIGURED)
        for key in ("int", "float", "fraction", "text", "empty", "nothing", "yes", "list")
    ),
    Case(GET, "a map", {"keyPath": ["map", "deep"]}, Answer({"componentName": "{me}", "value": {"er": {"leaf": "x"}}}),
         caller=CONFIGURED),
    Case(GET, "an empty map", {"keyPath": ["map", "none"]}, Answer({"componentName": "{me}", "value": {}}),
         caller=CONFIGURED),
    Case(GET, "keys in another case", {"keyPath": ["mixed", "CASE"]}, value("Case", 5), caller=CONFIGURED),
    Case(GET, "another component's", {"componentName": "{other}", "keyPath": ["a"]},
         Answer({"componentName": "{other}", "value": {"a": 7}}), (another(configuration={"a": 7}),)),
    Case(GET, "the nucleus by its usual name", {"componentName": NUCLEUS, "keyPath": ["compatProbe"]},
         Answer({"componentName": NUCLEUS, "value": {"compatProbe": 1}}),
         (write(1, "compatProbe", component="aws.greengrass.NucleusLite"),)),
    Case(GET, "the policies", {"keyPath": ["accessControl", "aws.greengrass.Cli"]},
         Answer({"componentName": "{me}", "value": Having({"everything": Having()})})),
    Case(GET, "an unknown key", {"keyPath": ["nowhere"]}, NOT_FOUND),
    Case(GET, "below a leaf", {"keyPath": ["x", "y"]}, NOT_FOUND),
    Case(GET, "an unknown component", {"componentName": "com.example.Nobody", "keyPath": []}, NOT_FOUND),
    Case(GET, "a key path that is too long", {"keyPath": ["k"] * 100}, Refusal("ServiceError", ".*deeper.*")),
    Case(GET, "what is no map as a whole", {"keyPath": []}, Refusal("InvalidArgumentsError", "Key is not valid."),
         (bus("gg_config", "delete", key_path=["services", "{me}", "configuration"]),
          bus("gg_config", "write", key_path=["services", "{me}", "configuration"], value=5))),
    Case(GET, "a private key by its name", {"keyPath": ["_private"]}, value("_private", 1), caller=CONFIGURED),
    Case(GET, "a list's element", {"keyPath": ["list", "0"]}, NOT_FOUND, caller=CONFIGURED),
    Case(GET, "a key path that is no list", {"keyPath": "x"}, TWISTED, unchecked=True),
    Case(GET, "a key that is no text", {"keyPath": [1]}, TWISTED, unchecked=True),
    Case(GET, "a name that is no text", {"componentName": 5, "keyPath": []}, TWISTED, unchecked=True),
    Case(GET, "a member nobody knows", {"keyPath": ["x"], "unknown": {"a": 1}}, value("x", 1), clients=(C,)),
    Case(GET, "more than the client can take", {"keyPath": []}, Refusal("ServiceError", ".*10000.*"),
         then=(call(GET, {"keyPath": ["x"]}, value("x", 1)),), clients=(C,),
         caller=Caller(configuration={"large": "y" * 10_000})),
    Case(GET, "as much as the client can take", {"keyPath": ["large"]}, value("large", "y" * 9_700),
         clients=(C,), caller=Caller(configuration={"large": "y" * 9_700})),
    Case(GET, "an empty payload", b"", Answer({"componentName": "{me}", "value": Having({"x": 1})}), clients=(C,)),
    *(
        Case(GET, f"a payload that is no object: {payload.decode()}", payload, Refusal("ServiceError"), clients=(C,))
        for payload in (b"[]", b"7", b"{", b'{"keyPath": [}', b"null")
    ),
)  # fmt: skip

UPDATING = (
    Case(UPDATE, "a new map", merge(TREE, "new", "place"), Answer(),
         then=(stored(TREE, "new", "place"), call(GET, {"keyPath": ["new", "place", "int"]}, value("int", 1)))),
    Case(UPDATE, "at the root", merge({"x": 2, "y": {"z": None}}), Answer(),
         then=(stored({"x": 2, "y": {"z": None}, "accessControl": Having()}),)),
    Case(UPDATE, "without a key path", {"timestamp": Now(0), "valueToMerge": {"x": "new"}}, Answer(),
         then=(stored("new", "x"),)),
    Case(UPDATE, "maps are merged, lists replaced", merge({"list": ["n"], "map": {"more": 1}}), Answer(),
         then=(stored(["n"], "list"), stored({**TREE["map"], "_own": 1, "more": 1}, "map")), caller=CONFIGURED),
    Case(UPDATE, "a leaf becomes a map", merge({"int": {"a": 1}}), Answer(), then=(stored({"a": 1}, "int"),),
         caller=CONFIGURED),
    Case(UPDATE, "a map becomes a leaf", merge({"map": 5}), Answer(), then=(stored(5, "map"),), caller=CONFIGURED),
    Case(UPDATE, "a fraction of a second is kept",
         merge({"t": 1}, "at", timestamp=1_700_000_000.123), Answer(),
         then=(bus("gg_config", "read_with_timestamps", "times", key_path=["services", "{me}", "configuration", "at"]),
               lambda scene: _has_time(scene.values["times"], 1_700_000_000_123))),
    Case(UPDATE, "whole seconds", merge({"t": 1}, "at", timestamp=1_700_000_000), Answer(),
         then=(stored(1, "at", "t"),)),
    Case(UPDATE, "no time means now", merge({"x": 9}, timestamp=0.0), Answer(), then=(stored(9, "x"),)),
    Case(UPDATE, "the same time again", merge({"t": 2}, "at", timestamp=1_700_000_000.5), Answer(),
         (bus("gg_config", "write", key_path=["services", "{me}", "configuration", "at"], value={"t": 1},
              timestamp=1_700_000_000_500),), then=(stored(2, "at", "t"),)),
    Case(UPDATE, "an older time", merge({"x": 2}, timestamp=Now(-3600)),
         Refusal("FailedUpdateConditionCheckError",
                 "Proposed timestamp is older than the config's latest modified timestamp"),
         then=(stored(1, "x"),)),
    Case(UPDATE, "without a time", {"keyPath": [], "valueToMerge": {"a": 1}},
         Refusal("InvalidArgumentsError", "Timestamp is required"), unchecked=True),
    Case(UPDATE, "a time that is no number", {"keyPath": [], "timestamp": "now", "valueToMerge": {"a": 1}},
         Refusal("InvalidArgumentsError"), clients=(C,)),
    Case(UPDATE, "without a value", {"keyPath": [], "timestamp": Now(0)},
         Refusal("InvalidArgumentsError", "ValueToMerge is required"), unchecked=True),
    Case(UPDATE, "a value that is no map, at the root", merge(5), Refusal("InvalidArgumentsError"), unchecked=True),
    Case(UPDATE, "a value that is no map, below", merge(5, "leaf"), Answer(), then=(stored(5, "leaf"),),
         unchecked=True),
    Case(UPDATE, "numbers keep their kinds", merge({"one": 1, "float": 1.0, "large": 2**53, "small": 1e-300}, "n"),
         Answer(), then=(stored({"one": 1, "float": 1.0, "large": 2**53, "small": 1e-300}, "n"),)),
    Case(UPDATE, "a list of everything", merge({"list": [1, None, [], {}, {"a": [None]}]}, "n"), Answer(),
         then=(stored([1, None, [], {}, {"a": [None]}], "n", "list"),)),
    Case(UPDATE, "an empty map", merge({"empty": {}}), Answer(), then=(stored({}, "empty"),)),
    Case(UPDATE, "nested too deeply", merge(nested(100)), Refusal("ServiceError")),
    Case(UPDATE, "a newer one beside is no obstacle", merge({"t": 1}, "beside", timestamp=Now(-3600)), Answer(),
         (write(1, "newer"),), then=(stored(1, "beside", "t"),)),
    Case(UPDATE, "older than one below, newer than another", merge({"old": 2, "new": 2}, "both", timestamp=Now(-60)),
         Refusal("FailedUpdateConditionCheckError"),
         (bus("gg_config", "write", key_path=["services", "{me}", "configuration", "both", "old"], value=1,
              timestamp=1_700_000_000_000), write(1, "both", "new")),
         then=(stored({"old": 2, "new": 1}, "both"),)),
    Case(UPDATE, "with a key in another case", merge({"INT": 2}), Answer(), then=(stored(2, "int"),),
         caller=CONFIGURED),
    Case(UPDATE, "the policies in another case", merge({"AccessControl": {}}), PROTECTED),
    Case(UPDATE, "a key path that is no list", {"keyPath": "x", "timestamp": Now(0), "valueToMerge": {"a": 1}},
         Refusal("InvalidArgumentsError"), unchecked=True),
    Case(UPDATE, "the policies at the root", merge({"accessControl": {}}), PROTECTED),
    Case(UPDATE, "the policies below", merge({"a": 1}, "accessControl", "p"), PROTECTED),
    Case(UPDATE, "of a component that is not there", merge({"a": 1}),
         Refusal("InvalidArgumentsError", "Component config not found for component {me}"), caller=UNKNOWN),
)  # fmt: skip

WATCHING = (
    Case(SUBSCRIBE, "one's own, changed by oneself", {"keyPath": []}, Answer(), then=(
        Step(call(UPDATE, merge({"a": {"b": 1}})), (changed("a", "b"),)),
        Step(call(UPDATE, merge({"ü": 1}, "a")), (changed("a", "ü"),)),
    )),
    Case(SUBSCRIBE, "without a key path", {}, Answer(), then=(Step(write(2, "x"), (changed("x"),)),), unchecked=True),
    Case(SUBSCRIBE, "a key, changed by somebody else", {"componentName": "{me}", "keyPath": ["map"]}, Answer(), then=(
        Step(write(2, "int")),
        Step(write("y", "map", "deep", "er", "leaf"), (changed("map", "deep", "er", "leaf"),)),
    ), caller=CONFIGURED),
    Case(SUBSCRIBE, "a leaf", {"keyPath": ["x"]}, Answer(), then=(Step(write(2, "x"), (changed("x"),)),)),
    Case(SUBSCRIBE, "one event a leaf", {"keyPath": []}, Answer(), then=(
        Step(call(UPDATE, merge({"a": 1, "b": {"c": 2, "d": None}})), (
            changed("a"), changed("b", "c"), changed("b", "d"),
        )),
    )),
    Case(SUBSCRIBE, "what is deleted", {"keyPath": []}, Answer(), then=(
        Step(bus("gg_config", "delete", key_path=["services", "{me}", "configuration", "map", "deep"]),
             (changed("map", "deep"),)),
    ), caller=CONFIGURED),
    Case(SUBSCRIBE, "the nucleus by its usual name", {"componentName": NUCLEUS, "keyPath": []}, Answer(), then=(
        Step(write("{me}", "compatWatched", component="aws.greengrass.NucleusLite"),
             (changed("compatWatched", component=NUCLEUS),)),
    )),
    Case(SUBSCRIBE, "nothing for an equal value", {"keyPath": []}, Answer(), then=(
        Step(write(1, "x")), Step(write(2, "x"), (changed("x"),)),
    )),
    Case(SUBSCRIBE, "another component's", {"componentName": "{other}", "keyPath": []}, Answer(), (another(),),
         then=(Step(write(2, "k", component="{other}"), (changed("k", component="{other}"),)),)),
    Case(SUBSCRIBE, "several on one connection", {"keyPath": []}, Answer(), then=(
        subscribe(SUBSCRIBE, {"keyPath": ["x"]}), Step(write(2, "x"), (changed("x"),)), gets(1, changed("x")),
        unsubscribe(1), Step(write(3, "x"), (changed("x"),)),
    )),
    Case(SUBSCRIBE, "an unknown key", {"keyPath": ["nowhere"]}, NOT_FOUND),
    Case(SUBSCRIBE, "an unknown component", {"componentName": "com.example.Nobody", "keyPath": []}, NOT_FOUND),
    Case(SUBSCRIBE, "a key path that is no list", {"keyPath": "x"}, TWISTED, unchecked=True),
)  # fmt: skip


def _has_time(found: object, milliseconds: int) -> None:
    assert str(milliseconds) in str(found), found


CASES = (*READING, *UPDATING, *WATCHING)
