"""What is there before a component asks, and what is looked at afterwards: components, configuration, daemons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.host.unit import main_unit
from tests.compat.case import STRANGER, Action, Caller, fits
from tests.compat.scene import Scene

SLEEP = "exec sleep 1000"


def another(key: str = "other", configuration: Mapping[str, Any] | None = None) -> Action:
    """Another component, that only has a configuration; it is called ``{key}`` then."""

    def do(scene: Scene) -> None:
        scene.names[key] = scene.component(Caller(configuration=configuration or {}))

    return do


def running_component(key: str = "target", script: str = SLEEP) -> Action:
    """A component that runs."""

    def do(scene: Scene) -> None:
        name = scene.names[key] = scene.component(STRANGER)
        scene.load(name, script)
        scene.wait_for(name, "RUNNING")

    return do


def i_run(script: str = SLEEP, kind: str = "run", state: str = "RUNNING") -> Action:
    """The component that asks runs itself, and is in this state."""

    def do(scene: Scene) -> None:
        scene.load(scene.names["me"], script, kind)
        scene.wait_for("{me}", state)

    return do


def becomes(name: str, state: str) -> Action:
    return lambda scene: scene.wait_for(name, state)


def paused(name: str, yes: bool) -> Action:
    def do(scene: Scene) -> None:
        unit = scene.runtime.unit(main_unit(scene.fill(name)))
        assert bool(unit["paused"]) is yes

    return do


def bus(interface: str, method: str, keep: str = "", **params: Any) -> Action:
    """Call the databus; ``keep``: what the result is called among the scene's values."""

    def do(scene: Scene) -> None:
        result = scene.bus(interface, method, **scene.fill(params))
        if keep:
            scene.values[keep] = result

    return do


def write(value: Any, *path: str, component: str = "{me}") -> Action:
    """Somebody else writes into a component's configuration."""
    return bus("gg_config", "write", key_path=["services", component, "configuration", *path], value=value)


def stored(value: Any, *path: str, component: str = "{me}") -> Action:
    """The configuration holds exactly this."""

    def do(scene: Scene) -> None:
        key_path = scene.fill(["services", component, "configuration", *path])
        found = scene.bus("gg_config", "read", key_path=key_path)
        assert fits(scene.fill(value), found, scene.client.exact_numbers), found

    return do


def kill(daemon: str) -> Action:
    """kill -9; the next that is asked of it starts it again."""
    return lambda scene: scene.runtime.kill(scene.runtime.pid_of(daemon))
