"""What the scripts of a component may count on, from its recipe to its end: steps, environment, failures, dependencies.

Where each change leads is told in ``test_change_rules``, what belongs to a deployment in ``test_bootstrap``; single
rules of the supervisor in ``test_lifecycle``.
"""

from __future__ import annotations

import grp
import os
import pwd
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Runtime, alive, running, wait_until
from tests.integration.device import NUCLEUS, SLEEP, Device
from tests.integration.held import HELD, let_go
from tests.integration.test_lifecycle import observed
from tests.integration.units import component, deploy, sleeps

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run components as somebody else")
SHORT_STOP = """
import os
from ggl.bus.loop import Loop
from ggl.host.process import supervisor

class Short(float):
    pass

def later(loop, seconds, callback):
    if not isinstance(seconds, Short) or os.path.exists({begun!r}):
        return call_later(loop, seconds, callback)
    return call_later(loop, 0.02, lambda: later(loop, seconds, callback))

supervisor.STOP_ALL_SECONDS = Short(0.5)
call_later = Loop.call_later
Loop.call_later = later
"""
EVERY_STEP = ("bootstrap", "install", "startup", "shutdown", "recover", "uninstall")


def log(device: Device, component: str = "App") -> list[str]:
    return device.work(component, "log").split()


def host(device: Device, method: str, component: str = "App") -> None:
    device.runtime.call("gg_host", method, {"names": [f"ggl.{component}"]})


def soft(device: Device, name: str) -> None:
    """The dependencies of ``name`` are SOFT ones."""
    path = device.recipes / f"{name}.yaml"
    path.write_text(path.read_text().replace('"*"}', '"*", DependencyType: SOFT}'))


def fail_once(device: Device, component: str = "App") -> None:
    """The component says that it is in error."""
    device.runtime.call("gg_host", "notify", {"name": f"ggl.{component}", "state": "ERROR"})


# -- every step --------------------------------------------------------------------------------------------------------


def every_step(device: Device, script: str, **more: Any) -> list[str]:
    """What each step of a component's life says, in the order they run; ``$STEP`` is its name."""
    device.runtime.root.state.chmod(0o755)
    steps = {name: {"Script": f"STEP={name}; {script}", **more.pop(name, {})} for name in EVERY_STEP}
    lifecycle = {"Setenv": {"MODE": "normal", "AWS_REGION": "mars"}, **steps}
    device.recipe("App", str(lifecycle))
    device.succeed({"App": "1.0.0"}, **more)
    fail_once(device)
    wait_until(lambda: "recover" in device.work("App", "log"))
    wait_until(lambda: device.state("App") == "RUNNING")
    device.succeed(remove=("App",))
    return device.work("App", "log").splitlines()


def test_variables_of_the_lifecycle_and_of_the_step_are_set_above_those_of_the_runtime(device: Device) -> None:
    device.set_config("earth", *NUCLEUS[1:], "awsRegion")
    script = 'echo "$STEP $MODE $AWS_REGION $AWS_DEFAULT_REGION" >> log'
    said = every_step(device, script, recover={"Setenv": {"MODE": "own"}})
    expected = [
        f"{step} {'own' if step == 'recover' else 'normal'} mars earth"
        for step in ("bootstrap", "install", "startup", "recover", "shutdown", "startup", "shutdown", "uninstall")
    ]
    assert said == expected


@ROOT_ONLY
@pytest.mark.parametrize("user", ["tester", "tester:nogroup", "54321:54322"])
def test_every_step_runs_as_its_user_in_its_directory_unless_it_is_privileged(device: Device, user: str) -> None:
    name, _, group = user.partition(":")
    numeric = name.isdecimal()
    uid = int(name) if numeric else pwd.getpwnam(name).pw_uid
    gid = int(group) if numeric else grp.getgrnam(group).gr_gid if group else pwd.getpwnam(name).pw_gid
    home = "/" if numeric else pwd.getpwnam(name).pw_dir
    script = 'echo "$STEP $(id -u):$(id -g) $HOME $(pwd) $(stat -c %u:%a .)" >> log'
    root = {"RequiresPrivilege": True}
    # The first one to run is privileged: the directory and the log belong to the component all the same.
    said = every_step(
        device,
        f"umask 0; {script}",
        bootstrap=root,
        shutdown=root,
        component_to_run_with_info={"App": {"posixUser": user}},
    )
    work = device.runtime.root.work / "App"
    for line in said:
        step, ids, where, directory, owner = line.split()
        if step in ("bootstrap", "shutdown"):
            assert ids == "0:0", line
        else:
            assert (ids, where) == (f"{uid}:{gid}", home), line
        assert (directory, owner) == (str(work), f"{uid}:700"), line


def test_a_step_whose_condition_holds_is_skipped_and_nothing_is_wrong(device: Device) -> None:
    (device.runtime.root.state / "flag").touch()
    held = {"Skipif": "exists ~root/flag"}
    steps = {name: {"Script": f"echo {name} >> log; exit 1", **held} for name in EVERY_STEP}
    device.recipe("App", str({**steps, "run": "echo run >> log; exec sleep 1000"}))
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: log(device), lambda lines: lines == ["run"])
    fail_once(device)
    wait_until(lambda: log(device), lambda lines: lines == ["run", "run"])
    device.succeed(remove=("App",))
    assert log(device) == ["run", "run"]


def test_scripts_are_run_by_the_shell_that_is_configured(device: Device) -> None:
    lifecycle = {"install": "echo $0 > log", "run": "exec sleep 1000"}
    device.recipe("App", str(lifecycle))
    device.succeed({"App": "1.0.0"})
    assert log(device) == ["sh"]
    device.set_config("bash", *NUCLEUS[1:], "runWithDefault", "posixShell")
    device.succeed()
    assert log(device) == ["bash"]


# -- install and shutdown ----------------------------------------------------------------------------------------------


def test_installations_and_what_had_finished_run_again_whenever_the_runtime_starts(device: Device) -> None:
    device.recipe("Once", "{run: 'echo run >> log'}")
    device.recipe("App", "{install: 'echo install >> log', run: 'echo run >> log; exec sleep 1000'}")
    device.succeed({"App": "1.0.0", "Once": "1.0.0"})
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run"])
    wait_until(lambda: device.state("Once") == "FINISHED")
    device.runtime.down()
    device.runtime.up()
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run"] * 2)
    wait_until(lambda: log(device, "Once"), lambda lines: lines == ["run"] * 2)


@pytest.mark.process_host
def test_an_installation_runs_again_after_the_supervisor_was_killed(device: Device) -> None:
    device.recipe("App", "{install: 'echo install >> log', run: 'echo run >> log; exec sleep 1000'}")
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run"])
    device.runtime.kill(device.runtime.call("gg_host", "info")["pid"])
    device.runtime.up()
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run"] * 2)


def test_an_installation_that_fails_is_recovered_from_before_it_is_tried_again(device: Device) -> None:
    install = "echo install >> log; test -e fixed"
    device.recipe(
        "App", str({"install": install, "recover": "echo recover >> log; touch fixed", "run": "exec sleep 1000"})
    )
    device.succeed({"App": "1.0.0"})
    assert log(device) == ["install", "recover", "install"]


@pytest.mark.parametrize("step", ["startup", "run"])
def test_the_shutdown_script_runs_once_whenever_a_component_goes_down(device: Device, step: str) -> None:
    script = {"startup": "sleep 1000 & exit 0", "run": "exec sleep 1000"}[step]

    def recipe(version: str) -> None:
        stop = {"Script": f"echo {version} >> log", "Timeout": 60}
        device.recipe("App", str({step: script, "shutdown": stop}), version)

    def goes_down(how: Callable[[], Any], version: str = "1") -> None:
        (device.runtime.root.work / "App" / "log").write_text("")
        how()
        wait_until(lambda: log(device), lambda lines: lines == [f"{version}.0.0"])
        wait_until(lambda: device.health().get("App", {}).get("state") != "STOPPING")

    recipe("1.0.0")
    device.succeed({"App": "1.0.0"})
    device.runtime.root.work.joinpath("App").mkdir(exist_ok=True)
    goes_down(lambda: host(device, "stop"))
    host(device, "stop")
    assert log(device) == ["1.0.0"], "it was down"
    for how in (
        lambda: host(device, "restart"),
        lambda: fail_once(device),
        lambda: os.killpg(device.pid("App"), signal.SIGKILL) if step == "run" else fail_once(device),
    ):
        host(device, "start")
        wait_until(lambda: device.state("App") == "RUNNING")
        goes_down(how)
        wait_until(lambda: device.state("App") == "RUNNING")
    recipe("2.0.0")
    goes_down(lambda: device.succeed({"App": "2.0.0"}))
    goes_down(lambda: (device.runtime.down(), device.runtime.up()), "2")
    wait_until(lambda: device.state("App") == "RUNNING")
    goes_down(lambda: device.succeed(remove=("App",)), "2")


def test_a_run_that_ends_well_goes_through_its_shutdown(runtime: Runtime) -> None:
    from ggl.host.unit import Command

    with observed(runtime) as until:
        deploy(runtime, *component("org.A", "sleep 1000 & sleep 0.2", stop=Command("echo bye > bye")))
        until("RUNNING")
        assert [each["state"] for each in until("FINISHED")] == ["STOPPING", "FINISHED"]
    assert sleeps(runtime) == []
    assert (runtime.root.work / "org.A" / "bye").exists()


def test_a_component_that_breaks_is_shut_down_and_nothing_of_it_is_left(device: Device) -> None:
    steps = {"startup": "echo startup >> log; sleep 1000 & exit 1", "shutdown": "echo shutdown >> log"}
    device.recipe("App", str({**steps, "recover": "echo recover >> log"}))
    assert device.deploy({"App": "1.0.0"})["broken"] == ["App"]
    wait_until(lambda: log(device), lambda lines: len(lines) == 8)
    assert log(device) == ["startup", "recover", "shutdown", "startup", "recover", "shutdown", "startup", "shutdown"]
    wait_until(lambda: sleeps(device.runtime), lambda pids: not pids)


def test_processes_that_any_step_has_left_end_with_the_component(device: Device) -> None:
    left = "sleep 1000 & setsid sleep 1000 & :"
    device.recipe("App", str({"install": left, "startup": left, "shutdown": left}))
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: sleeps(device.runtime), lambda pids: len(pids) == 4)
    host(device, "restart")
    wait_until(lambda: device.state("App") == "RUNNING")
    host(device, "stop")
    assert sleeps(device.runtime) == []


# -- failures ----------------------------------------------------------------------------------------------------------


def test_a_component_that_left_running_in_order_has_a_clean_record(device: Device) -> None:
    """Errors of one phase count in a row: a stop that came from elsewhere, here from a dependency, ends the row."""
    device.recipe("Base", SLEEP)
    device.recipe("Top", "{run: 'echo run >> log; exec sleep 1000'}", depends={"Base": "*"})
    device.succeed({"Top": "1.0.0"})

    def restarted(how: Callable[[], None]) -> None:
        before = device.pid("Top")
        how()
        wait_until(lambda: device.health()["Top"], lambda h: h["state"] == "RUNNING" and h["pid"] not in (0, before))

    for _ in range(2):
        for _ in range(2):
            restarted(lambda: fail_once(device, "Top"))
        restarted(lambda: host(device, "restart", "Base"))
    assert device.state("Top") == "RUNNING"


def test_a_finished_component_starts_again_without_an_installation(device: Device) -> None:
    device.recipe("App", "{install: 'echo install >> log', run: 'echo run >> log'}")
    device.succeed({"App": "1.0.0"})
    wait_until(lambda: device.state("App") == "FINISHED")
    host(device, "start")
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run", "run"])
    wait_until(lambda: device.state("App") == "FINISHED")
    host(device, "restart")
    wait_until(lambda: log(device), lambda lines: lines == ["install", "run", "run", "run"])


# -- dependencies ------------------------------------------------------------------------------------------------------


def test_who_needs_a_component_softly_gets_it_and_does_not_care(device: Device) -> None:
    device.recipe("Base", f"{{startup: '{HELD}; exit 1'}}")
    device.recipe("Top", SLEEP, depends={"Base": "*"})
    soft(device, "Top")
    identifier = device.submit({"Top": "1.0.0"})
    wait_until(lambda: device.health().get("Top", {}).get("state") == "RUNNING")
    assert device.state("Base") == "STARTING"
    pid = device.pid("Top")
    let_go(device)
    assert device.outcome(identifier)["broken"] == ["Base"]
    assert (device.state("Top"), device.pid("Top"), device.state("Base")) == ("RUNNING", pid, "BROKEN")


def test_who_needs_a_broken_component_waits_in_installed(device: Device) -> None:
    device.recipe("Base", "{startup: 'test -e {kernel:rootPath}/good'}")
    device.recipe("Top", "{install: 'true', run: 'echo run >> log; exec sleep 1000'}", depends={"Base": "*"})
    assert device.deploy({"Top": "1.0.0"})["broken"] == ["Base"]
    top = wait_until(lambda: device.health()["Top"], lambda health: health["state"] != "NEW")
    assert (top["state"], top["reason"]) == ("INSTALLED", "waiting for ggl.Base")
    assert log(device, "Top") == []
    (device.runtime.root.state / "good").touch()
    host(device, "restart", "Base")
    wait_until(lambda: device.state("Top") == "RUNNING")


def test_who_needs_a_component_that_is_stopped_or_has_finished_goes_on(device: Device) -> None:
    device.recipe("Base", SLEEP)
    device.recipe("Once", "{run: 'sleep 0.5'}")
    device.recipe("Top", SLEEP, depends={"Base": "*", "Once": "*"})
    device.succeed({"Top": "1.0.0"})
    pid = device.pid("Top")
    host(device, "stop", "Base")
    wait_until(lambda: device.state("Once") == "FINISHED")
    assert (device.state("Base"), device.state("Top"), device.pid("Top")) == ("FINISHED", "RUNNING", pid)


def test_independent_components_start_side_by_side(device: Device) -> None:
    """Each waits for the other one to have begun."""
    for name, other in (("One", "Two"), ("Two", "One")):
        wait = f"touch {{kernel:rootPath}}/{name}; while ! test -e {{kernel:rootPath}}/{other}; do sleep 0.02; done"
        device.recipe(name, str({"startup": {"Script": wait, "Timeout": 100}}))
    device.succeed({"One": "1.0.0", "Two": "1.0.0"})


def test_a_component_waits_until_its_dependency_is_updated(device: Device) -> None:
    device.recipe("Base", "{startup: 'echo $(date +%s%N) > at'}")
    device.recipe("Top", "{run: 'echo $(date +%s%N) > at; exec sleep 1000'}", depends={"Base": "*"})
    device.succeed({"Top": "1.0.0"})
    pid = device.pid("Top")
    device.recipe("Base", "{startup: 'sleep 0.3; echo $(date +%s%N) > at'}", "1.0.1")
    device.succeed({"Base": "1.0.1"})
    wait_until(lambda: device.pid("Top"), lambda now: now not in (0, pid))
    wait_until(lambda: device.work("Top", "at") > device.work("Base", "at"))


@pytest.mark.process_host
def test_what_has_not_stopped_in_time_is_killed_with_the_runtime(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The time that all components together get is 30 seconds; here it is half of one, from when a script has begun."""
    from ggl.host.process import supervisor
    from ggl.host.unit import Command

    assert supervisor.STOP_ALL_SECONDS == 30.0
    begun = tmp_path / "begun"
    (tmp_path / "sitecustomize.py").write_text(SHORT_STOP.format(begun=str(begun)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with running() as runtime:
        slow = Command(f"echo begun > {begun}; sleep 1000", timeout=1000.0)
        deploy(runtime, *component("org.A", "exec sleep 1000", stop=slow))
        pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
        runtime.down()
        assert not alive(pid)
        assert begun.exists()
        assert "not stopped within 0.5 s: ggl.org.A" in runtime.log("ggl.core.ggld")
