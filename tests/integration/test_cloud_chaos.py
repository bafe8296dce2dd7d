"""The connection is lost at every stage of a deployment, in several ways: nothing gets lost by that, and nothing is
done or told twice.

An outage lasts only for a moment here; ``GGL_OUTAGE_SECONDS`` makes each one as long as wanted (``make
test-cloud-long``: a minute).
"""

from __future__ import annotations

import os
import pwd
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ggl.deploymentd.record import STEPS
from tests.cloud.aws import Cloud, cloud
from tests.cloud.broker import require_mosquitto
from tests.integration.conftest import running, wait_until
from tests.integration.device import OVER, Device

pytestmark = pytest.mark.process_host

OUTAGE_SECONDS = float(os.environ.get("GGL_OUTAGE_SECONDS", "0.5"))
PATIENCE = 120.0 + OUTAGE_SECONDS
OUTCOME = "outcome"
NEEDS_CLOUD = ("ingest", "resolve", "download")
"""The stages after which something is still to come from the cloud."""

WORKER, SETTING, COUNTER = "com.example.Worker", "com.example.Setting", "com.example.Counter"
COUNTED = "site/count"
COUNT = """
import itertools, time
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

ipc = GreengrassCoreIPCClientV2()
for number in itertools.count(1):
    ipc.publish_to_iot_core(topic_name="site/count", qos="1", payload=str(number).encode())
    time.sleep(0.02)
"""
ACCESS = {
    "aws.greengrass.ipc.mqttproxy": {
        "count": {
            "policyDescription": "May count.",
            "operations": ["aws.greengrass#PublishToIoTCore"],
            "resources": ["site/count"],
        }
    }
}
QUICK = {"minimumReconnectDelaySeconds": 1, "maximumReconnectDelaySeconds": 1}
"""Else a device that loses its connection so often waits for up to two minutes."""


class Lab:
    """A device, on which a component counts aloud all the time, and its cloud."""

    def __init__(self, aws: Cloud, device: Device, pause: Path) -> None:
        self.aws = aws
        self.device = device
        self.pause = pause
        self.reached = pause.with_name(pause.name + ".reached")
        self.round = 0
        self.outages = 0

    def deploy(self) -> str:
        """The next version of a component with every kind of step, and a setting for one that stays."""
        self.round += 1
        version = f"1.0.{self.round}"
        once = {step: f"echo {version} >> {step}" for step in ("install", "bootstrap")}
        self.aws.components.put(
            WORKER,
            version,
            lifecycle={**once, "run": "exec sleep 1000"},
            artifacts={"data": version.encode() * 1000},
            store="s3",
        )
        setting = {"version": "1.0.0", "configurationUpdate": {"merge": {"round": self.round}}}
        return self.aws.jobs.deploy({WORKER: version, SETTING: setting}, group="chaos")

    def deployment_of(self, job: str) -> str:
        identifier: str = self.aws.jobs.execution(job)["jobDocument"]["deploymentId"]
        return identifier

    def deploy_and_pause(self, step: str) -> str:
        """Deploy, and stop the deployment where it has written down that it comes to ``step``."""
        self.pause.write_text(step)
        job = self.deploy()
        wait_until(self.reached.exists, seconds=PATIENCE)
        return job

    def go_on(self) -> None:
        self.reached.unlink()

    def completed_offline(self, job: str) -> None:
        outcome = self.device.outcome_after_all(self.deployment_of(job), PATIENCE)
        assert outcome["status"] == "SUCCEEDED", outcome
        assert self.aws.jobs.execution(job)["status"] != "SUCCEEDED"

    def outlast(self) -> None:
        """The time for which the outage lasts when everything has been done that can be."""
        self.outages += 1
        time.sleep(OUTAGE_SECONDS)

    def check(self, job: str) -> None:
        """The job was done once, and told once."""
        execution = self.aws.jobs.wait(job, seconds=PATIENCE)
        assert execution["status"] == "SUCCEEDED", execution
        said = [status for status, _ in self.aws.jobs.history(job)]
        # That it has begun is said again when nobody has confirmed it.
        assert list(dict.fromkeys(said)) == ["IN_PROGRESS", "SUCCEEDED"] and said.count("SUCCEEDED") == 1, said
        version = f"1.0.{self.round}"
        for step in ("install", "bootstrap"):
            lines = self.device.work(WORKER, step).split()
            assert lines.count(version) == 1, lines
        assert self.device.health()[WORKER]["version"] == version
        assert self.device.config(SETTING, "configuration", "round") == self.round
        deployment = self.deployment_of(job)
        self.aws.fleet.wait(
            "THING_GROUP_DEPLOYMENT",
            lambda update: update["deploymentInformation"]["deploymentId"] == deployment,
            seconds=PATIENCE,
        )

    def check_count(self) -> None:
        """Of what the component said, everything has come, in order; the rest of an outage perhaps once more."""
        seen = [int(message.payload) for message in self.aws.mqtt.messages(COUNTED)]
        now = max(seen, default=0)
        self.aws.mqtt.wait_for(COUNTED, lambda message: int(message.payload) > now, PATIENCE)
        seen = [int(message.payload) for message in self.aws.mqtt.messages(COUNTED)]
        first = list(dict.fromkeys(seen))
        assert first == list(range(1, len(first) + 1))
        again = sum(times - 1 for times in Counter(seen).values())
        assert again <= 5 * self.outages, "of those that had not been acknowledged, at most"

    def check_fleet(self) -> None:
        """Each message about the fleet has a number of its own; who sends one twice sends the same."""
        by_number: dict[int, set[str]] = {}
        for message in self.aws.mqtt.messages("$aws/things/Thing1/greengrassv2/health/json"):
            by_number.setdefault(message.json()["sequenceNumber"], set()).add(message.payload.decode())
        assert all(len(payloads) == 1 for payloads in by_number.values())
        assert list(by_number) == sorted(by_number)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_mosquitto()
    with (
        tempfile.TemporaryDirectory(prefix="ggl-") as folder,
        pytest.MonkeyPatch.context() as patch,
        cloud(Path(folder) / "aws") as aws,
    ):
        pause = Path(folder) / "pause"
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "cloud" / "pauses"))
        patch.setenv("GGL_TEST_PAUSE", str(pause))
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        nucleus: dict[str, Any] = {"runWithDefault": {"posixUser": pwd.getpwuid(os.geteuid()).pw_name}, "mqtt": QUICK}
        with running(lambda root: aws.write_boot_file(root, **nucleus)) as runtime:
            device = Device(runtime, Path(folder))
            aws.components.put(SETTING, defaults={"round": 0})
            run = {"run": f"exec {sys.executable} -u {{artifacts:path}}/count.py"}
            aws.components.put(
                COUNTER, lifecycle=run, defaults={"accessControl": ACCESS}, artifacts={"count.py": COUNT.encode()}
            )
            lab = Lab(aws, device, pause)
            job = aws.jobs.deploy({COUNTER: "1.0.0", SETTING: "1.0.0"}, group="counters")
            assert aws.jobs.wait(job)["status"] == "SUCCEEDED"
            aws.mqtt.wait_for(COUNTED)
            yield lab


@pytest.fixture(autouse=True)
def well_again(lab: Lab) -> Iterator[None]:
    """A test that failed does not spoil the next one."""
    yield
    for path in (lab.pause, lab.reached):
        path.unlink(missing_ok=True)
    lab.aws.network.restore()
    if not lab.aws.mqtt.broker.running:
        lab.aws.network.start_broker()


@pytest.mark.parametrize("step", [*STEPS, OUTCOME])
def test_the_broker_dies(lab: Lab, step: str) -> None:
    job = lab.deploy_and_pause(step)
    lab.aws.network.kill_broker()
    lab.go_on()
    lab.completed_offline(job)
    lab.outlast()
    lab.aws.network.start_broker()
    lab.check(job)


@pytest.mark.parametrize("silently", [False, True], ids=["cut", "stalled"])
@pytest.mark.parametrize("step", [*STEPS, OUTCOME])
def test_the_network_is_lost(lab: Lab, step: str, silently: bool) -> None:
    job = lab.deploy_and_pause(step)
    lab.aws.network.cut(silently=silently)
    lab.go_on()
    if step not in NEEDS_CLOUD:
        lab.completed_offline(job)
    lab.outlast()
    lab.aws.network.restore()
    lab.check(job)


@pytest.mark.parametrize("lost", ["broker", "network"])
def test_a_job_waits_for_a_device_that_is_away(lab: Lab, lost: str) -> None:
    network = lab.aws.network
    network.kill_broker() if lost == "broker" else network.cut()
    job = lab.deploy()
    lab.outlast()
    network.start_broker() if lost == "broker" else network.restore()
    lab.check(job)


def test_the_device_restarts_before_it_could_tell_the_outcome(lab: Lab) -> None:
    job = lab.deploy_and_pause("start")
    lab.aws.network.cut()
    lab.go_on()
    lab.completed_offline(job)
    lab.device.runtime.down()
    lab.device.runtime.up()
    lab.outlast()
    lab.aws.network.restore()
    lab.check(job)


def test_answers_of_the_cloud_get_lost(lab: Lab) -> None:
    lab.aws.jobs.ignore_next(1, "get")
    lab.aws.jobs.reject_next("InternalError")
    lab.aws.jobs.reject_next("RequestThrottled")
    job = lab.deploy()
    lab.check(job)


def test_a_stormy_day(lab: Lab) -> None:
    """Jobs come while the connection comes and goes at any moment."""
    over = threading.Event()
    chance = random.Random(os.environ.get("GGL_SEED", "1"))
    jobs = []

    def storm() -> None:
        while not over.wait(chance.uniform(0.2, 1.5)):
            kind = chance.choice(("cut", "stalled", "dropped", "broker"))
            if kind == "dropped":
                lab.aws.network.drop_connections()
            elif kind == "broker":
                lab.aws.network.kill_broker()
                over.wait(chance.uniform(0, 1))
                lab.aws.network.start_broker()
            else:
                lab.aws.network.cut(silently=kind == "stalled")
                over.wait(chance.uniform(0, 1))
                lab.aws.network.restore()
            lab.outages += 1

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(4):
            jobs.append(lab.deploy())
            wait_until(lambda: lab.aws.jobs.execution(jobs[-1])["status"] in OVER, seconds=PATIENCE)
            lab.check(jobs[-1])
    finally:
        over.set()
        thread.join()


def test_in_the_end_nothing_was_lost_and_nothing_came_twice(lab: Lab) -> None:
    lab.check_count()
    lab.check_fleet()
    assert lab.device.staged() == []
    assert [path for path in (lab.device.runtime.root.state / "jobs").glob("*") if path.is_file()] == []
