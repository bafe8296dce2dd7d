"""A device that counts aloud, its cloud, and the means to lose the connection at any stage of a deployment."""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.aws import Cloud, cloud
from tests.integration.conftest import running, wait_until
from tests.integration.device import Device

OUTAGE_SECONDS = float(os.environ.get("GGL_OUTAGE_SECONDS", "0.2"))
PATIENCE = 300.0 + 3 * OUTAGE_SECONDS
OUTCOME = "outcome"
NEEDS_CLOUD = ("ingest", "resolve", "download")
"""The stages after which something is still to come from the cloud."""

WORKER, SETTING, COUNTER = "com.example.Worker", "com.example.Setting", "com.example.Counter"
COUNTED = "site/count"
COUNT = """
import itertools, pathlib, time
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

said = pathlib.Path("said")
ipc = GreengrassCoreIPCClientV2()
for number in itertools.count(int(said.read_text()) + 1 if said.exists() else 1):
    ipc.publish_to_iot_core(topic_name="site/count", qos="1", payload=str(number).encode())
    pathlib.Path("said.new").write_text(str(number))
    pathlib.Path("said.new").rename(said)
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
MQTT = {
    # Else a device that loses its connection so often waits for up to two minutes.
    "minimumReconnectDelaySeconds": 1,
    "maximumReconnectDelaySeconds": 1,
    # A connection through which nothing passes is noticed, if that lasts.
    "keepAliveTimeoutMs": 20_000,
    "pingTimeoutMs": 10_000,
    # What waits in memory is gone when the runtime restarts.
    "spooler": {"storageType": "Disk"},
}


class Lab:
    """A device, on which a component counts aloud all the time, and its cloud."""

    def __init__(self, aws: Cloud, device: Device, pause: Path) -> None:
        self.aws = aws
        self.device = device
        self.pause = pause
        self.reached = pause.with_name(pause.name + ".reached")
        self.round = 0
        self.outages = 0

    def deploy(self, works: bool = True) -> str:
        """The next version of a component with every kind of step, and a setting for one that stays."""
        self.round += 1
        version = f"1.0.{self.round}"
        once = {step: f"echo {version} >> {step}" for step in ("install", "bootstrap")}
        self.aws.components.put(
            WORKER,
            version,
            lifecycle={**once, **({"run": "exec sleep 1000"} if works else {"startup": "exit 3"})},
            artifacts={"data": version.encode() * 1000},
            store="s3",
        )
        setting = {"version": "1.0.0", "configurationUpdate": {"merge": {"round": self.round}}}
        return self.aws.jobs.deploy({WORKER: version, SETTING: setting}, group="chaos")

    def deployment_of(self, job: str) -> str:
        identifier: str = self.aws.jobs.execution(job)["jobDocument"]["deploymentId"]
        return identifier

    def deploy_and_pause(self, step: str, works: bool = True) -> str:
        """Deploy, and stop the deployment where it has written down that it comes to ``step``."""
        self.pause.write_text(step)
        job = self.deploy(works)
        wait_until(self.reached.exists, seconds=PATIENCE)
        return job

    def go_on(self, to: str = "") -> None:
        """To its end, or to a pause at the step ``to``."""
        if to:
            self.pause.write_text(to)
        self.reached.unlink()

    def go_on_when_canceled(self, job: str) -> None:
        """From a pause that it has come to, or not; the device has learned by now that ``job`` was canceled."""
        told = f"job {job} was withdrawn"
        wait_until(lambda: told in self.device.runtime.whole_log("ggl.core.jobsd"), seconds=PATIENCE)
        self.pause.unlink(missing_ok=True)
        self.reached.unlink(missing_ok=True)

    def completed_offline(self, job: str) -> None:
        outcome = self.device.outcome_after_all(self.deployment_of(job), PATIENCE)
        assert outcome["status"] == "SUCCEEDED", outcome
        assert self.aws.jobs.execution(job)["status"] != "SUCCEEDED"

    def outlast(self) -> None:
        """The time for which the outage lasts when everything has been done that can be."""
        self.outages += 1
        time.sleep(OUTAGE_SECONDS)

    def check(self, job: str, steps: tuple[str, ...] = ("install", "bootstrap")) -> None:
        """The job was done once, and told once. ``steps``: what was to run once."""
        execution = self.aws.jobs.wait(job, seconds=PATIENCE)
        assert execution["status"] == "SUCCEEDED", execution
        said = [status for status, _ in self.aws.jobs.history(job)]
        # That it has begun is said again when nobody has confirmed it.
        assert list(dict.fromkeys(said)) == ["IN_PROGRESS", "SUCCEEDED"], said
        assert said.count("SUCCEEDED") == 1
        version = f"1.0.{self.round}"
        for step in steps:
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


@contextmanager
def counting_device() -> Iterator[Lab]:
    """The device is up, and can be heard."""
    with (
        tempfile.TemporaryDirectory(prefix="ggl-") as folder,
        pytest.MonkeyPatch.context() as patch,
        cloud(Path(folder) / "aws") as aws,
    ):
        pause = Path(folder) / "pause"
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "cloud" / "pauses"), prepend=os.pathsep)
        patch.setenv("GGL_TEST_PAUSE", str(pause))
        for name, value in aws.environment().items():
            patch.setenv(name, value)
        nucleus: dict[str, Any] = {"runWithDefault": {"posixUser": pwd.getpwuid(os.geteuid()).pw_name}, "mqtt": MQTT}
        with running(lambda root: aws.write_boot_file(root, **nucleus)) as runtime:
            device = Device(runtime, Path(folder))
            aws.components.put(SETTING, defaults={"round": 0})
            run = {"run": f"exec {sys.executable} -u {{artifacts:path}}/count.py"}
            aws.components.put(
                COUNTER, lifecycle=run, defaults={"accessControl": ACCESS}, artifacts={"count.py": COUNT.encode()}
            )
            lab = Lab(aws, device, pause)
            job = aws.jobs.deploy({COUNTER: "1.0.0", SETTING: "1.0.0"}, group="counters")
            assert aws.jobs.wait(job, seconds=PATIENCE)["status"] == "SUCCEEDED"
            aws.mqtt.wait_for(COUNTED, seconds=PATIENCE)
            yield lab
