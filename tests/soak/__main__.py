"""Components that use the runtime for a long time, well and badly, with everything counted:

    python -m tests.soak [--minutes 30] [--rate 500] [--publishers 2] [--subscribers 2]
    python -m tests.soak --cycles 10000

The first form publishes ``--rate`` messages a second in all, some of them through the official SDK, while a
configuration is changed and watched, components come and go, and one stops reading now and then. It fails if a message
is lost, doubled or out of order, if anybody but the one that does not read is disturbed, or if the runtime grows.

The second form connects and leaves again that often, in nine ways, and fails if anything is left of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from multiprocessing.sharedctypes import RawArray

from ggl.host.process import launch
from ggl.ipcd.transport import MAX_QUEUED
from ggl.paths import Root, find_root
from tests.forked import Forked
from tests.lean import ALL, install
from tests.soak import cycles, growth
from tests.soak.players import (
    Done,
    Published,
    Received,
    come_and_go,
    official_pair,
    publish,
    receive,
    watch_configuration,
)
from tests.soak.slow import MESSAGE, Cut, stop_reading

OFFICIAL_RATE = 20.0
"""Messages a second through the official SDK, of those there are in all."""
SLOW_PAUSE = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Load the component socket for long.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second in all")
    parser.add_argument("--publishers", type=int, default=2)
    parser.add_argument("--subscribers", type=int, default=2)
    parser.add_argument("--cycles", type=int, help="instead: connect and leave this often")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ggl-soak-") as directory:
        root = find_root(directory)
        launch.start(root)
        try:
            problems = cycles.run(root, options.cycles) if options.cycles else _soak(root, options)
        finally:
            launch.stop(root)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("failed" if problems else "passed")
    return 1 if problems else 0


def _soak(root: Root, options: argparse.Namespace) -> list[str]:
    tokens = {
        name: install(
            root, f"com.example.Soak{name}", {"counter": 0, "accessControl": {"aws.greengrass.ipc.pubsub": ALL}}
        )
        for name in ("Publisher", "Subscriber", "Official", "Watcher", "Slow", "Visitor")
    }
    names = [f"p{number}" for number in range(options.publishers)]
    rate = max(1.0, (options.rate - OFFICIAL_RATE) / options.publishers)
    stop = RawArray("b", 1)
    goals = RawArray("q", options.publishers)
    ready = RawArray("b", options.subscribers)
    cut = RawArray("b", 1)

    def stopped() -> bool:
        return bool(stop[0])

    subscribers = [
        Forked(lambda n=n: receive(root, tokens["Subscriber"], names, goals, lambda: ready.__setitem__(n, 1)))  # type: ignore[misc]
        for n in range(options.subscribers)
    ]
    while not all(ready):
        time.sleep(0.05)
    publishers = [
        Forked(lambda name=name: publish(root, tokens["Publisher"], name, rate, stopped))  # type: ignore[misc]
        for name in names
    ]
    official = Forked(lambda: official_pair(root, tokens["Official"], OFFICIAL_RATE, stopped))
    watcher = Forked(lambda: watch_configuration(root, tokens["Watcher"], "com.example.SoakWatcher", stopped))
    visitor = Forked(lambda: come_and_go(root, tokens["Visitor"], 10.0, stopped))
    slow_name, first = "com.example.SoakSlow", lambda: cut.__setitem__(0, 1)
    slow = Forked(
        lambda: stop_reading(root, slow_name, tokens["Slow"], tokens["Publisher"], SLOW_PAUSE, stopped, first)
    )
    while not cut[0] and slow.running():
        time.sleep(0.05)  # what waited for it belongs to the warm-up, however long it takes here
    samples = growth.sample(root, options.minutes * 60)
    stop[0] = 1
    published = {
        name: process.result(Published(failures=[f"publisher {name} died"]))
        for name, process in zip(names, publishers, strict=True)
    }
    for number, name in enumerate(names):
        goals[number] = published[name].count or -1
    received = [process.result(Received(failures=["a subscriber died"])) for process in subscribers]
    died = Published(failures=["the pair on the SDK died"]), Received()
    published["sdk"], by_sdk = official.result(died)
    return [
        *_report_messages(published, [*received, by_sdk]),
        *_report_others(watcher.result(Done()), visitor.result(Done()), slow.result(Cut())),
        *growth.judge(root, samples),
    ]


def _report_messages(published: dict[str, Published], received: list[Received]) -> list[str]:
    problems = [text for sent in published.values() for text in sent.failures]
    problems += [text for each in received for text in each.failures]
    total = sum(each.count for each in published.values())
    print(f"\npublished {total:,}; at most {max(each.behind for each in published.values()) * 1000:.0f} ms late")
    print("| subscriber | received | lost | duplicated | reordered | p50 ms | p99 ms | max ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for number, each in enumerate(received):
        lost = sum(sequence.lost(published[name].count) for name, sequence in each.sequences.items())
        twice = sum(sequence.duplicated for sequence in each.sequences.values())
        late = sum(sequence.reordered for sequence in each.sequences.values())
        highest = sum(sequence.highest for sequence in each.sequences.values())
        who = "official SDK" if "sdk" in each.sequences else f"lean {number + 1}"
        p50, p99, most = each.latency
        print(f"| {who} | {highest:,} | {lost} | {twice} | {late} | {p50:.2f} | {p99:.2f} | {most:.1f} |")
        if lost or twice or late:
            problems.append(f"{who}: {lost} messages lost, {twice} duplicated, {late} reordered")
    return problems


def _report_others(watched: Done, visits: Done, cut: Cut) -> list[str]:
    print(f"\nchanges of the configuration: {watched.count:,}; visits: {visits.count:,}")
    print(f"who does not read: disconnected {cut.count} times, at most {cut.queued:,} bytes were waiting")
    problems = [*watched.failures, *visits.failures, *cut.failures]
    if not (watched.count and visits.count):
        problems.append("the watcher or the visitor died")
    if not cut.count:
        problems.append("who does not read was never disconnected")
    if cut.queued > MAX_QUEUED + 2 * MESSAGE:
        problems.append(f"{cut.queued:,} bytes were waiting for who does not read")
    return problems


if __name__ == "__main__":
    sys.exit(main())
