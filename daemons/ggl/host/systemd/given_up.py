"""Leaving word of a core daemon that could not be kept running: what ``OnFailure=`` of its unit starts.

``python -m ggl.host.systemd.given_up UNIT``; what happened is in the environment (systemd.exec(5), ``$MONITOR_...``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from ggl.host.given_up import report
from ggl.host.status import UnitStatus
from ggl.paths import find_root

_RESULTS = {"core-dump": "signal", "watchdog": "timeout", "oom-kill": "signal"}
"""What systemd calls the end of a run, and what ``UnitStatus`` does; other words are the same or mean ``exit-code``."""
_SAME = ("exit-code", "signal", "timeout")


def status_of(unit: str, environment: Mapping[str, str]) -> UnitStatus:
    """What is to be left of ``unit`` (the name of a service unit)."""
    result = environment.get("MONITOR_SERVICE_RESULT", "")
    result = _RESULTS.get(result, result)
    text = environment.get("MONITOR_EXIT_STATUS", "")
    number = int(text) if text.isdecimal() else 0
    return UnitStatus(
        name=unit.removesuffix(".service"),
        active_state="failed",
        sub_state="failed",
        result=result if result in _SAME else "exit-code",
        exit_status=number or _signal_number(text),
    )


def _signal_number(name: str) -> int:
    import signal

    try:
        return int(signal.Signals[f"SIG{name}"])
    except KeyError:
        return 0


if __name__ == "__main__":
    report(find_root(), status_of(sys.argv[1], os.environ))
