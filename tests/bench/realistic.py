"""A load as a device has it: two publishers and two subscribers at ten messages a second, and who watches its settings.

The five are components that the host runs. This module is their program as well: ``python -m tests.bench.realistic
ROLE ROOT``.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path

from ggl.bus import connect
from ggl.host import client as host
from ggl.host.unit import Command, Start, Unit, main_unit
from ggl.paths import Root, find_root
from tests.lean import ALL, Lean, install

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = ("publish", "publish", "subscribe", "subscribe", "watch")
SECONDS_BETWEEN = 0.1
SETTLING_SECONDS = 20.0


def start(root: Root) -> list[str]:
    """Load and start the components, and let them run for a while; returns the names of their units."""
    units = []
    for number, role in enumerate(ROLES):
        name = f"com.example.Load{number}"
        install(root, name, {"value": 0, "accessControl": {"aws.greengrass.ipc.pubsub": ALL}})
        environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
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
    with connect(host.INTERFACE, root) as client:
        host.load(client, units, start=names)
    time.sleep(SETTLING_SECONDS)
    with connect(host.INTERFACE, root) as client:
        states = {name: (status.active_state, status.restarts) for name, status in host.list_units(client).items()}
    failed = [name for name in names if states[name] != ("active", 0)]
    if failed:
        sys.exit(f"these components of the load do not run as they should: {', '.join(failed)}")
    return names


def stop(root: Root, names: list[str]) -> None:
    with connect(host.INTERFACE, root) as client:
        host.unload(client, names)


def main() -> None:
    role, state = sys.argv[1:]
    with Lean(find_root(state), os.environ["SVCUID"]) as component:
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


if __name__ == "__main__":
    main()
