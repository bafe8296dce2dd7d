"""A device that restarts, or loses its power, while it carries out a job of the cloud: it goes on, and says so once.

The stand-in for AWS is outside of the machine, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.host.systemd.layout import daemon_unit
from tests.cloud.aws import Cloud, cloud
from tests.cloud.broker import require_mosquitto
from tests.system.boots.machine import Machine
from tests.system.provisioning import write_settings
from tests.system.run import SYSTEMD_IS_PID_1

pytestmark = pytest.mark.skipif(SYSTEMD_IS_PID_1, reason="this machine itself would have to be restarted")
NAME = "com.example.A"
SLOW = "echo x >> starts; until test -e /var/lib/greengrass/go; do sleep 0.05; done"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Cloud]:
    require_mosquitto()
    with cloud(tmp_path / "aws") as found:
        yield found


def provision(aws: Cloud, machine: Machine) -> None:
    environment = write_settings(aws, machine.directory / "settings", machine.gid("ggcore"))
    lines = "".join(f"Environment={name}={value}\n" for name, value in environment.items())
    drop_in = machine.directory / "units" / f"{daemon_unit('deploymentd')}.d" / "aws.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(f"[Service]\n{lines}")


@pytest.mark.parametrize("way", ["in order", "by a power cut"])
def test_a_job_that_a_restart_interrupts_is_finished_and_reported_once(aws: Cloud, machine: Machine, way: str) -> None:
    provision(aws, machine)
    aws.components.put(NAME, lifecycle={"startup": SLOW}, artifacts={"file": b"content"})
    job = aws.jobs.deploy({NAME: "1.0.0"})
    if way == "in order":
        machine.boot("reach_the_start", NAME)
    else:
        machine.boot_and_cut("reach_the_start", NAME)
    assert aws.jobs.execution(job)["status"] == "IN_PROGRESS"
    machine.touch("go")
    assert machine.boot("last_job")["job_id"] == job
    states = [state for state, _ in aws.jobs.history(job)]
    assert (states.count("SUCCEEDED"), states[-1]) == (1, "SUCCEEDED")
