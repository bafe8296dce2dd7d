"""Whole commands: their start-up as multiples of an empty Python program, and what a user waits for."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ggl.paths import Root

ROUNDS = 7
_GGL = Path(sys.executable).with_name("ggl")
_HELLO = Path(__file__).resolve().parents[2] / "docs" / "examples" / "hello"


def seconds(argv: list[str]) -> float:
    """The wall time of a command, which must succeed."""
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def start_up(root: Root) -> list[tuple[str, float, float]]:
    """Name, seconds, and multiple of ``python -c pass``: medians."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "ggl --help": [str(_GGL), "--help"],
        "ggl version": [str(_GGL), "version"],
        "ggl status --json": [str(_GGL), "--root", str(root.state), "status", "--json"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, argv in commands.items():
            times[name].append(seconds(argv))
    base = statistics.median(times["python -c pass"])
    return [(name, statistics.median(found), statistics.median(found) / base) for name, found in times.items()]


def up_and_down(directory: Path) -> tuple[float, float]:
    """Seconds from ``ggl up`` to ready (the command's own start-up included), and the seconds of ``ggl down``."""
    ups, downs = [], []
    for number in range(3):
        root = directory / f"start{number}"
        ups.append(seconds([str(_GGL), "--root", str(root), "up"]))
        downs.append(seconds([str(_GGL), "--root", str(root), "down"]))
    return statistics.median(ups), statistics.median(downs)


def deploy_hello(root: Root) -> float:
    """Seconds of ``ggl deploy local`` for a shell component that changed, until it is RUNNING."""
    times = []
    project = root.state.parent / "hello"
    shutil.copytree(_HELLO, project)
    for number in range(3):
        with open(project / "hello.sh", "a") as script:
            script.write(f"# {os.getpid()} {number}\n")
        times.append(seconds([str(_GGL), "--root", str(root.state), "deploy", "local", str(project)]))
    return statistics.median(times)
