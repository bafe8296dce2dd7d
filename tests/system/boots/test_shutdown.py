"""The device is shut down: components end in order, and what they need for that is there until they have."""

from __future__ import annotations

import pytest

from tests.system.boots.machine import Machine
from tests.system.run import SYSTEMD_IS_PID_1

pytestmark = pytest.mark.skipif(SYSTEMD_IS_PID_1, reason="this machine itself would have to be shut down")


def test_a_shutdown_script_has_the_databus_and_the_ports_although_no_daemon_was_there(machine: Machine) -> None:
    machine.boot("deploy_what_says_goodbye")
    assert (machine.directory / "state/goodbye").read_text().split() == ["/var/lib/greengrass", "400"]
