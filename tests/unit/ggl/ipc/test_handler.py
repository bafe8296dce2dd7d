"""Serving an IPC operation: what a handler returns or raises, and what the bridge then receives."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ggl.bus import BusError, ErrorCode, Request
from ggl.bus.request import DEFERRED
from ggl.ipc.errors import IpcError, not_found
from ggl.ipc.handler import Handler, fail, ipc_method, reply
from ggl.values import InvalidValue, get_str


class FakeRequest:
    def __init__(self) -> None:
        self.answer: Any = None

    def reply(self, result: Any) -> None:
        self.answer = result


def serve(handler: Handler, request: dict[str, Any] | None = None) -> Any:
    bus_request = cast(Request, FakeRequest())
    return ipc_method(handler).handler(bus_request, {"component": "com.example.A", "request": request or {}})


def test_the_handler_gets_the_caller_and_the_request_and_its_members_are_the_response() -> None:
    assert serve(lambda component, request, _: {"by": component, **request}, {"a": 1}) == {
        "response": {"by": "com.example.A", "a": 1}
    }


def test_no_members_are_an_empty_response() -> None:
    assert serve(lambda *_: None) == {"response": {}}


def test_a_modelled_error_keeps_its_members() -> None:
    def handler(*_: Any) -> None:
        raise not_found("no such thing", "component", "x")

    result = serve(handler)
    assert result == {
        "error": {
            "shape": "ResourceNotFoundError",
            "message": "no such thing",
            "resourceType": "component",
            "resourceName": "x",
        }
    }
    again = IpcError.from_dict(result["error"])
    assert (again.shape, again.message, again.members["resourceName"]) == (
        "ResourceNotFoundError",
        "no such thing",
        "x",
    )


def test_a_request_of_the_wrong_shape_is_a_service_error_that_says_why() -> None:
    error = serve(lambda _c, request, _b: {"x": get_str(request, "topic")}, {"topic": 1})["error"]
    assert error["shape"] == "ServiceError"
    assert "'topic' must be a string" in error["message"]


def test_an_error_of_the_bus_stays_one() -> None:
    def handler(*_: Any) -> None:
        raise BusError(ErrorCode.BUSY, "later")

    with pytest.raises(BusError, match="later"):
        serve(handler)


def test_a_call_that_does_not_come_from_the_bridge_is_refused() -> None:
    with pytest.raises(InvalidValue, match="component"):
        ipc_method(lambda *_: None).handler(cast(Request, FakeRequest()), {})


def test_a_deferred_answer_looks_the_same() -> None:
    assert serve(lambda *_: DEFERRED) is DEFERRED
    request = FakeRequest()
    reply(cast(Request, request))
    assert request.answer == {"response": {}}
    fail(cast(Request, request), IpcError("ConflictError", "no"))
    assert request.answer == {"error": {"shape": "ConflictError", "message": "no"}}
