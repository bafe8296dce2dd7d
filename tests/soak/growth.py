"""Whether the runtime grows, over a long time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from ggl.paths import Root
from tests.lean import units
from tests.processes import Cost, costs

SAMPLE_SECONDS = 10.0
SAMPLES = 20
"""How many there are at least, however short the run: what waits in a queue at one of them shall not look like it."""
WARM_UP = 0.2
"""Part of the run after which the memory is to stay as it is."""
ALLOWANCE = 512
"""KiB that the runtime may grow from then on, by the line of best fit."""
SHORT_MINUTES = 3.0
ALLOWANCE_WHEN_SHORT = 4096
"""KiB in a run shorter than that: a daemon that leaves makes pages of the others private that it shared with them, and
in a moment at which a reader is held up megabytes wait for it. A message that is not let go shows all the same."""

Sample = tuple[float, dict[str, Cost]]


def sample(root: Root, seconds: float, meanwhile: Callable[[float], object] = lambda _: None) -> list[Sample]:
    """A row of the table every ``SAMPLE_SECONDS``; ``meanwhile(elapsed)`` is called after each."""
    samples: list[Sample] = []
    interval = min(SAMPLE_SECONDS, seconds / SAMPLES)
    began = time.monotonic()
    names = sorted(costs(root))
    print("| s | " + " | ".join(f"{name}: PSS KiB, private, fds, CPU %" for name in names) + " |")
    print("|---:|" + "---:|" * len(names))
    while (elapsed := time.monotonic() - began) < seconds:
        time.sleep(min(interval, seconds - elapsed) or 0.01)
        now, found = time.monotonic() - began, costs(root)
        cells = []
        for name in names:
            cost = found.get(name)
            last = samples[-1][1].get(name) if samples else None
            if cost is None:
                cells.append("")
                continue
            busy = (cost.cpu - last.cpu) / (now - samples[-1][0]) * 100 if last else 0.0
            cells.append(f"{cost.pss:,} {cost.private:,} {cost.fds} {busy:.0f}")
        samples.append((now, found))
        print(f"| {now:.0f} | " + " | ".join(cells) + " |", flush=True)
        meanwhile(now)
    return samples


def judge(root: Root, samples: list[Sample]) -> list[str]:
    """What is wrong: a daemon has failed, or those that were there all the time take more and more memory."""
    problems = [f"{name} failed {restarts} times" for name, _pid, restarts in units(root) if restarts]
    steady = [(at / 60, found) for at, found in samples if at >= samples[-1][0] * WARM_UP]
    if len(steady) < 3:
        return problems
    pids = [{(name, cost.pid) for name, cost in found.items()} for _, found in steady]
    stayed = {name for name, _ in set.intersection(*pids)}
    sizes = [sum(found[name].private for name in stayed) for _, found in steady]
    slope, _ = statistics.linear_regression([at for at, _ in steady], sizes)
    minutes = steady[-1][0] - steady[0][0]
    print(f"\nprivate memory of {', '.join(sorted(stayed))} after the warm-up: {slope:+.1f} KiB a minute", end="")
    print(f" over {minutes:.1f} minutes, {sizes[0]:,} KiB at first, {sizes[-1]:,} at last")
    if slope * minutes > (ALLOWANCE if minutes >= SHORT_MINUTES else ALLOWANCE_WHEN_SHORT):
        problems.append(f"the runtime grows: {slope:+.1f} KiB a minute")
    return problems
