"""From one boot to the next: what was wanted comes up by itself, and a deployment that was interrupted comes to an end.

The machine is a sandbox, booted again and again with what lasted of it. Where systemd is PID 1 of the machine itself,
nothing of this runs: that machine is not ours to restart.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.boots.inside import ORDER, STOPPED
from tests.system.boots.machine import Machine
from tests.system.run import SYSTEMD_IS_PID_1

pytestmark = pytest.mark.skipif(SYSTEMD_IS_PID_1, reason="this machine itself would have to be restarted")
STATE = "/var/lib/greengrass"
SLOW = f"until test -e {STATE}/go; do sleep 0.05; done; sleep 1000 & exit 0"


def test_after_a_boot_the_target_is_active_and_only_what_must_be_there_runs(machine: Machine) -> None:
    seen = machine.boot("look")
    assert (seen["target"], seen["failed"]) == ("active", [])
    assert set(seen["units"]) <= {"ggl.core.hostd.service", "ggl.core.ipcd.service", "ggl.core.configd.service"}


@pytest.mark.parametrize("way", ["in order", "by a power cut"])
def test_components_come_up_again_in_the_order_of_their_dependencies(machine: Machine, way: str) -> None:
    if way == "in order":
        machine.boot("deploy_a_chain")
    else:
        machine.boot_and_cut("deploy_a_chain")
    states = machine.boot("states")
    assert {name: state for name, (state, _) in states.items()} == {
        "Top": "RUNNING", "Middle": "RUNNING", "Bottom": "RUNNING", "Once": "FINISHED", STOPPED: "INSTALLED",
    }  # fmt: skip
    times = {name: _times(machine, name) for name in ("Top", "Middle", "Bottom", "Once")}
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys(times, 2)
    assert times["Bottom"][1] + 300_000_000 <= times["Middle"][1] <= times["Top"][1] - 300_000_000


def _times(machine: Machine, name: str) -> list[int]:
    path = machine.directory / "state" / Path(f"{ORDER}-{name}").relative_to(STATE)
    return [int(line) for line in path.read_text().split()]


@pytest.mark.parametrize("way", ["in order", "by a power cut"])
def test_a_deployment_that_a_restart_interrupts_is_finished_after_it(machine: Machine, way: str) -> None:
    if way == "in order":
        machine.boot("begin_an_update", SLOW, "ROLLBACK")
    else:
        machine.boot_and_cut("begin_an_update", SLOW, "ROLLBACK")
    machine.touch("go")
    end = machine.boot("outcome")
    assert (end["status"], end["configuration"]) == ("SUCCEEDED", {"a": 2})
    assert end["states"] == {"App": ["RUNNING", "2.0.0"], "Other": ["RUNNING", "1.0.0"]}


def test_a_deployment_that_a_power_cut_interrupts_and_that_fails_after_it_is_rolled_back(machine: Machine) -> None:
    machine.boot_and_cut("begin_an_update", f"{SLOW}; exit 1".replace("sleep 1000 & exit 0; ", ""), "ROLLBACK")
    machine.touch("go")
    end = machine.boot("outcome")
    assert (end["status"], end["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_COMPLETE")
    assert end["states"] == {"App": ["RUNNING", "1.0.0"], "Other": ["RUNNING", "1.0.0"]}
    assert end["configuration"] == {"a": 1}


def test_a_bootstrap_that_a_power_cut_interrupts_is_done_again(machine: Machine) -> None:
    machine.boot_and_cut("begin_a_bootstrap", f"{STATE}/go")
    machine.touch("go")
    end = machine.boot("outcome")
    assert (end["status"], end["ran"]["App"]) == ("SUCCEEDED", "x\nx\n")


@pytest.mark.parametrize("command", ["", "systemctl poweroff --no-block"])
def test_a_bootstrap_may_restart_the_device(machine: Machine, command: str) -> None:
    machine.boot_until_it_ends_itself("restart_by_bootstrap", command)
    end = machine.boot("outcome")
    assert (end["status"], end["ran"]) == ("SUCCEEDED", {"App": "x\n", "Top": "x\n"})
