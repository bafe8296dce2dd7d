"""The short forms of ``python -m tests.soak``."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("options", [("--minutes", "0.4"), ("--cycles", "3000")])
def test_nothing_is_lost_and_nothing_is_left(options: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.soak", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, f"{' '.join(command[1:])}:\n{result.stdout[-5000:]}\n{result.stderr[-3000:]}"
    assert "passed" in result.stdout
