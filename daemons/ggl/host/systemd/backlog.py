"""Requests that come before everything is known wait for that."""

from __future__ import annotations

from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.request import DEFERRED, Request
from ggl.host.methods import Handler
from ggl.values import InvalidValue


class Backlog:
    def __init__(self) -> None:
        self._waiting: list[tuple[Handler, Request, dict[str, Any]]] = []

    def add(self, handler: Handler, request: Request, params: dict[str, Any]) -> Any:
        """What the handler of a request returns that is to wait."""
        self._waiting.append((handler, request, params))
        return request.defer()

    def serve(self) -> None:
        waiting, self._waiting = self._waiting, []
        for handler, request, params in waiting:
            answer(handler, request, params)

    def fail(self, problem: str) -> None:
        waiting, self._waiting = self._waiting, []
        for _, request, _ in waiting:
            request.fail(BusError(ErrorCode.RETRY, problem))


def answer(handler: Handler, request: Request, params: dict[str, Any]) -> None:
    """Do what the connection would have done, had the request not waited."""
    if request.connection.closed:
        return
    try:
        result = handler(request, params)
    except BusError as error:
        request.fail(error)
        return
    except InvalidValue as error:
        request.fail(BusError(ErrorCode.INVALID, f"{request.method}: {error}"))
        return
    if result is not DEFERRED:
        request.reply(result)
