"""Whatever gets lost, comes twice, late or in another order, and whoever is killed: in the end all agree."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ggl.paths import find_root
from tests.unit.ggl.jobsd.conftest import OVER, World

EVENTS = {
    "create": 3,
    "cancel": 1,
    "desire": 1,
    "call off": 1,
    "step": 6,
    "deliver": 8,
    "deliver another": 3,
    "lose": 1,
    "repeat": 2,
    "connect": 2,
    "reconnect": 1,
    "disconnect": 1,
    "kill jobsd": 2,
    "kill deploymentd": 1,
    "kill iotcored": 1,
    "throttle": 1,
    "lose answer": 1,
    "busy": 1,
    "pass time": 2,
}
SCRIPTS = st.lists(st.sampled_from([name for name, weight in EVENTS.items() for _ in range(weight)]), max_size=60)


class Script:
    """Does to a world what a list of words says."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs = 0
        self.desires = 0

    def play(self, event: str) -> None:
        from ggl.bus.errors import BusError, ErrorCode

        world, cloud = self.world, self.world.cloud
        match event:
            case "create":
                self.jobs += 1
                if self.jobs % 3 == 0:
                    world.deployments.fails.add(f"d-{self.jobs}")
                cloud.create(str(self.jobs))
            case "cancel" if cloud.jobs:
                cloud.cancel(list(cloud.jobs)[-1])
            case "desire":
                self.desires += 1
                cloud.desire(f"a:{self.desires}")
            case "call off" if self.desires:
                cloud.desire(f"a:{self.desires}", desiredStatus="CANCELED")
            case "step":
                world.deployments.step()
            case "deliver":
                world.deliver()
            case "deliver another":
                world.deliver(-1)
            case "lose" if world.inbox:
                world.inbox.pop()
            case "repeat" if world.inbox:
                world.inbox.append(world.inbox[0])
            case "connect" if not world.connected:
                world.connect(session_present=True)
            case "reconnect":
                world.disconnect()
                world.connect()
            case "disconnect":
                world.disconnect()
            case "kill jobsd":
                world.kill()
            case "kill deploymentd":
                world.deployments.die()
            case "kill iotcored":
                world.connected = False
                world.inbox.clear()
                world.lose_iotcored()
            case "throttle":
                cloud.refuse.append("RequestThrottled")
            case "lose answer":
                cloud.lose_answers += 1
            case "busy":
                world.deployments.errors.append(BusError(ErrorCode.BUSY, "full"))
            case "pass time":
                world.now += 20
        world.work()


@settings(max_examples=200, deadline=None)
@given(SCRIPTS)
def test_in_the_end_all_agree(script: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        root = find_root(folder)
        world = World(root, patch)
        playing = Script(world)
        for event in script:
            playing.play(event)
        world.cloud.refuse.clear()
        world.cloud.lose_answers = 0
        world.deployments.errors.clear()
        world.disconnect()
        world.run()
        world.connect()
        world.run(seconds=3600)
        check(world)


def check(world: World) -> None:
    assert len(world.deployments.begun) == len(set(world.deployments.begun)), "nothing is deployed twice"
    for job_id, job in world.cloud.jobs.items():
        assert job["status"] in OVER, f"job {job_id} is stuck: {job}"
        record = world.deployments.records.get(f"d-{job_id}")
        if job["status"] != "CANCELED":
            assert record is not None
            assert job["status"] == record["status"]
            # That it has begun may be told twice, when the answer got lost.
            assert set(job["history"][:-1]) <= {"IN_PROGRESS"}
    if world.cloud.shadow["version"]:
        reported, desired = world.cloud.shadow["reported"], world.cloud.shadow["desired"]
        assert desired["fleetConfig"].find(f'"{reported["fleetConfigurationArnForStatus"]}"') > 0
        assert reported["status"] == "SUCCEEDED" or "CANCELED" in (reported["status"], desired.get("desiredStatus"))
    assert all(record["status"] in OVER for record in world.deployments.records.values())
    assert world.context is None, "nothing is left to do"
    assert list((world.root.state / "jobs").glob("*")) == []
