"""For how long the policies of a component are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ggl.bus import Loop
from ggl.ipc.errors import IpcError
from ggl.ipc.model import OPERATIONS, PREFIX, PUBSUB
from ggl.ipcd.backends import Backends
from ggl.ipcd.policies import QUIET_SECONDS, PolicyCache
from ggl.ipcd.refusals import Refusals
from ggl.stamp import Stamp

PUBLISH = OPERATIONS[f"{PREFIX}PublishToTopic"]
METER, LAMP = "com.example.Meter", "com.example.Lamp"


class _Refusals:
    def add(self, *_refusal: str) -> None: ...


class Config:
    """The loop, and the configuration daemon that ipcd is connected to."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.later: list[Callable[[], None]] = []

    def __getitem__(self, _interface: str) -> Config:
        return self

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        assert seconds == QUIET_SECONDS
        self.later.append(callback)

    def call(self, _method: str, params: dict[str, Any], on_reply: Callable[[Any], None], *_others: Any) -> None:
        self.reads.append(params["key_path"][1])
        on_reply({PUBSUB: {"a": {"operations": ["*"], "resources": ["meter/*"]}}})

    def pass_time(self) -> None:
        [callback] = self.later
        self.later = []
        callback()


@pytest.fixture
def config() -> Config:
    return Config()


@pytest.fixture
def stamp(tmp_path: Path) -> Stamp:
    return Stamp(tmp_path / "stamp")


@pytest.fixture
def cache(config: Config, tmp_path: Path) -> PolicyCache:
    return PolicyCache(
        cast("Loop", config), cast("Backends", config), cast("Refusals", _Refusals()), Stamp(tmp_path / "stamp")
    )


def decision(cache: PolicyCache, component: str) -> IpcError | None:
    decided: list[IpcError | None] = []
    cache.check(component, PUBLISH, ["meter/1"], decided.append)
    [result] = decided
    return result


def test_what_a_quiet_component_may_do_is_forgotten(config: Config, cache: PolicyCache) -> None:
    assert decision(cache, METER) is decision(cache, LAMP) is None
    config.pass_time()
    assert decision(cache, METER) is None
    assert config.reads == [METER, LAMP], "both are still known"
    config.pass_time()
    assert decision(cache, LAMP) is None
    assert config.reads == [METER, LAMP, LAMP], "only the one that asked was still known"
    config.pass_time()
    config.pass_time()
    assert config.later == []


def test_each_advance_of_the_stamp_has_them_read_again(config: Config, cache: PolicyCache, stamp: Stamp) -> None:
    for number in range(3):
        decision(cache, METER)
        decision(cache, METER)
        assert config.reads == [METER] * (number + 1)
        stamp.advance()


def test_a_change_during_the_reading_has_it_done_again_before_anything_is_decided(
    config: Config, cache: PolicyCache, stamp: Stamp, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Callable[[Any], None]] = []
    monkeypatch.setattr(config, "call", lambda _method, _params, on_reply, *_others: answers.append(on_reply))
    decided: list[IpcError | None] = []
    cache.check(METER, PUBLISH, ["meter/1"], decided.append)
    stamp.advance()
    answers.pop()({PUBSUB: {"a": {"operations": ["*"], "resources": ["*"]}}})
    assert decided == []
    answers.pop()({})
    [refusal] = decided
    assert refusal is not None


def test_who_waits_for_a_decision_is_not_forgotten(
    config: Config, cache: PolicyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Callable[[Any], None]] = []
    monkeypatch.setattr(config, "call", lambda _method, _params, on_reply, *_others: answers.append(on_reply))
    decided: list[IpcError | None] = []
    cache.check(METER, PUBLISH, ["meter/1"], decided.append)
    config.pass_time()
    config.pass_time()
    [answer] = answers
    answer({PUBSUB: {"a": {"operations": ["*"], "resources": ["*"]}}})
    assert decided == [None]
