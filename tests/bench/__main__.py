"""Run every benchmark and print the tables, as they stand in docs/performance.md."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from ggl.host.process import launch
from ggl.paths import Root, find_root
from tests.bench import PATIENCE, bus, cloud, commands, components, deployment, footprint, ipc, realistic
from tests.bench.rate import Baseline, Figure


def _row(figure: Figure) -> None:
    goal = "" if figure.goal is None else f"{figure.goal:.2f}"
    print(f"| {figure.name} | {figure.per_second:,.0f} | {figure.ratio:.3f} | {goal} |", flush=True)


def _memory(title: str, rows: list[tuple[str, int, int]]) -> None:
    print(f"\n| {title} | PSS, KiB | private, KiB |\n|---|---:|---:|")
    for name, pss, private in rows:
        print(f"| {name} | {pss:,} | {private:,} |")
    total = sum(pss for _, pss, _ in rows)
    print(f"| **sum** ({total / 1024:.1f} MB) | **{total:,}** | **{sum(private for _, _, private in rows):,}** |")


def _components(root: Root) -> None:
    print("\n| components at once | GetConfiguration per second | p50, ms | p99, ms |\n|---|---:|---:|---:|")
    for each in components.calls(root):
        print(f"| {each.components} | {each.per_second:,.0f} | {each.p50:.2f} | {each.p99:.2f} |", flush=True)
    rate = f"{components.MESSAGES_PER_SECOND:.0f}"
    print(f"\n| publish to subscribe at {rate} messages/s | p50, ms | p99, ms | longest, ms |\n|---|---:|---:|---:|")
    for one in components.latency(root):
        if one.failures:
            sys.exit(f"make bench: {one.failures} messages or calls of '{one.client}' failed")
        print(f"| {one.client} | {one.p50:.2f} | {one.p99:.2f} | {one.longest:.2f} |", flush=True)
    idle = components.idle(root)
    print(f"\n| {idle.components} connected components that do nothing | |\n|---|---:|")
    print(f"| PSS they add to the runtime, KiB | {idle.pss:,} |")
    print(f"| processor time of the runtime, seconds a minute | {idle.cpu:.2f} |", flush=True)


def _cloud(directory: Path) -> None:
    with cloud.connected(directory) as (root, aws):
        idle, loaded = cloud.memory(root, aws)
        ours, bare, ratio = cloud.messages(root, aws)
    _memory("process of the connected runtime without components", idle)
    _memory("process under the cloud's realistic load", loaded)
    print("\n| messages to AWS IoT Core and back, QoS 1 | per second | ratio | goal |\n|---|---:|---:|---:|")
    print(f"| a bare client | {bare:,.0f} | 1.00 | |")
    print(f"| a component | {ours:,.0f} | {ratio:.2f} | {cloud.GOAL:.2f} |", flush=True)


def main() -> None:
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    with tempfile.TemporaryDirectory(prefix="ggl-bench-") as directory:
        baseline = Baseline(Path(directory))
        root = find_root(f"{directory}/root")
        began = time.perf_counter()
        launch.start(root, PATIENCE)
        ready = time.perf_counter() - began
        try:
            idle = footprint.at_rest(root)
            hello = commands.deploy_hello(root)
            busy = footprint.pss(root)
            settled = footprint.without_deploymentd(root)
            start_up = commands.start_up(root)
            print("| figure | per second | ratio to C ping-pong | goal |\n|---|---:|---:|---:|")
            print(f"| C ping-pong, 64 B | {baseline.per_second():,.0f} | 1.000 | |", flush=True)
            for figure in bus.figures(baseline, root):
                _row(figure)
            for figure in ipc.figures(baseline, root):
                _row(figure)
            used = footprint.without_deploymentd(root)
            _components(root)
            names = realistic.start(root)
            loaded = footprint.pss(root)
            realistic.stop(root, names)
            _memory("process of the idle runtime", idle)
            _memory("process right after a deployment", busy)
            _memory("process with one component, a few seconds later", settled)
            _memory("process after all of the above figures, every daemon resident", used)
            _memory("process under the realistic load: 2 publishers, 2 subscribers, a configuration watched", loaded)
            print("\n| command | seconds | multiple of `python -c pass` |\n|---|---:|---:|")
            for name, taken, multiple in start_up:
                print(f"| `{name}` | {taken:.3f} | {multiple:.1f} |")
        finally:
            launch.stop(root, PATIENCE)
        many = find_root(f"{directory}/many")
        launch.start(many, PATIENCE)
        try:
            taken_by, kibibytes = deployment.figures(many, Path(directory) / "small")
        finally:
            launch.stop(many, PATIENCE)
        print("\n| deployment | seconds |\n|---|---:|")
        for name, taken in taken_by:
            print(f"| {name} | {taken:.2f} |")
        print("\n| memory of the runtime | PSS, KiB |\n|---|---:|")
        for name, size in kibibytes:
            print(f"| {name} | {size:,.0f} |")
        _cloud(Path(directory))
        up, down = commands.up_and_down(Path(directory))
        print("\n| what a user waits for | seconds |\n|---|---:|")
        print(f"| start of the runtime to ready | {ready:.2f} |")
        print(f"| `ggl up`, the whole command | {up:.2f} |")
        print(f"| `ggl deploy local` of a changed shell component, to RUNNING | {hello:.2f} |")
        print(f"| `ggl down` | {down:.2f} |")


main()
