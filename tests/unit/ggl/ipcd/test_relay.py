"""What providers answer, and what is said of answers that are of no use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ggl.ipc.errors import IpcError
from ggl.ipcd.relay import answer_of

STREAM = cast(Any, SimpleNamespace(name="com.x#Do", component="com.example.Caller", trail="3f9a2b11c0"))
PROVIDER = cast(Any, SimpleNamespace(interface="com.example.Provider", who="com.example.Provider (pid 77)"))


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (7, "it is no map but of type int"),
        ({}, "it is a map of nothing"),
        ({"secret": "xyzzy"}, "it is a map of 'secret'"),
        ({"response": {"x": float("nan")}}, "the response is no JSON: Out of range float"),
        ({"response": {"x": b"xyzzy"}}, "the response is no JSON: a value of type bytes"),
        ({"error": {}}, "its error says nothing"),
        ({"response": {}, "error": {"shape": "A", "message": "xyzzy"}}, "it has both a response and an error"),
    ],
    ids=repr,
)
def test_the_log_says_whose_answer_was_bad_and_why_and_the_caller_whose(
    capfd: pytest.CaptureFixture[str], result: Any, what: str
) -> None:
    with pytest.raises(IpcError) as raised:
        answer_of(STREAM, PROVIDER, result)
    assert raised.value.shape == "ServiceError"
    assert raised.value.message == (
        "com.x#Do: com.example.Provider, which serves it, gave an answer that cannot be understood"
    )
    log = capfd.readouterr().err
    assert f"com.x#Do of com.example.Caller: com.example.Provider (pid 77) gave an answer of no use: {what}" in log
    assert "trail=3f9a2b11c0" in log
    assert "xyzzy" not in log, "it may be a secret"


def test_an_error_without_a_text_is_one_if_it_has_a_name() -> None:
    with pytest.raises(IpcError, match="Mine"):
        answer_of(STREAM, PROVIDER, {"response": None, "error": {"shape": "Mine"}})
    assert answer_of(STREAM, PROVIDER, {"response": {"a": 1}, "error": None}) == ({"a": 1}, b'{"a":1}')
