"""Steps of a deployment that run once, on either host, and the word that is left of a failure."""

from __future__ import annotations

import pytest

from ggl.host import client as host
from ggl.host.unit import Unit
from ggl.paths import Root
from ggl.recipe.lifecycle import Step
from ggl.recipe.units import once_unit
from tests.integration.conftest import Runtime, wait_until
from tests.integration.units import component, deploy, sleeps, work


def once(root: Root, script: str, timeout: float = 60.0, step: str = "bootstrap") -> Unit:
    return once_unit("org.A", "1.2.0", Step(step, script, timeout=timeout), root=root, user="", shell="sh")


@pytest.mark.parametrize(
    ("script", "timeout", "states", "outcome"),
    [
        ("echo done", 60.0, ("active", "exited"), ("success", 0)),
        ("exit 100", 60.0, ("failed", "failed"), ("exit-code", 100)),
        ("exit 1", 60.0, ("failed", "failed"), ("exit-code", 1)),
        ("exec sleep 1000", 3.0, ("failed", "failed"), ("timeout", 0)),  # enough to get there on a busy machine
        ("kill -9 $$", 60.0, ("failed", "failed"), ("signal", 9)),
    ],
)
def test_a_step_runs_once_and_its_end_is_told(
    runtime: Runtime, script: str, timeout: float, states: tuple[str, str], outcome: tuple[str, int]
) -> None:
    unit = once(runtime.root, f"echo run >> runs; {script}", timeout)
    with runtime.client("gg_host") as client:
        host.load(client, [unit], start=[unit.name])
        status = runtime.wait_for_unit("ggl.org.A.bootstrap", *states)
        assert (status["result"], status["exit_status"]) == outcome
        assert (status["component"], status["version"], status["phase"]) == ("org.A", "1.2.0", "bootstrap")
        assert runtime.call("gg_health", "list") == [], "it is no component's state"
        host.unload(client, [unit.name])
    assert (work(runtime, "org.A") / "runs").read_text() == "run\n"
    assert sleeps(runtime) == []


def test_an_uninstall_step_is_told_the_version(runtime: Runtime) -> None:
    unit = once(runtime.root, 'echo "$GREENGRASS_COMPONENT_VERSION" > version', step="uninstall")
    with runtime.client("gg_host") as client:
        host.load(client, [unit], start=[unit.name])
    runtime.wait_for_unit("ggl.org.A.uninstall", "active", "exited")
    assert (work(runtime, "org.A") / "version").read_text() == "1.2.0\n"


def test_a_component_that_is_given_up_wakes_the_daemon_that_looks_after_such_and_a_deployments_step_does_not(
    runtime: Runtime,
) -> None:
    deploy(runtime, once(runtime.root, "exit 9"))
    runtime.call("gg_host", "start", {"names": ["ggl.org.A.bootstrap"]})
    runtime.wait_for_unit("ggl.org.A.bootstrap", "failed")
    assert not runtime.unit("ggl.core.recoveryd")["started"]
    deploy(runtime, *component("org.B", "exit 0", install="exit 5"))
    runtime.wait_for_unit("ggl.org.B.install", "failed")
    wait_until(lambda: runtime.unit("ggl.core.recoveryd")["started"])
