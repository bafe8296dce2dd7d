"""Many components at once: what they get from the bridge, and what they cost while they do nothing."""

from __future__ import annotations

import math
import select
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import TypeVar

from ggl.paths import Root
from tests.forked import Forked
from tests.lean import ALL, Lean, install
from tests.processes import costs
from tests.soak.players import Published, Received, official_pair, publish, receive

SECONDS = 3.0
"""How long each measurement of calls, or of messages, takes."""
IDLE_SECONDS = 20.0
IDLE_COMPONENTS = 50
MESSAGES_PER_SECOND = 100.0
CLIENTS = 2
"""Processes that play components."""

T = TypeVar("T")

POLICY = {"aws.greengrass.ipc.pubsub": ALL}


@dataclass(frozen=True)
class Calls:
    """GetConfiguration by ``components`` at once, each with one call under way; times in milliseconds."""

    components: int
    per_second: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Latency:
    """From publishing to the subscriber's code, at a fixed rate; milliseconds."""

    client: str
    p50: float
    p99: float
    longest: float
    failures: int


@dataclass(frozen=True)
class Idle:
    """What idle components add to the runtime: PSS in KiB for all of them, processor seconds a minute."""

    components: int
    pss: int
    cpu: float


def calls(root: Root, counts: tuple[int, ...] = (1, 10, 50)) -> Iterator[Calls]:
    """GetConfiguration, lean clients, for each number of components."""
    tokens = _tokens(root, max(counts))
    for count in counts:
        shares = [tokens[n:count:CLIENTS] for n in range(min(count, CLIENTS))]
        clients = [Forked(lambda share=share: _ask(root, share)) for share in shares]  # type: ignore[misc]
        times = [taken for client in clients for taken in client.result([])]
        cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [math.nan] * 99
        yield Calls(count, len(times) / SECONDS, cuts[49] * 1000, cuts[98] * 1000)


def _ask(root: Root, tokens: list[str]) -> list[float]:
    """Seconds of every call that was answered within ``SECONDS``."""
    times: list[float] = []
    with ExitStack() as stack:
        clients = {client.fileno(): client for client in (stack.enter_context(Lean(root, token)) for token in tokens)}
        epoll = stack.enter_context(select.epoll())
        for fd in clients:
            epoll.register(fd, select.EPOLLIN)
        ends = time.perf_counter() + SECONDS
        asked = {}
        for fd, client in clients.items():
            asked[fd] = time.perf_counter()
            client.request("GetConfiguration", b'{"keyPath":["value"]}')
        while time.perf_counter() < ends:
            for fd, _ in epoll.poll(1.0):
                client = clients[fd]
                for _message in client.receive():
                    now = time.perf_counter()
                    times.append(now - asked[fd])
                    asked[fd] = now
                    client.request("GetConfiguration", b'{"keyPath":["value"]}')
    return times


def idle(root: Root) -> Idle:
    """Connected components that wait for messages and changes, two subscriptions each, and get none."""
    tokens = _tokens(root, IDLE_COMPONENTS)
    with Lean(root, tokens[0]) as first, ExitStack() as stack:
        first.call("SubscribeToTopic", {"topic": "idle/first"})  # every daemon that it takes is there
        time.sleep(1.0)
        before = costs(root)
        for number, token in enumerate(tokens):
            client = stack.enter_context(Lean(root, token))
            client.call("SubscribeToTopic", {"topic": f"idle/{number}/+"})
            client.call("SubscribeToConfigurationUpdate", {"keyPath": ["value"]})
        time.sleep(1.0)
        connected = costs(root)
        time.sleep(IDLE_SECONDS)
        after = costs(root)
    pss = sum(connected[name].pss - before[name].pss for name in before if name in connected)
    cpu = sum(after[name].cpu - connected[name].cpu for name in connected if name in after)
    return Idle(IDLE_COMPONENTS, pss, cpu * 60 / IDLE_SECONDS)


def latency(root: Root) -> Iterator[Latency]:
    """Publishing at ``MESSAGES_PER_SECOND``, whether or not answers come: lean clients, then the official SDK."""
    (token,) = _tokens(root, 1)
    stop, goals, ready = RawArray("b", 2), RawArray("q", 1), RawArray("b", 1)
    subscriber = Forked(lambda: receive(root, token, ["bench"], goals, lambda: ready.__setitem__(0, 1)))
    while not ready[0] and subscriber.running():
        time.sleep(0.01)
    publisher = Forked(lambda: publish(root, token, "bench", MESSAGES_PER_SECOND, lambda: bool(stop[0])))
    published = _after_a_while(lambda: stop.__setitem__(0, 1), publisher, Published(failures=["it died"]))
    goals[0] = published.count or -1
    yield _latency("lean clients", published, subscriber.result(Received(failures=["it died"])))

    pair = Forked(lambda: official_pair(root, token, MESSAGES_PER_SECOND, lambda: bool(stop[1])))
    died = Published(failures=["it died"]), Received()
    yield _latency("official SDK at both ends", *_after_a_while(lambda: stop.__setitem__(1, 1), pair, died))


def _after_a_while(stop: Callable[[], None], process: Forked[T], otherwise: T) -> T:
    time.sleep(SECONDS)
    stop()
    return process.result(otherwise)


def _latency(client: str, published: Published, received: Received) -> Latency:
    lost = sum(sequence.lost(published.count) for sequence in received.sequences.values())
    return Latency(client, *received.latency, lost + len(published.failures) + len(received.failures))


def _tokens(root: Root, count: int) -> list[str]:
    return [install(root, f"com.example.Bench{n}", {"value": 1, "accessControl": POLICY}) for n in range(count)]
