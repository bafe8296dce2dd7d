"""A script of a component that goes on when a test says so: what is seen until then does not depend on its speed."""

from __future__ import annotations

from tests.integration.device import Device

HELD = "until test -e {kernel:rootPath}/go; do sleep 0.02; done"
"""For a recipe; waits for ``let_go``, and goes through from then on."""


def let_go(device: Device) -> None:
    (device.runtime.root.state / "go").touch()
