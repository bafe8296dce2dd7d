"""What a deployment does about daemons that answer late, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop, Method, Server
from ggl.bus.request import Request
from ggl.daemon import bind
from ggl.deploymentd.runtime import Runtime
from ggl.paths import Root, find_root


class Configd:
    """Does each transaction, and hangs up on the first ``losses`` of those who asked."""

    def __init__(self, root: Root, losses: int) -> None:
        self.done: list[Any] = []
        self.losses = losses
        self._loop = Loop()
        sock = bind(str(root.bus_socket("gg_config")), 0o600)
        methods = {"transaction": Method(self._transaction), "get": Method(self._get)}
        Server(self._loop, "gg_config", methods, sock)
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    def _transaction(self, request: Request, params: dict[str, Any]) -> None:
        self.done.append(params["operations"])
        if len(self.done) <= self.losses:
            request.connection.close()

    def _get(self, _request: Request, _params: dict[str, Any]) -> Any:
        if not self.done:
            raise BusError(ErrorCode.NOENTRY, "nothing was done")
        return self.done[-1][0]["value"]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return find_root(str(tmp_path))


@pytest.fixture
def configd(root: Root) -> Iterator[Configd]:
    configd = Configd(root, losses=1)
    yield configd
    configd.stop()


OPERATIONS = [{"op": "put", "table": "t", "key": "k", "value": {"written": 1}}]


def test_what_was_done_without_an_answer_is_not_done_twice(root: Root, configd: Configd) -> None:
    with Runtime(root) as runtime:
        runtime.transaction(OPERATIONS, lambda: bool(runtime.get("t", "k") == {"written": 1}))
    assert configd.done == [OPERATIONS]


def test_what_may_be_done_twice_is_asked_for_again(root: Root, configd: Configd) -> None:
    with Runtime(root) as runtime:
        runtime.transaction(OPERATIONS)
    assert configd.done == [OPERATIONS, OPERATIONS]
