"""Connecting and leaving in every way there is, many times over; nothing may be left of it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

from ggl.paths import Root
from tests.lean import CONNECT, IpcFailure, Lean, connections, install, request_of
from tests.processes import Cost, costs

COMPONENT = "com.example.Cycles"
WARM_UP = 400
ALLOWANCE = 1024
"""KiB that the runtime may have grown."""


def _properly(root: Root, token: str) -> None:
    with Lean(root, token) as lean:
        lean.call("GetConfiguration", {"keyPath": ["x"]})


def _unread(root: Root, token: str) -> None:
    """The kernel tells the other side of a reset when a socket is closed with something left to read."""
    with Lean(root, token) as lean:
        for _ in range(5):
            lean.request("GetConfiguration", b"{}")


def _subscribed(root: Root, token: str) -> None:
    with Lean(root, token) as lean:
        lean.call("SubscribeToTopic", {"topic": "cycles/+"})
        lean.call("SubscribeToConfigurationUpdate", {"keyPath": []})


def _half_open(root: Root, token: str) -> None:
    with Lean(root, token) as lean:
        lean.call("GetConfiguration", {})
        lean.sock.shutdown(socket.SHUT_WR)
        try:
            lean.receive()
        except IpcFailure:
            return
        raise IpcFailure("it was not closed")


def _within_a_frame(root: Root, token: str) -> None:
    with Lean(root, token) as lean:
        lean.sock.sendall(request_of("GetConfiguration").encode(1, bytes(1000))[:200])


def _before_the_token(root: Root, _token: str) -> None:
    with Lean(root, None):
        pass


def _within_the_token(root: Root, token: str) -> None:
    with Lean(root, None) as lean:
        lean.sock.sendall(CONNECT.encode(0, json.dumps({"authToken": token}).encode())[:50])


def _refused(root: Root, _token: str) -> None:
    try:
        Lean(root, "0" * 16).close()
    except IpcFailure:
        return
    raise IpcFailure("a token that is nobody's was accepted")


def _broken(root: Root, token: str) -> None:
    with Lean(root, token) as lean:
        lean.sock.sendall(b"\xff" * 40)


WAYS: tuple[Callable[[Root, str], None], ...] = (
    _properly,
    _unread,
    _subscribed,
    _half_open,
    _within_a_frame,
    _before_the_token,
    _within_the_token,
    _refused,
    _broken,
)


def run(root: Root, cycles: int) -> list[str]:
    """What went wrong, or was left over."""
    pubsub = {"aws.greengrass.ipc.pubsub": {"all": {"operations": ["*"], "resources": ["*"]}}}
    token = install(root, COMPONENT, {"x": 1, "accessControl": pubsub})
    problems = _play(root, token, WARM_UP)
    before = _settled(root)
    began = time.monotonic()
    problems += _play(root, token, cycles)
    elapsed = time.monotonic() - began
    after = _settled(root)
    print(f"{cycles:,} cycles in {elapsed:.1f} s: {cycles / elapsed:,.0f}/s")
    print(
        "| process | PSS before, KiB | after | private before | after | descriptors before | after |\n|---|"
        + "---:|" * 6
        + ""
    )
    for name in before:
        old, new = before[name], after.get(name, before[name])
        print(f"| {name} | {old.pss:,} | {new.pss:,} | {old.private:,} | {new.private:,} | {old.fds} | {new.fds} |")
        if new.pid != old.pid:
            problems.append(f"{name} was process {old.pid} and is {new.pid}")
        if new.fds > old.fds:
            problems.append(f"{name} had {old.fds} descriptors and has {new.fds}")
    problems += [f"still connected: {each}" for each in connections(root)]
    # One that had nothing to do may have left.
    grown = sum(after[name].private - before[name].private for name in before.keys() & after.keys())
    if grown > ALLOWANCE:
        problems.append(f"the runtime has grown by {grown:,} KiB")
    return problems


def _play(root: Root, token: str, cycles: int) -> list[str]:
    problems = []
    for number in range(cycles):
        way = WAYS[number % len(WAYS)]
        try:
            way(root, token)
        except (IpcFailure, OSError) as error:
            problems.append(f"cycle {number} ({way.__name__[1:]}): {error!r}")
            if len(problems) >= 10:
                break
    return problems


def _settled(root: Root) -> dict[str, Cost]:
    """What the processes cost once everybody is gone."""
    deadline = time.monotonic() + 60
    while connections(root) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2.0)
    return costs(root)
