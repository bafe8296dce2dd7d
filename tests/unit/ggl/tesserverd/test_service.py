"""From a request to its answer, by way of the two daemons that know: these are stand-ins, all sockets are real."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.request import Method, Request
from ggl.bus.server import Server
from ggl.daemon import Context, bind
from ggl.paths import find_root
from ggl.tesserverd import upstream
from ggl.tesserverd.http import PATH
from ggl.tesserverd.service import Service

TOKEN = "ABCDEFGHIJ012345"
ALL = {"component_of": "com.example.C", "answer": {"status": 200, "text": "{}"}}


class World:
    """``answers``, by method: what is returned or raised; a list is used up, one for each call. ``DIE`` breaks the
    connection, as the end of the daemon does."""

    def __init__(self, directory: Path) -> None:
        root = find_root(str(directory))
        self.answers: dict[str, Any] = dict(ALL)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._loop = Loop()
        sockets = [bind(str(root.bus_socket(name)), 0o600) for name in ("gg_ipc", "aws_iot_tes")]
        self.servers = [
            Server(self._loop, name, {method: Method(self._serve)}, sock)
            for (name, method), sock in zip(
                (("gg_ipc", "component_of"), ("aws_iot_tes", "answer")), sockets, strict=True
            )
        ]
        listener = socket.create_server(("127.0.0.1", 0))
        self._port = listener.getsockname()[1]
        self.service = Service(Context(self._loop, root, {"tcp": listener}, None))
        self._thread = Thread(target=self._loop.run)
        self._thread.start()

    def _serve(self, request: Request, params: dict[str, Any]) -> Any:
        self.calls.append((request.method, params))
        answer = self.answers[request.method]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if answer is DIE:
            request.connection.close()
            return request.defer()
        if isinstance(answer, BusError):
            raise answer
        return answer

    def get(self) -> tuple[int, str, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", PATH.decode(), headers={"Authorization": TOKEN})
            response = connection.getresponse()
            return response.status, response.read().decode(), response.getheader("Content-Type")
        finally:
            connection.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self.service.close()
        for server in self.servers:
            server.close()
        self._loop.close()


DIE = object()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(upstream, "PAUSE", 0.01)
    world = World(tmp_path)
    yield world
    world.close()


def test_a_component_is_told_what_tesd_says(world: World) -> None:
    assert world.get() == (200, "{}", "application/json")
    assert world.calls == [("component_of", {"token": TOKEN}), ("answer", {})]
    world.answers["answer"] = {"status": 403, "text": "AWS says no"}
    assert world.get() == (403, "AWS says no", "text/plain; charset=utf-8")


def test_nobody_elses_token_gets_anything(world: World) -> None:
    world.answers["component_of"] = None
    assert world.get()[0] == 403
    assert world.calls == [("component_of", {"token": TOKEN})]


@pytest.mark.parametrize("method", ["component_of", "answer"])
@pytest.mark.parametrize(("code", "status"), [(ErrorCode.TIMEOUT, 504), (ErrorCode.FAILURE, 500)])
def test_an_error_of_a_daemon_has_a_status(world: World, method: str, code: ErrorCode, status: int) -> None:
    world.answers[method] = BusError(code, "for us alone")
    found, text, _ = world.get()
    assert found == status
    assert text
    assert "for us alone" not in text


@pytest.mark.parametrize("method", ["component_of", "answer"])
def test_a_daemon_that_dies_in_the_middle_is_asked_again(world: World, method: str) -> None:
    world.answers[method] = [DIE, DIE, ALL[method]]
    assert world.get()[0] == 200


@pytest.mark.parametrize("method", ["component_of", "answer"])
def test_but_not_for_ever(world: World, method: str) -> None:
    world.answers[method] = DIE
    assert world.get()[0] == 500
    assert [called for called, _ in world.calls].count(method) == upstream.TRIES


def test_no_daemon_is_kept_by_a_connection(world: World) -> None:
    assert world.get()[0] == 200
    deadline = time.monotonic() + 60
    while any(server.connections for server in world.servers):
        assert time.monotonic() < deadline
        time.sleep(0.01)
