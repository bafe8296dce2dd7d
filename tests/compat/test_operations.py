"""Every case, sent by every client that can send it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.compat import table
from tests.compat.actions.asking import check, expect_events
from tests.compat.case import Case, Step
from tests.compat.cases import CASES
from tests.compat.clients import Client
from tests.compat.clients.c_sdk import CConnection
from tests.compat.scene import Scene
from tests.integration.conftest import Runtime, wait_until


def _parameters() -> Iterator[Any]:
    for case in CASES:
        marks = [pytest.mark.xfail(strict=True, reason=case.fault)] if case.fault else []
        for name in table.clients_of(case):
            yield pytest.param(case, name, id=f"{case.operation}: {case.title} [{name}]", marks=marks)


@pytest.mark.parametrize(("case", "name"), list(_parameters()))
def test_operation(compat_runtime: Runtime, clients: Callable[[str], Client], case: Case, name: str) -> None:
    with Scene(compat_runtime, clients(name), case) as scene:
        for action in case.given:
            action(scene)
        scene.response = check(scene, case.expect, lambda: _send(scene, case))
        _follow(scene, case)


def _send(scene: Scene, case: Case) -> dict[str, Any]:
    operation = case.operation
    if operation == "GetSystemConfig":
        operation = "aws.greengrass.private#GetSystemConfig"
    if isinstance(case.request, bytes):
        assert isinstance(scene.connection, CConnection)
        return scene.connection.send(operation, case.request, None)
    request = scene.fill(case.request)
    if not operation.startswith("SubscribeTo"):
        return scene.connection.call(operation, request, case.unchecked)
    response, subscription = scene.connection.subscribe(operation, request, case.unchecked)
    scene.subscription = subscription
    scene.subscriptions.insert(0, subscription)
    return response


def _follow(scene: Scene, case: Case) -> None:
    subscription = scene.subscription
    for step in case.then:
        if isinstance(step, Step):
            step.do(scene)
            assert subscription is not None
            expect_events(scene, subscription, step.events)
        else:
            step(scene)
    if subscription is not None and not case.ends:
        before = len(scene.open_streams())
        scene.connection.unsubscribe(subscription)
        if case.loud:
            subscription.drain()
        else:
            subscription.end()
        wait_until(scene.open_streams, lambda now: len(now) == before - 1)
    for each in () if case.loud else scene.subscriptions:
        assert each.came.empty(), each.came.get()
