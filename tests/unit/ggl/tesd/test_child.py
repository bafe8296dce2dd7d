"""Work in a process of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ggl.bus import Loop
from ggl.tesd.child import MAX_RESULT, Child


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def result(loop: Loop, work: Callable[[], Any], seconds: int = 60) -> Any:
    found: list[Any] = []

    def done(result: Any) -> None:
        found.append(result)
        loop.stop()

    child = Child(loop, work, done, seconds)
    pid = child._pid
    loop.run()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # nothing is left of it
    child.kill()  # and that is no matter
    return found[0]


def test_its_result_comes_back_whatever_its_size(loop: Loop) -> None:
    assert result(loop, lambda: {"pid": os.getpid()})["pid"] != os.getpid()
    text = "x" * (MAX_RESULT - 100)
    assert result(loop, lambda: {"text": text}) == {"text": text}


def test_whatever_goes_wrong_in_it_is_no_result(loop: Loop, capfd: pytest.CaptureFixture[str]) -> None:
    assert result(loop, lambda: {}["missing"]) is None
    assert "KeyError" in capfd.readouterr().err
    assert result(loop, lambda: os._exit(0)) is None
    assert result(loop, lambda: {"text": "x" * 2 * MAX_RESULT}) is None
    assert result(loop, lambda: time.sleep(1000), seconds=1) is None


def test_it_holds_no_connection_of_ours(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    child = Child(loop, lambda: time.sleep(1000) or {}, lambda _result: None, 60)
    ours.close()
    theirs.settimeout(30)
    assert theirs.recv(1) == b""
    theirs.close()
    pid = child._pid
    child.kill()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
