"""Abuse of the component socket of a real runtime, by several processes at once:

    python -m tests.fuzz [--frames 1000000] [--seed N] [--seconds N] [--session N]

Frames are made wrong at every level, half of them before the connection is established. Canaries on the official SDK
must notice nothing. Afterwards the same daemons must be running, must have logged no exception, and must hold neither
connections nor memory for those who are gone. The exit status says whether all of that was so.

``--seed`` repeats what was sent; the order in which the server sees several connections is not repeatable.
``--session`` plays a single session, the number of which stands in the report of a failure.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from multiprocessing.sharedctypes import RawArray

from ggl.bus import connect
from ggl.host.process import launch
from ggl.paths import Root, find_root
from tests.forked import Forked
from tests.fuzz import canary
from tests.fuzz.client import Counts, run
from tests.fuzz.payloads import COMPONENTS
from tests.fuzz.providers import Visits, serve_badly, visit
from tests.fuzz.sessions import Maker
from tests.fuzz.watch import Logs, daemons, left_over
from tests.lean import ALL, install
from tests.processes import costs

CLIENTS = 2
"""Processes that send."""
WATCHED = ("ipcd", "pubsubd", "configd")
ALLOWANCE = 6144
"""KiB that ``WATCHED`` together may have grown between the end of the warm-up and the end."""
JUDGED_SECONDS = 20.0
"""How long a run must last after the warm-up for its growth to be judged."""
REPORT_SECONDS = 10.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Abuse the component socket.")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after this time in any case")
    parser.add_argument("--session", type=int, help="play this one session and show what comes back")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="ggl-fuzz-") as directory:
        root = find_root(directory)
        launch.start(root)
        try:
            tokens = _install(root)
            if options.session is not None:
                return _play(root, options.seed, tokens[1:], options.session)
            problems = _abuse(root, options, tokens)
        finally:
            launch.stop(root)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("failed" if problems else "passed")
    return 1 if problems else 0


def _install(root: Root) -> list[str]:
    """The tokens of the canary and of ``COMPONENTS``. Half of these may do everything, the others nothing."""
    services = ("ipc.pubsub", "ipc.mqttproxy", "ipc.lifecycle", "Cli", "SecretManager", "ShadowManager")
    everything = {f"aws.greengrass.{service}": ALL for service in services}
    everything |= dict.fromkeys(("ggl.ipc.registration", "com.example.fuzz"), ALL)
    return [
        install(root, canary.COMPONENT, canary.CONFIGURATION),
        *(
            install(root, name, {"x": 1, "accessControl": everything if index % 2 == 0 else {}})
            for index, name in enumerate(COMPONENTS)
        ),
    ]


def _abuse(root: Root, options: argparse.Namespace, tokens: list[str]) -> list[str]:
    """What went wrong."""
    progress = RawArray("Q", 1 + CLIENTS)
    """Whether to stop; then frames of each client."""
    silence = RawArray("b", 1)
    path = root.ipc_socket
    share = -(-options.frames // CLIENTS)
    singer = Forked(lambda: canary.sing(path, tokens[0], lambda: bool(silence[0])))
    clients = [
        Forked(lambda n=n: run(path, options.seed, tokens[1:], n, CLIENTS, share, progress))  # type: ignore[misc]
        for n in range(CLIENTS)
    ]
    registration = root.bus_socket("gg_registration")
    bus = [
        Forked(lambda: visit(registration, options.seed, tokens[1:], lambda: bool(progress[0]))),
        Forked(lambda: serve_badly(registration, options.seed, tokens[1], lambda: bool(progress[0]))),
    ]
    logs = Logs(root.logs)
    began, reported, warm, warm_at = time.monotonic(), 0.0, None, 0.0
    before = daemons(root)
    while any(client.running() for client in clients):
        time.sleep(0.2)
        elapsed, done = time.monotonic() - began, sum(progress[1:])
        if warm is None and done >= options.frames * 0.2:
            warm, warm_at = _memory(root), time.monotonic()
        if elapsed - reported >= REPORT_SECONDS:
            reported = elapsed
            table = _table(_memory(root))
            print(f"{elapsed:6.0f} s {done:9,} frames {done / elapsed:7,.0f}/s  private KiB: {table}", flush=True)
        if elapsed > options.seconds or daemons(root)["ipcd"] != before["ipcd"] or not singer.running():
            progress[0] = 1
    elapsed = time.monotonic() - began
    results = [client.result(Counts(failures=["it died"])) for client in clients]
    progress[0] = 1
    visits = [process.result(Visits(failures=["it died"])) for process in bus]
    others = left_over(root, canary.COMPONENT)
    # Before the canaries leave: what nobody uses any more may leave as well.
    end, stayed = _memory(root), {name: pid for name, (pid, _) in daemons(root).items()}
    silence[0] = 1
    song = singer.result(canary.Song(failures=["it died"]))
    stored = {name: _size(root, name) for name in COMPONENTS}
    after = daemons(root)
    time.sleep(1.0)  # for the logs to be read to their end

    total = sum(each.frames for each in results)
    print(f"{total:,} frames in {elapsed:.0f} s: {total / elapsed:,.0f}/s")
    print(
        f"before connect {sum(each.before_connect for each in results):,},"
        f" connections {sum(each.connections for each in results):,},"
        f" closed by the server {sum(each.closed for each in results):,},"
        f" answers {sum(each.answers for each in results):,}, checks {sum(each.checks for each in results):,}"
    )
    print(
        f"canaries: {song.published:,} messages, {song.received:,} received, {song.reads:,} reads,"
        f" slowest round {song.slowest:.2f} s; log records: {logs.records:,}"
    )
    print(
        f"bus: visitors {visits[0].visitors:,}, frames {visits[0].frames:,}; bad provider: registered"
        f" {visits[1].registrations:,} times, calls {visits[1].calls:,}"
    )
    print(f"private memory after warm-up {_table(warm or {})}; at the end {_table(end)} (KiB)")
    print(f"configuration stored (characters): {stored}")
    for text, count in sorted(logs.errors.items(), key=lambda item: -item[1])[:10]:
        print(f"error in a log, {count} times: {text}")
    problems = [f"client: {text}" for each in results for text in each.failures]
    problems += [f"bus: {text}" for each in visits for text in each.failures]
    problems += [f"canary: {text}" for text in song.failures]
    problems += [f"connection left over: {each}" for each in others]
    problems += [f"log: {line}" for line in logs.bad]
    for name, (_, restarts) in after.items():
        (old_pid, old_restarts), pid = before[name], stayed[name]
        if restarts != old_restarts or (name in WATCHED and old_pid and pid != old_pid):
            problems.append(f"{name} was process {old_pid}, is {pid}; restarts {old_restarts}, now {restarts}")
    grown = sum(end.get(name, 0) for name in WATCHED) - sum((warm or end).get(name, 0) for name in WATCHED)
    if grown > ALLOWANCE and time.monotonic() - warm_at > JUDGED_SECONDS:
        problems.append(f"{', '.join(WATCHED)} have grown by {grown:,} KiB since the warm-up")
    return problems


def _size(root: Root, component: str) -> int:
    with connect("gg_config", root) as config:
        return len(str(config.call("read", {"key_path": ["services", component]})))


def _memory(root: Root) -> dict[str, int]:
    """KiB that each of ``WATCHED`` shares with nobody."""
    return {name: cost.private for name, cost in costs(root).items() if name in WATCHED}


def _table(memory: dict[str, int]) -> str:
    return ", ".join(f"{name} {memory.get(name, 0):,}" for name in WATCHED)


def _play(root: Root, seed: int, tokens: list[str], number: int) -> int:
    session = Maker(seed, tokens).session(number)
    print(session)
    counts = run(root.ipc_socket, seed, tokens, number, 1 << 60, sum(map(len, session.bursts)), [0] * (number + 2))
    print(counts)
    return 1 if counts.failures else 0


if __name__ == "__main__":
    sys.exit(main())
