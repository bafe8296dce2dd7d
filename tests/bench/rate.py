"""Rates, and the baseline they are set against."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 5
SECONDS = 0.4
"""How long one measurement of one round takes, about."""


@dataclass(frozen=True)
class Figure:
    name: str
    per_second: float
    ratio: float
    goal: float | None


class Baseline:
    """The compiled ping-pong. Every figure is set against runs of it just before and just after."""

    def __init__(self, directory: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            sys.exit("make bench: a C compiler is needed for the baseline; install gcc")
        self._program = directory / "pingpong"
        source = Path(__file__).with_name("pingpong.c")
        subprocess.run([compiler, "-O2", "-o", self._program, source], check=True)

    def per_second(self) -> float:
        return float(subprocess.run([self._program], check=True, capture_output=True, text=True).stdout)

    def measure(self, name: str, action: Callable[[], object], goal: float | None = None) -> Figure:
        """The rate of ``action`` and its ratio to the baseline: medians over ``ROUNDS``."""
        for _ in range(50):
            action()
        rates, ratios = [], []
        for _ in range(ROUNDS):
            before = self.per_second()
            rate = _rate(action)
            baseline = (before + self.per_second()) / 2
            rates.append(rate)
            ratios.append(rate / baseline)
        return Figure(name, statistics.median(rates), statistics.median(ratios), goal)


def _rate(action: Callable[[], object]) -> float:
    count = 0
    began = time.perf_counter()
    while True:
        for _ in range(20):
            action()
        count += 20
        elapsed = time.perf_counter() - began
        if elapsed >= SECONDS:
            return count / elapsed
