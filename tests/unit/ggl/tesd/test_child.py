"""Work in a process of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ggl.bus import Loop
from ggl.daemon import Context
from ggl.paths import find_root
from ggl.tesd.child import MAX_RESULT, Child


@pytest.fixture
def context() -> Iterator[Context]:
    loop = Loop()
    yield Context(loop, find_root("/nowhere"), {}, None)
    loop.close()


def result(context: Context, work: Callable[[], Any], seconds: int = 60) -> Any:
    found: list[Any] = []

    def done(result: Any) -> None:
        found.append(result)
        context.loop.stop()

    child = Child(context, work, done, seconds)
    pid = child._pid
    context.loop.run()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # nothing is left of it
    child.kill()  # and that is no matter
    return found[0]


def test_its_result_comes_back_whatever_its_size(context: Context) -> None:
    assert result(context, lambda: {"pid": os.getpid()})["pid"] != os.getpid()
    text = "x" * (MAX_RESULT - 100)
    assert result(context, lambda: {"text": text}) == {"text": text}


def test_whatever_goes_wrong_in_it_is_no_result(context: Context, capfd: pytest.CaptureFixture[str]) -> None:
    assert result(context, lambda: {}["missing"]) is None
    assert "KeyError" in capfd.readouterr().err
    assert result(context, lambda: os._exit(0)) is None
    assert result(context, lambda: {"text": "x" * 2 * MAX_RESULT}) is None
    assert result(context, lambda: time.sleep(1000), seconds=1) is None


def test_it_holds_no_connection_of_ours(context: Context) -> None:
    ours, theirs = socket.socketpair()
    child = Child(context, lambda: time.sleep(1000) or {}, lambda _result: None, 60)
    ours.close()
    theirs.settimeout(30)
    assert theirs.recv(1) == b""
    theirs.close()
    pid = child._pid
    child.kill()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_the_daemon_does_not_leave_before_it_has_ended() -> None:
    loop = Loop()
    context = Context(loop, find_root("/nowhere"), {}, 0.05)
    results: list[Any] = []
    Child(context, lambda: time.sleep(0.5) or {"done": True}, results.append, 60)
    context.run()  # until it leaves
    loop.close()
    assert results == [{"done": True}]
