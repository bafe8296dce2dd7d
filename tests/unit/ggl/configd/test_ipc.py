"""GetConfiguration, UpdateConfiguration and SubscribeToConfigurationUpdate, as a component sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ggl.configd.ipc import get_configuration, subscribe, update_configuration
from ggl.configd.store import Delete, Store, Write, open_store
from ggl.ipc.errors import IpcError

ME = "com.example.Me"
MINE = ["services", ME, "configuration"]
CONFIGURATION = {
    "Text": "hello",
    "number": 1,
    "list": [1, {"_x": 1}],
    "nothing": None,
    "map": {"a": {"b": 2, "_hidden": 3}},
    "_private": {"x": 1},
    "accessControl": {"service": {"policy": {"operations": ["*"]}}},
}
VISIBLE = {**CONFIGURATION, "map": {"a": {"b": 2}}}
del VISIBLE["_private"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path / "config.db")) as store:
        store.apply(
            [
                Write(MINE, CONFIGURATION, 5000),
                Write(["services", "com.example.Bare", "version"], "1.0.0", 0),
                Write(["services", "com.example.Odd", "configuration"], "text", 0),
                Write(["services", "aws.greengrass.NucleusLite", "configuration", "awsRegion"], "eu-central-1", 0),
            ]
        )
        yield store


def error_of(call: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    with pytest.raises(IpcError) as caught:
        call(*arguments)
    return caught.value.shape, caught.value.message


# -- GetConfiguration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ([], VISIBLE),
        (None, VISIBLE),
        (["map"], {"a": {"b": 2}}),
        (["Text"], {"Text": "hello"}),
        (["TEXT"], {"Text": "hello"}),
        (["map", "A", "b"], {"b": 2}),
        (["list"], {"list": [1, {"_x": 1}]}),
        (["nothing"], {"nothing": None}),
        (["_private"], {"x": 1}),
        (["accessControl", "service"], {"policy": {"operations": ["*"]}}),
    ],
)
def test_get_returns_a_map_or_a_map_of_the_last_key(store: Store, path: list[str] | None, value: Any) -> None:
    assert get_configuration(store, ME, {"keyPath": path}) == {"componentName": ME, "value": value}


def test_get_hides_without_touching_what_is_stored(store: Store) -> None:
    get_configuration(store, ME, {})
    assert store.tree.read(MINE) == CONFIGURATION


def test_get_of_another_component_echoes_its_name(store: Store) -> None:
    request = {"componentName": ME, "keyPath": ["number"]}
    assert get_configuration(store, "other", request) == {"componentName": ME, "value": {"number": 1}}


def test_the_nucleus_is_found_by_its_classic_name(store: Store) -> None:
    request = {"componentName": "aws.greengrass.Nucleus", "keyPath": ["awsRegion"]}
    assert get_configuration(store, ME, request) == {
        "componentName": "aws.greengrass.Nucleus",
        "value": {"awsRegion": "eu-central-1"},
    }


@pytest.mark.parametrize(
    ("request_", "shape", "message"),
    [
        ({"keyPath": ["missing"]}, "ResourceNotFoundError", "Key not found"),
        ({"keyPath": ["list", "0"]}, "ResourceNotFoundError", "Key not found"),
        ({"componentName": "nobody"}, "ResourceNotFoundError", "Key not found"),
        ({"componentName": "com.example.Bare"}, "ResourceNotFoundError", "Key not found"),
        ({"componentName": "com.example.Odd"}, "InvalidArgumentsError", "Key is not valid."),
        ({"keyPath": ["k"] * 100}, "ServiceError", "a key path of 103 levels is deeper than the limit of 58"),
    ],
)
def test_get_errors(store: Store, request_: dict[str, Any], shape: str, message: str) -> None:
    assert error_of(get_configuration, store, ME, request_) == (shape, message)


# -- UpdateConfiguration -----------------------------------------------------------------------------------------------


def update(store: Store, path: list[str] | None, value: Any, timestamp: Any = 10.0, caller: str = ME) -> Any:
    return update_configuration(store, caller, {"keyPath": path, "valueToMerge": value, "timestamp": timestamp})


@pytest.mark.parametrize(
    ("path", "value", "where", "result"),
    [
        ([], {"number": 2}, ["number"], 2),
        (None, {"new": {}}, ["new"], {}),
        (["map"], {"a": {"c": 3}}, ["map", "a"], {"b": 2, "_hidden": 3, "c": 3}),
        (["made", "up"], {"x": None}, ["made"], {"up": {"x": None}}),
        (["list"], {"now": "a map"}, ["list"], {"now": "a map"}),
        (["map"], "now a value", ["map"], "now a value"),
        (["MAP", "A"], {"B": 4}, ["map", "a", "b"], 4),
        (["_private"], {"x": 2}, ["_private"], {"x": 2}),
        (["map"], {"accessControl": 1}, ["map", "accessControl"], 1),
    ],
)
def test_update_merges_at_the_key_path(store: Store, path: Any, value: Any, where: list[str], result: Any) -> None:
    assert update(store, path, value) == {}
    assert store.tree.read([*MINE, *where]) == result
    if result != {}:
        assert store.tree.newest([*MINE, *where]) == 10_000


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"), [(1700000000.123, 1700000000123), (1700000000, 1700000000000), (6.0009, 6000)]
)
def test_update_takes_seconds_with_a_fraction_and_cuts_to_milliseconds(
    store: Store, timestamp: float, milliseconds: int
) -> None:
    update(store, ["number"], 3, timestamp)
    assert store.tree.newest([*MINE, "number"]) == milliseconds


@pytest.mark.parametrize("timestamp", [0, 0.0])
def test_update_at_time_zero_happens_now(store: Store, timestamp: float) -> None:
    update(store, ["number"], 3, timestamp)
    assert abs(store.tree.newest([*MINE, "number"]) - time.time() * 1000) < 60_000


def test_update_at_the_stored_time_wins(store: Store) -> None:
    update(store, ["number"], 3, 5.0)
    assert store.tree.read([*MINE, "number"]) == 3


def test_update_in_the_future_is_taken_and_wins_over_what_follows(store: Store) -> None:
    later = time.time() + 3600
    update(store, ["number"], 3, later)
    assert store.tree.newest([*MINE, "number"]) == int(round(later * 1000, 3))
    assert error_of(update, store, ["number"], 4, time.time())[0] == "FailedUpdateConditionCheckError"
    assert store.tree.read([*MINE, "number"]) == 3


def test_update_older_than_stored_fails_its_condition_and_still_merges_what_it_may(store: Store) -> None:
    assert error_of(update, store, [], {"number": 9, "added": 1}, 4.0) == (
        "FailedUpdateConditionCheckError",
        "Proposed timestamp is older than the config's latest modified timestamp",
    )
    assert store.tree.read([*MINE, "number"]) == 1
    assert store.tree.read([*MINE, "added"]) == 1


def test_update_where_the_path_is_new_keeps_the_time_of_the_request(store: Store) -> None:
    update(store, ["fresh"], {"x": 1}, 4.0)
    assert update(store, ["fresh"], {"x": 2}, 4.5) == {}


def test_update_makes_the_configuration_of_a_component_that_has_none(store: Store) -> None:
    update(store, ["a"], {"b": 1}, caller="com.example.Bare")
    assert store.tree.read(["services", "com.example.Bare", "configuration"]) == {"a": {"b": 1}}


NOT_ALLOWED = "Config update is not allowed for following fields [accessControl]"


@pytest.mark.parametrize(
    ("request_", "shape", "message"),
    [
        ({"valueToMerge": {}}, "InvalidArgumentsError", "Timestamp is required"),
        ({"valueToMerge": {}, "timestamp": None}, "InvalidArgumentsError", "Timestamp is required"),
        ({"valueToMerge": {}, "timestamp": "1"}, "InvalidArgumentsError", "Timestamp must be a number of seconds"),
        ({"valueToMerge": {}, "timestamp": True}, "InvalidArgumentsError", "Timestamp must be a number of seconds"),
        ({"valueToMerge": {}, "timestamp": -1.0}, "InvalidArgumentsError", "Timestamp is out of range"),
        ({"valueToMerge": {}, "timestamp": float("nan")}, "InvalidArgumentsError", "Timestamp is out of range"),
        ({"valueToMerge": {}, "timestamp": 1e300}, "InvalidArgumentsError", "Timestamp is out of range"),
        ({"timestamp": 1.0}, "InvalidArgumentsError", "ValueToMerge is required"),
        ({"timestamp": 1.0, "valueToMerge": 5}, "InvalidArgumentsError", None),
        ({"timestamp": 1.0, "valueToMerge": {}, "keyPath": "a"}, "InvalidArgumentsError", None),
        ({"timestamp": 1.0, "valueToMerge": {}, "keyPath": [1]}, "InvalidArgumentsError", None),
        ({"timestamp": 1.0, "valueToMerge": {"x": b""}}, "InvalidArgumentsError", None),
        ({"timestamp": 9.0, "valueToMerge": {}, "keyPath": ["accessControl"]}, "InvalidArgumentsError", NOT_ALLOWED),
        ({"timestamp": 9.0, "valueToMerge": {}, "keyPath": ["ACCESSCONTROL"]}, "InvalidArgumentsError", NOT_ALLOWED),
        ({"timestamp": 9.0, "valueToMerge": {"ACCESSCONTROL": {}}}, "InvalidArgumentsError", NOT_ALLOWED),
        ({"timestamp": 9.0, "valueToMerge": {}, "keyPath": ["number", "x"]}, "ServiceError", None),
        ({"timestamp": 9.0, "valueToMerge": {}, "keyPath": ["k"] * 60}, "ServiceError", None),
    ],
)  # fmt: skip
def test_update_errors(store: Store, request_: dict[str, Any], shape: str, message: str | None) -> None:
    before = store.tree.stamped([])
    found = error_of(update_configuration, store, ME, request_)
    assert found == (shape, message or found[1])
    assert store.tree.stamped([]) == before


def test_update_of_a_component_that_is_gone_is_refused(store: Store) -> None:
    assert error_of(update, store, [], {"x": 1}, 1.0, "gone") == (
        "InvalidArgumentsError",
        "Component config not found for component gone",
    )


# -- SubscribeToConfigurationUpdate ------------------------------------------------------------------------------------


class FakeStream:
    """Stands for the bus: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.on_close: Callable[[], None] = lambda: None

    def stream(self, on_close: Callable[[], None]) -> FakeStream:
        self.on_close = on_close
        return self

    def send(self, item: Any) -> None:
        self.sent.append(item)

    def paths(self) -> list[list[str]]:
        found = [item["configurationUpdateEvent"]["keyPath"] for item in self.sent]
        self.sent.clear()
        return found


def watch(store: Store, request: dict[str, Any], caller: str = ME) -> FakeStream:
    stream = FakeStream()
    assert subscribe(store, caller, request, stream) == {}  # type: ignore[arg-type]
    return stream


def test_events_name_the_changed_leaves_relative_to_the_configuration(store: Store) -> None:
    whole, part, leaf = watch(store, {}), watch(store, {"keyPath": ["MAP"]}), watch(store, {"keyPath": ["number"]})
    update(store, ["map", "a"], {"b": 7, "c": {"d": 1}, "e": {}})
    update(store, [], {"number": 1, "Text": "bye"})
    assert whole.paths() == [["map", "a", "b"], ["map", "a", "c", "d"], ["Text"]]
    assert part.paths() == [["map", "a", "b"], ["map", "a", "c", "d"]]
    assert leaf.paths() == []


def test_events_carry_the_name_that_was_asked_for(store: Store) -> None:
    mine = watch(store, {"keyPath": ["number"]})
    theirs = watch(store, {"componentName": "aws.greengrass.Nucleus"})
    update(store, ["number"], 2)
    store.apply([Write(["services", "aws.greengrass.NucleusLite", "configuration", "awsRegion"], "x", 9)])
    assert mine.sent == [{"configurationUpdateEvent": {"componentName": ME, "keyPath": ["number"]}}]
    assert theirs.sent == [
        {"configurationUpdateEvent": {"componentName": "aws.greengrass.Nucleus", "keyPath": ["awsRegion"]}}
    ]


def test_deletions_are_events(store: Store) -> None:
    whole, leaf = watch(store, {}), watch(store, {"keyPath": ["map", "a", "b"]})
    store.apply([Delete([*MINE, "map", "a"])])
    assert whole.paths() == [["map", "a"]]
    assert leaf.paths() == [["map", "a"]]
    store.apply([Delete(["services", ME])])
    assert whole.paths() == [[]]
    assert leaf.paths() == [["map", "a", "b"]]


def test_nothing_is_sent_after_the_stream_is_closed(store: Store) -> None:
    stream = watch(store, {})
    stream.on_close()
    stream.on_close()
    update(store, ["number"], 2)
    assert stream.paths() == []


@pytest.mark.parametrize("request_", [{"keyPath": ["missing"]}, {"componentName": "nobody"}])
def test_subscribing_to_what_does_not_exist_is_an_error(store: Store, request_: dict[str, Any]) -> None:
    assert error_of(subscribe, store, ME, request_, FakeStream()) == ("ResourceNotFoundError", "Key not found")
