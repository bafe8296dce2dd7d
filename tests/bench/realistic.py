"""Loads as devices have them. The local one: two publishers and two subscribers at ten messages a second, and who
watches its settings. The cloud's: the same four, one that sends a message a second to AWS IoT Core, and one that puts a
file into S3 every minute.

They are components that the host runs. This module is their program as well: ``python -m tests.bench.realistic ROLE
ROOT``.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path

from ggl.bus import Client, connect
from ggl.host import client as host
from ggl.host.unit import Command, Start, Unit, main_unit
from ggl.paths import Root, find_root
from tests.bench import PATIENCE
from tests.lean import ALL, Lean, install

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = ("publish", "publish", "subscribe", "subscribe", "watch")
CLOUD_ROLES = ("publish", "publish", "subscribe", "subscribe", "send", "upload")
SECONDS_BETWEEN = 0.1
SETTLING_SECONDS = 20.0
UPLOAD_SECONDS = 60.0
LONGEST_WAIT = 120.0
BUCKET = "load"
TOPIC = "load/cloud"
_ACCESS = {"aws.greengrass.ipc.pubsub": ALL, "aws.greengrass.ipc.mqttproxy": ALL}
_TOKENS = "aws.greengrass.TokenExchangeService"


def start(root: Root, roles: tuple[str, ...] = ROLES) -> list[str]:
    """Load and start the components, and let them run for a while; returns the names of their units."""
    units = []
    for number, role in enumerate(roles):
        name = f"com.example.Load{number}"
        install(root, name, {"value": 0, "accessControl": _ACCESS})
        if role == "upload":
            with connect("gg_config", root, PATIENCE) as config:
                path = ["services", name, "dependencies"]
                config.call("write", {"key_path": path, "value": [f"{_TOKENS}:HARD"]})
        environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        script = f"exec {sys.executable} -m tests.bench.realistic {role} {root.state}"
        units.append(
            Unit(
                main_unit(name),
                component=name,
                version="1.0.0",
                phase="main",
                start=(Start("run", Command(script, environment=environment)),),
                user=pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else "",
                revision=script,
            )
        )
    names = [unit.name for unit in units]
    with connect(host.INTERFACE, root, PATIENCE) as client:
        host.load(client, units, start=names)
        _wait_until_active(client, names)
    time.sleep(SETTLING_SECONDS)
    with connect(host.INTERFACE, root, PATIENCE) as client:
        states = {name: (status.active_state, status.restarts) for name, status in host.list_units(client).items()}
    failed = [name for name in names if states[name] != ("active", 0)]
    if failed:
        sys.exit(f"these components of the load do not run as they should: {', '.join(failed)}")
    return names


def _wait_until_active(client: Client, names: list[str]) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < deadline:
        found = host.list_units(client)
        if all(found[name].active_state == "active" for name in names):
            return
        time.sleep(0.2)


def stop(root: Root, names: list[str]) -> None:
    with connect(host.INTERFACE, root, PATIENCE) as client:
        host.unload(client, names)


def main() -> None:
    role, state = sys.argv[1:]
    if role == "upload":
        upload()
    with Lean(find_root(state), os.environ["SVCUID"]) as component:
        if role == "send":
            send(component)
        if role == "publish":
            publish(component)
        topic = {"topic": "load/#"} if role == "subscribe" else {"keyPath": ["value"]}
        component.call("SubscribeToTopic" if role == "subscribe" else "SubscribeToConfigurationUpdate", topic)
        while True:
            if role == "watch":
                time.sleep(10 * SECONDS_BETWEEN)
                change = {"keyPath": ["value"], "timestamp": time.time(), "valueToMerge": int(time.time())}
                component.call("UpdateConfiguration", change)
            component.event()


def publish(component: Lean) -> None:
    number = 0
    while True:
        number += 1
        message = {"jsonMessage": {"message": {"number": number, "text": "x" * 100}}}
        component.call("PublishToTopic", {"topic": f"load/{os.getpid()}", "publishMessage": message})
        time.sleep(SECONDS_BETWEEN)


def send(component: Lean) -> None:
    while True:
        component.call("PublishToIoTCore", {"topicName": TOPIC, "qos": "1", "payload": "eyJ4IjoxfQ=="})
        time.sleep(1.0)


def upload() -> None:
    import boto3

    while True:
        boto3.client("s3").put_object(Bucket=BUCKET, Key="file", Body=b"x" * 1000)
        time.sleep(UPLOAD_SECONDS)


if __name__ == "__main__":
    main()
