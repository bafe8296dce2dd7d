"""docs/examples/telemetry, with the SDK of the tests' environment in place of one that it would fetch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.conftest import wait_until

if TYPE_CHECKING:
    from tests.cloud.aws import Cloud
    from tests.integration.device import Device

pytestmark = pytest.mark.process_host

FOLDER = Path(__file__).resolve().parents[2] / "docs/examples/telemetry"
NAME = "com.example.Telemetry"


def test_the_example_sends_readings_and_takes_a_command(aws: Cloud, cloud_device: Device) -> None:
    recipe: dict[str, Any] = yaml.safe_load((FOLDER / "recipe.yaml").read_text())
    program = FOLDER / "telemetry.py"
    recipe["Manifests"] = [{"Lifecycle": {"run": f"exec {sys.executable} -u {program}"}}]
    aws.components.put(NAME, "1.0.0", recipe)
    assert aws.jobs.wait(aws.jobs.deploy({NAME: "1.0.0"}))["status"] == "SUCCEEDED"
    assert aws.mqtt.wait_for("Thing1/readings").json()["number"] == 1

    # It has subscribed before it sent the first one.
    aws.mqtt.publish("Thing1/interval", "nonsense")
    aws.mqtt.publish("Thing1/interval", '{"seconds": 0.1}')
    log = wait_until(lambda: cloud_device.runtime.log(NAME), lambda log: "a reading every 0.1 s" in log)
    assert "this is no command: b'nonsense'" in log
    assert "AWS credentials ASIA" in log
    aws.mqtt.wait_for("Thing1/readings", lambda message: message.json()["number"] == 5)
