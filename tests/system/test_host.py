"""The host's daemon beside an administrator, after its own death, and without D-Bus for a moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host.unit import Limits
from tests.integration.conftest import Runtime
from tests.integration.units import component, deploy
from tests.system.runtime import RUNTIME_UNITS, systemctl, units_in, wait_until

SLEEP = "exec sleep 1000"


def words(runtime: Runtime, name: str = "ggl.org.A") -> tuple[str, str, str, str]:
    status = runtime.unit(name)
    return status["active_state"], status["sub_state"], status["result"], status["stage"]


def state(runtime: Runtime, component_name: str = "org.A") -> str:
    found: str = runtime.call("gg_health", "status", {"component": component_name})["state"]
    return found


def pid_of(runtime: Runtime, name: str = "ggl.org.A", but: int = 0) -> int:
    """Its main process, which is not ``but``, once it is up."""
    pid: int = wait_until(
        lambda: runtime.unit(name), lambda s: s["active_state"] == "active" and s["main_pid"] not in (0, but)
    )["main_pid"]
    return pid


def kill_host(runtime: Runtime) -> None:
    os.kill(runtime.call("gg_host", "info")["pid"], signal.SIGKILL)


@pytest.fixture
def pair(runtime: Runtime) -> Runtime:
    """org.A runs, and org.B, which requires it."""
    deploy(runtime, *component("org.A", SLEEP), *component("org.B", SLEEP, requires=("ggl.org.A",)))
    runtime.wait_for_unit("ggl.org.B", "active")
    return runtime


# -- an administrator --------------------------------------------------------------------------------------------------


def test_what_systemctl_stops_has_finished_and_keeps_nobody_from_running(pair: Runtime) -> None:
    systemctl("stop", "ggl.org.A")
    assert words(pair) == ("inactive", "dead", "success", "stop")
    assert (state(pair), words(pair, "ggl.org.B")[:2]) == ("FINISHED", ("active", "running"))
    assert pair.unit("ggl.org.A")["wanted"]
    systemctl("start", "ggl.org.A")
    assert words(pair)[:2] == ("active", "running")


def test_what_systemctl_restarts_takes_with_it_who_requires_it(pair: Runtime) -> None:
    before = pid_of(pair, "ggl.org.B")
    systemctl("restart", "ggl.org.A")
    assert pid_of(pair, "ggl.org.B", before)
    assert pair.unit("ggl.org.B")["restarts"] == 1


def test_a_stop_between_two_tries_is_the_end_of_them(runtime: Runtime) -> None:
    (unit,) = component("org.A", "exit 1")
    deploy(runtime, replace(unit, restart_delay=600.0))
    runtime.wait_for_unit("ggl.org.A", "activating", "auto-restart")
    wait_until(lambda: systemctl("show", "-P", "SubState", "ggl.org.A").strip(), lambda sub: sub == "auto-restart")
    assert state(runtime) == "ERRORED"
    systemctl("stop", "ggl.org.A")
    assert words(runtime) == ("inactive", "dead", "success", "stop")
    assert state(runtime) == "FINISHED"


def test_what_was_given_up_stays_so_when_systemd_forgets_it(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", f"test -e again && {SLEEP}; touch again; exit 1", restart="no"))
    wait_until(lambda: systemctl("is-active", "ggl.org.A", check=False).strip(), lambda word: word == "failed")
    systemctl("reset-failed")
    assert state(runtime) == "BROKEN"
    runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
    assert pid_of(runtime)


def test_new_limits_leave_nothing_that_would_prevail_over_later_ones(runtime: Runtime) -> None:
    for memory in (50_000, 60_000):
        deploy(runtime, *component("org.A", SLEEP, limits=Limits(memory=memory)))
        runtime.wait_for_unit("ggl.org.A", "active")
        shown = systemctl("show", "-P", "MemoryMax", "-P", "DropInPaths", "-P", "NeedDaemonReload", "ggl.org.A")
        assert sorted(shown.split()) == [str(memory * 1024), "no"]


# -- its own death -----------------------------------------------------------------------------------------------------


def test_who_waits_when_the_host_is_killed_starts_in_its_turn(runtime: Runtime) -> None:
    deploy(runtime, *component("org.B", SLEEP, requires=("ggl.org.A",)))
    runtime.wait_for_unit("ggl.org.B", "inactive", "waiting")
    kill_host(runtime)
    deploy(runtime, *component("org.A", SLEEP))
    assert pid_of(runtime, "ggl.org.B")


def test_a_restart_that_the_host_did_not_survive_is_completed(pair: Runtime) -> None:
    for _ in range(3):
        first, second = pid_of(pair), pid_of(pair, "ggl.org.B")
        pair.call("gg_host", "restart", {"names": ["ggl.org.A"]})
        kill_host(pair)
        assert pid_of(pair, but=first)
        assert pid_of(pair, "ggl.org.B", second)


def test_a_load_that_is_asked_for_again_after_the_hosts_death_is_complete(runtime: Runtime) -> None:
    units = component("org.A", SLEEP, install="true")
    with runtime.client("gg_host") as client:
        pid = client.call("info")["pid"]
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(BusError):
            client.call("load", {"units": [unit.to_dict() for unit in units], "start": ["ggl.org.A"]}, 0.2)
    os.kill(pid, signal.SIGKILL)
    deploy(runtime, *units)
    assert pid_of(runtime)


def test_what_failed_for_good_while_the_host_was_away_is_known_to_the_next(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "while test ! -e go; do sleep 0.05; done; exit 3", restart="no"))
    runtime.wait_for_unit("ggl.org.A", "active")
    systemctl("stop", "ggl.core.hostd.service", "ggl.gg_host.socket")
    (runtime.root.work / "org.A" / "go").touch()
    wait_until(lambda: systemctl("is-active", "ggl.org.A", check=False).strip(), lambda word: word == "failed")
    systemctl("start", "ggl.gg_host.socket")
    status = runtime.unit("ggl.org.A")
    assert (status["active_state"], status["result"], status["exit_status"]) == ("failed", "exit-code", 3)


# -- D-Bus -------------------------------------------------------------------------------------------------------------


def test_the_host_goes_on_when_the_bus_of_the_device_was_restarted(pair: Runtime) -> None:
    first, before = pair.call("gg_host", "info")["pid"], pid_of(pair)
    systemctl("restart", "dbus.service")

    def restarted() -> bool:
        """Until systemd is on the new bus as well, who asks is told to ask again."""
        try:
            pair.call("gg_host", "restart", {"names": ["ggl.org.A"]})
        except BusError as error:
            if error.code is not ErrorCode.RETRY:
                raise
            return False
        return True

    wait_until(restarted)
    assert pid_of(pair, but=before)
    assert pair.call("gg_host", "info")["pid"] == first


def test_a_command_that_restarts_the_device_runs_as_it_is_and_its_failure_is_told(runtime: Runtime) -> None:
    proof = Path("/var/proof")
    runtime.call("gg_host", "reboot", {"command": f"x=y; echo $x% > {proof}"})
    assert proof.read_text() == "y%\n"
    proof.unlink()
    with pytest.raises(BusError, match="'echo no way; exit 3' exited with code 3: no way"):
        runtime.call("gg_host", "reboot", {"command": "echo no way; exit 3"})


# -- what systemd, or an administrator's drop-in, makes of a start or a stop -------------------------------------------


@contextmanager
def drop_in(text: str, name: str = "ggl.org.A") -> Iterator[None]:
    path = RUNTIME_UNITS / f"{name}.service.d" / "tests.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    systemctl("daemon-reload")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        systemctl("daemon-reload")


@pytest.mark.parametrize("on_term", ["exit 1", ""])
@pytest.mark.parametrize("by", ["the host", "systemctl", "systemctl alone"])
def test_systemd_has_no_failed_unit_after_an_ordered_stop(runtime: Runtime, on_term: str, by: str) -> None:
    deploy(runtime, *component("org.A", f"trap '{on_term}' TERM; touch up; while :; do sleep 0.05; done"))
    # The step that comes after the script has to be done within that time as well.
    with drop_in("[Service]\nTimeoutStopSec=6\n"):
        wait_until((runtime.root.work / "org.A" / "up").exists)
        if by == "systemctl alone":
            systemctl("stop", "ggl.core.hostd.service")
        if by.startswith("systemctl"):
            systemctl("stop", "ggl.org.A")
            wait_until(lambda: units_in("failed"), lambda failed: not failed)
        else:
            runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
        assert words(runtime)[:2] == ("inactive", "dead")
        wait_until(lambda: units_in("failed"), lambda failed: not failed)
        assert state(runtime) == "FINISHED"


@pytest.mark.parametrize(
    "text",
    [
        "[Service]\nExecStartPre=/bin/false\n",
        "[Service]\nExecCondition=/bin/false\n",
        "[Service]\nEnvironmentFile=/nonexistent\n",
        "[Service]\nUser=nobody-knows-him\n",
        "[Unit]\nConditionPathExists=/nonexistent\n",
        "[Unit]\nAssertPathExists=/nonexistent\n",
        "[Unit]\nRequires=none.service\nAfter=none.service\n",
    ],
    ids=lambda text: text.split("\n")[1].partition("=")[0],
)
def test_a_start_that_a_drop_in_keeps_from_its_script_is_an_error_of_the_component(runtime: Runtime, text: str) -> None:
    (unit,) = component("org.A", SLEEP)
    deploy(runtime, replace(unit, restart_delay=0.1))
    pid_of(runtime)
    with drop_in(text):
        runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
        seen = []

        def given_up() -> bool:
            seen.append(state(runtime))
            return seen[-1] == "BROKEN"

        wait_until(given_up)
        assert set(seen) <= {"STOPPING", "STARTING", "ERRORED", "BROKEN"}
        assert words(runtime) == ("failed", "failed", "exec-failed", "start")
        kill_host(runtime)
        assert words(runtime) == ("failed", "failed", "exec-failed", "start")
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    assert pid_of(runtime)
    assert state(runtime) == "RUNNING"


def fill(directory: str, file: Path) -> bool:
    """Leave 4 MB in a file system; false when others have just taken some of what was left."""
    about = os.statvfs(directory)
    with file.open("wb") as opened:
        try:
            os.posix_fallocate(opened.fileno(), 0, about.f_bavail * about.f_frsize - 4_000_000)
        except OSError:
            return False
    return True


def test_a_start_waits_for_room_in_run_and_is_nobodys_error(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", SLEEP))
    pid = pid_of(runtime)
    full = Path("/run/full")
    try:
        wait_until(lambda: fill("/run", full))
        deploy(runtime, *component("org.B", SLEEP))
        said = wait_until(lambda: runtime.unit("ggl.org.B"), lambda s: "not started yet" in s["status_text"])
        assert (said["active_state"], said["sub_state"]) == ("activating", "start")
        assert "not enough space" in said["status_text"]
    finally:
        full.unlink(missing_ok=True)
    assert pid_of(runtime, "ggl.org.B")
    assert (pid_of(runtime), runtime.unit("ggl.org.B")["restarts"]) == (pid, 0)


def test_the_runtime_is_as_old_as_its_start(runtime: Runtime) -> None:
    before = runtime.call("gg_host", "info")
    kill_host(runtime)
    after = runtime.call("gg_host", "info")
    assert (before["started_ms"], before["pid"] != after["pid"]) == (after["started_ms"], True)
