"""Rules of components, and of units among others of the device, that only a real systemd can show to hold."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ggl.host.unit import Command, Limits
from tests.cloud.processes import bound
from tests.integration.conftest import Runtime
from tests.integration.device import Device
from tests.integration.test_listen import listen
from tests.integration.units import component, deploy, sleeps, work
from tests.system.runtime import RUNTIME_UNITS, processes, systemctl, units_in, wait_until

SLEEP = "exec sleep 1000"
STATE_IN_PROC = re.compile(r"^State:\s+(\w)", re.MULTILINE)


def up(runtime: Runtime, name: str = "org.A", but: int = 0) -> int:
    """Its main process, which is not ``but``, once it is up."""
    pid: int = wait_until(
        lambda: runtime.unit(f"ggl.{name}"), lambda s: s["active_state"] == "active" and s["main_pid"] not in (0, but)
    )["main_pid"]
    return pid


def shown(unit: str, *properties: str) -> dict[str, str]:
    lines = systemctl("show", *(f"--property={each}" for each in properties), "--", unit).splitlines()
    return dict(line.split("=", 1) for line in lines)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_nobody_else_gets_to_see_the_token_of_a_component(runtime: Runtime) -> None:
    script = f"echo $SVCUID > token.new; mv token.new token; {SLEEP}"
    deploy(runtime, *component("org.A", script, user="ggc_user", stop=Command("sleep 1000", timeout=600.0)))
    pid = up(runtime)
    path = work(runtime, "org.A") / "token"
    wait_until(path.exists)
    token = path.read_text().strip()
    assert len(token) == 16
    path.unlink()
    systemctl("stop", "--no-block", "ggl.org.A")
    wait_until(lambda: sleeps(runtime), lambda found: len(found) == 2)  # its shutdown script has the token as well
    places = ["/run/greengrass", "/var/lib/greengrass", "/run/systemd/system", "/run/systemd/units", "/etc/systemd"]
    search = f"grep -rslF -f /dev/stdin {' '.join(places)} /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
    found = {}
    for user in ("root", "nobody"):
        become = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"] if user != "root" else []
        done = subprocess.run([*become, "sh", "-c", search], input=token, capture_output=True, text=True)
        found[user] = done.stdout.split()
    assert f"/proc/{pid}/environ" in found["root"]  # the search does find it
    assert found["nobody"] == []
    assert token not in systemctl("show", "--all", "ggl.org.A")
    assert token not in subprocess.run(["journalctl", "--output=export"], capture_output=True, text=True).stdout
    for each in sleeps(runtime):
        os.kill(each, signal.SIGKILL)


# -- the process of a script -------------------------------------------------------------------------------------------


def test_every_step_has_the_same_environment_and_nothing_of_systemds(runtime: Runtime) -> None:
    steps = {step: f"env -0 > {step}.env" for step in ("install", "run", "recover", "stop")}
    runs = component(
        "org.A", f"{steps['run']}; exit 1", install=steps["install"], user="ggc_user",
        recover=Command(steps["recover"]), stop=Command(steps["stop"]),
    )  # fmt: skip
    deploy(runtime, *runs, *component("org.B", "env -0 > startup.env", "startup", user="ggc_user"))
    runtime.wait_for_unit("ggl.org.A", "failed", seconds=120)  # the last of its scripts is over then
    runtime.wait_for_unit("ggl.org.B", "active", seconds=120)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    files = {path.stem: path for name in ("org.A", "org.B") for path in work(runtime, name).glob("*.env")}
    assert set(files) == {*steps, "startup"}
    variables = {step: {word.split("=")[0] for word in path.read_text().split("\0") if word} for step, path in
                 files.items()}  # fmt: skip
    assert variables["startup"] - variables["run"] == {"NOTIFY_SOCKET"}
    assert all(names == variables["run"] for step, names in variables.items() if step != "startup")
    assert not {name for name in variables["run"] if not name.startswith(("AWS_", "GG"))} - {
        "HOME", "PATH", "PWD", "SVCUID",
    }  # fmt: skip


def test_what_a_startup_script_leaves_in_the_background_is_the_component(runtime: Runtime) -> None:
    (unit,) = component("org.A", "sleep 1000 & exit 0", "startup", limits=Limits(memory=60_000))
    deploy(runtime, unit)
    runtime.wait_for_unit("ggl.org.A", "active", "exited")
    (left,) = wait_until(lambda: sleeps(runtime))
    assert dict(processes())[left] == "ggl.org.A.service"
    os.kill(left, signal.SIGKILL)
    assert runtime.call("gg_health", "status", {"component": "org.A"})["state"] == "RUNNING"
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(lambda: sleeps(runtime), lambda found: found and found != [left])
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    wait_until(lambda: not sleeps(runtime))


@pytest.mark.parametrize("status", [143, 1])
def test_an_exit_status_is_no_failure_of_what_was_told_to_stop(runtime: Runtime, status: int) -> None:
    deploy(runtime, *component("org.A", f"trap 'exit {status}' TERM; touch up; while :; do sleep 0.05; done"))
    wait_until((work(runtime, "org.A") / "up").exists)
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    wait_until(lambda: runtime.unit("ggl.org.A")["active_state"], lambda state: state == "inactive")
    wait_until(lambda: units_in("failed"), lambda failed: not failed)


@pytest.mark.parametrize("status", [143, 204, 217, 255])
def test_every_exit_status_is_the_scripts_own(runtime: Runtime, status: int) -> None:
    """Also one that means something to systemd or to a step: it is an error, and the third one is the last."""
    deploy(runtime, *component("org.A", f"echo run >> log; exit {status}"))
    said = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "failed")
    assert (said["result"], said["exit_status"]) == ("exit-code", status)
    assert (work(runtime, "org.A") / "log").read_text().split() == ["run"] * 3


def _state(path: str) -> str:
    found = STATE_IN_PROC.search(Path(path).read_text())
    return found[1] if found else ""


# -- pausing, limits ---------------------------------------------------------------------------------------------------


def test_a_pause_ends_with_the_run(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", SLEEP))
    for end in (lambda pid: os.kill(pid, signal.SIGKILL), lambda _: systemctl("restart", "ggl.org.A")):
        pid = up(runtime)
        runtime.call("gg_host", "pause", {"names": ["ggl.org.A"]})
        assert runtime.unit("ggl.org.A")["paused"]
        end(pid)
        pid = up(runtime, but=pid)
        assert not runtime.unit("ggl.org.A")["paused"]
        wait_until(lambda path=f"/proc/{pid}/status": _state(path), lambda state: state in ("R", "S"))  # type: ignore[misc]


def test_limits_are_those_of_the_newest_deployment_and_not_for_the_installation(
    runtime: Runtime, tmp_path: Path
) -> None:
    device = Device(runtime, tmp_path)
    device.recipe("org.A", "{install: 'true', run: 'exec sleep 1000'}")
    device.succeed({"org.A": "1.0.0"})
    names = ("MemoryMax", "CPUQuotaPerSecUSec")
    none, some = dict.fromkeys(names, "infinity"), {"MemoryMax": str(90_000 * 1024), "CPUQuotaPerSecUSec": "1.500000s"}
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    limits = {"systemResourceLimits": {"memory": 90_000, "cpus": 1.5}}
    for run_with, expected in ((limits, some), ({}, none)):
        device.succeed({"org.A": "1.0.0"}, component_to_run_with_info={"org.A": run_with})
        before = runtime.unit("ggl.org.A")["main_pid"]
        runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
        up(runtime, but=before)
        assert shown("ggl.org.A", *names) == expected
        assert shown("ggl.org.A.install", *names) == none


# -- among others ------------------------------------------------------------------------------------------------------


def test_a_description_means_nothing_but_itself(runtime: Runtime, tmp_path: Path) -> None:
    device = Device(runtime, tmp_path)
    device.recipe("org.A", "{install: 'true', run: 'exec sleep 1000'}")
    with (tmp_path / "recipes" / "org.A.yaml").open("a") as file:
        file.write('ComponentDescription: "50 % of %n $HOME \\"it\\" ;# \\\\\\nUser=nobody\\n[Service]"\n')
    device.succeed({"org.A": "1.0.0"})
    description = shown("ggl.org.A", "Description")["Description"]
    assert description.startswith("50 % of")
    assert shown("ggl.org.A", "User") == {"User": ""}
    files = [str(RUNTIME_UNITS / f"ggl.org.A{part}.service") for part in ("", ".install")]
    verified = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def lasting() -> set[str]:
    """The units that are up, but those of the daemons, which leave by themselves."""
    return {unit for unit in units_in("active") if not unit.startswith("ggl.core.") or not unit.endswith(".service")}


@pytest.mark.parametrize("name", ["gg_host", "gg-ipc.socket", "gg_config", "core", "target", "x" * 128])
def test_a_component_may_be_called_like_something_of_the_runtimes(runtime: Runtime, name: str) -> None:
    before = lasting()
    deploy(runtime, *component(name, SLEEP))
    pid = up(runtime, name)
    assert dict(processes())[pid] == f"ggl.{name}.service"
    runtime.call("gg_host", "unload", {"names": [f"ggl.{name}"]})
    assert before <= set(units_in("active"))


def test_a_masked_component_says_so_and_comes_up_when_it_is_unmasked(runtime: Runtime) -> None:
    systemctl("mask", "ggl.org.A.service")
    try:
        deploy(runtime, *component("org.A", SLEEP))
        said = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "failed")
        assert said["status_text"] == "Unit ggl.org.A.service is masked."
    finally:
        systemctl("unmask", "ggl.org.A.service")
    runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
    assert up(runtime)


def test_systemd_may_execute_itself_anew(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", SLEEP), *component("org.B", SLEEP, requires=("ggl.org.A",)))
    first, second = up(runtime), up(runtime, "org.B")
    systemctl("daemon-reexec")
    assert (up(runtime), up(runtime, "org.B")) == (first, second)
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    assert up(runtime, "org.B", second)


@contextmanager
def not_isolated() -> Iterator[None]:
    """The unit that these tests run in is left alone, too."""
    place = Path("/proc/self/cgroup").read_text().split("\n")
    own = next(line.rsplit("/", 1)[1] for line in place if line.endswith((".service", ".scope")))
    addition = Path(f"/run/systemd/system/{own}.d/tests.conf")
    addition.parent.mkdir(parents=True, exist_ok=True)
    addition.write_text("[Unit]\nIgnoreOnIsolate=yes\n")
    systemctl("daemon-reload")
    try:
        yield
    finally:
        addition.unlink()
        systemctl("daemon-reload")


def test_another_target_of_the_device_leaves_the_runtime_whole_or_takes_all_of_it(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", SLEEP, install="true"), *component("org.B", SLEEP, requires=("ggl.org.A",)))
    pids = up(runtime), up(runtime, "org.B")
    with bound() as held:
        port = held.getsockname()[1]
        listen(runtime, port)
    before = lasting()
    assert f"ggl.core.tesserverd@{port}.socket" in before
    with not_isolated():
        systemctl("isolate", "multi-user.target")
        assert before <= set(units_in("active"))
        assert (up(runtime), up(runtime, "org.B")) == pids
        systemctl("isolate", "rescue.target")
        wait_until(lambda: units_in("active", "activating", "deactivating"), lambda left: not left)
        assert list(processes()) == []
        systemctl("isolate", "multi-user.target")
        assert up(runtime, "org.B")


ELSEWHERE = Path("/etc/systemd/system")
LEFT = """\
[Unit]
PartOf=greengrass-lite.target
[Service]
ExecStart=sleep 500
[Install]
WantedBy=greengrass-lite.target
"""


def test_units_that_a_lite_nucleus_has_left_are_not_taken_for_ours(runtime: Runtime) -> None:
    left = runtime.root.state / "ggl.org.A.service"
    left.write_text(LEFT)
    links = [ELSEWHERE / "ggl.org.A.service", ELSEWHERE / "greengrass-lite.target.wants" / "ggl.org.A.service"]
    try:
        systemctl("enable", str(left))
        deploy(runtime, *component("org.A", SLEEP))
        said = wait_until(lambda: runtime.unit("ggl.org.A"), lambda s: s["active_state"] == "failed")
        assert f"{links[0]} would be taken instead" in said["status_text"]
        assert all(path.is_symlink() for path in links)
        installed = subprocess.run(["ggl", "install"], capture_output=True, text=True)
        assert [f"remove {path}" in installed.stdout for path in links] == [True, True], installed
    finally:
        for path in links:
            path.unlink(missing_ok=True)
        systemctl("daemon-reload")
    runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
    pid = up(runtime)
    # Not at once: it begins as the shell that becomes it.
    wait_until(
        lambda: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2], lambda words: words == [b"sleep", b"1000"]
    )
