"""For how long the policies of a component are known and watched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from ggl.bus import Loop
from ggl.bus.calls import Subscription
from ggl.ipc.errors import IpcError
from ggl.ipc.model import OPERATIONS, PREFIX, PUBSUB
from ggl.ipcd.backends import Backends
from ggl.ipcd.policies import QUIET_SECONDS, PolicyCache
from ggl.ipcd.refusals import Refusals

PUBLISH = OPERATIONS[f"{PREFIX}PublishToTopic"]
METER, LAMP = "com.example.Meter", "com.example.Lamp"


class Config:
    """The loop, and the configuration daemon that ipcd is connected to."""

    def __init__(self) -> None:
        self.remote = self
        self.subscriptions = 0
        self.reads: list[str] = []
        self.later: list[Callable[[], None]] = []

    def __getitem__(self, _interface: str) -> Config:
        return self

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        assert seconds == QUIET_SECONDS
        self.later.append(callback)

    def subscribe(self, *_arguments: Any) -> Subscription:
        return cast("Subscription", self)

    def close(self) -> None:
        """The end of a subscription."""

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
def cache(config: Config) -> PolicyCache:
    return PolicyCache(cast("Loop", config), cast("Backends", config), cast("Refusals", None))


def decision(cache: PolicyCache, component: str) -> IpcError | None:
    decided: list[IpcError | None] = []
    cache.check(component, PUBLISH, ["meter/1"], decided.append)
    [result] = decided
    return result


def test_what_a_quiet_component_may_do_is_forgotten_and_the_configuration_daemon_can_leave(
    config: Config, cache: PolicyCache
) -> None:
    assert decision(cache, METER) is decision(cache, LAMP) is None
    assert config.subscriptions == 2
    config.pass_time()
    assert decision(cache, METER) is None
    assert config.reads == [METER, LAMP], "both are still known"
    config.pass_time()
    assert config.subscriptions == 1, "only the one that asked is watched"
    config.pass_time()
    assert config.subscriptions == 0
    assert config.later == []
    assert decision(cache, LAMP) is None
    assert config.reads == [METER, LAMP, LAMP]
    assert config.subscriptions == 1


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
    config.pass_time()
    assert config.subscriptions == 0
