"""Daemons that are not there to watch are told of what happens to components, on every host."""

from __future__ import annotations

import os
from typing import Any

from ggl.host.told import DIRECTORY, want_to_know, who_wants_to_know
from tests.integration.conftest import Runtime, wait_until
from tests.integration.device import PATIENCE, SLEEP, Device


def want(runtime: Runtime) -> None:
    """As the daemon does it, which may run as another user than the tests."""
    want_to_know(runtime.root, "fleetstatusd", wanted=True)
    owner = runtime.root.run.stat()
    os.chown(runtime.root.run / DIRECTORY, owner.st_uid, owner.st_gid)


def is_told(runtime: Runtime) -> Any:
    """It was started, and as this device has no cloud it does not want to be told again."""
    return wait_until(lambda: who_wants_to_know(runtime.root), lambda found: not found, PATIENCE) == []


def test_who_wants_to_know_is_told_of_every_error_of_a_component(device: Device) -> None:
    device.recipe("App", "{run: 'while ! test -e fail; do sleep 0.05; done; exit 3'}")
    device.succeed({"App": "1.0.0"})
    assert device.runtime.pid_of("fleetstatusd") == 0
    want(device.runtime)
    (device.runtime.root.work / "App/fail").touch()
    assert is_told(device.runtime)
    wait_until(lambda: device.state("App"), lambda state: state == "BROKEN", PATIENCE)


def test_and_of_what_people_do_with_one(device: Device) -> None:
    device.recipe("App", SLEEP)
    device.succeed({"App": "1.0.0"})
    for method in ("restart", "stop", "start"):
        want(device.runtime)
        device.runtime.call("gg_host", method, {"names": ["ggl.App"]})
        assert is_told(device.runtime)
