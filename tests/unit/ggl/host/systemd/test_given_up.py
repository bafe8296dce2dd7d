"""What is left of a core daemon that systemd gave up on."""

from __future__ import annotations

import pytest

from ggl.host.systemd.given_up import status_of


@pytest.mark.parametrize(
    ("result", "status", "expected"),
    [
        ("exit-code", "3", ("exit-code", 3)),
        ("signal", "KILL", ("signal", 9)),
        ("core-dump", "ABRT", ("signal", 6)),
        ("watchdog", "ABRT", ("timeout", 6)),
        ("start-limit-hit", "1", ("exit-code", 1)),
        ("", "", ("exit-code", 0)),
        ("exit-code", "NONSENSE", ("exit-code", 0)),
    ],
)
def test_how_it_ended(result: str, status: str, expected: tuple[str, int]) -> None:
    environment = {"MONITOR_SERVICE_RESULT": result, "MONITOR_EXIT_STATUS": status}
    found = status_of("ggl.core.configd.service", environment)
    assert (found.name, found.active_state) == ("ggl.core.configd", "failed")
    assert (found.result, found.exit_status) == expected
