"""The short form of ``python -m tests.fuzz``."""

from __future__ import annotations

import subprocess
import sys


def test_twenty_thousand_wrong_frames_harm_nobody() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--frames", "20000", "--seed", "4"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, f"{' '.join(command[1:])}:\n{result.stdout[-5000:]}\n{result.stderr[-3000:]}"
    assert "passed" in result.stdout
