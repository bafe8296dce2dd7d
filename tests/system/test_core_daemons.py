"""The core daemons as units of systemd: killed, hanging and crashing while components use them."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError
from ggl.catalog import DAEMONS, HOST_INTERFACE
from tests.integration.conftest import Runtime
from tests.integration.device import SLEEP, Device
from tests.integration.test_components import Writer
from tests.lean import ALL, IpcFailure, Lean, install
from tests.system.runtime import RUNTIME_UNITS, TARGET, systemctl, units_in, wait_until

INTERFACES = {daemon.name: daemon.interfaces[0] for daemon in DAEMONS if daemon.interfaces} | {"hostd": HOST_INTERFACE}
NAME = "com.example.Talker"


def unit_of(daemon: str) -> str:
    return f"ggl.core.{daemon}.service"


def shown(unit: str, name: str) -> str:
    return systemctl("show", "--value", "-p", name, unit).strip()


def ping(runtime: Runtime, daemon: str) -> Any:
    """Whether it answers, started by this if need be."""
    try:
        runtime.call(INTERFACES[daemon], "bus.ping", timeout=60)
    except BusError:
        return False
    return True


@contextmanager
def kept(runtime: Runtime, daemon: str) -> Iterator[int]:
    """The process of a daemon that is there, started by this if need be, and does not leave by itself meanwhile."""
    with runtime.client(INTERFACES[daemon]) as client:
        client.call("bus.ping", timeout=60)
        pid = int(shown(unit_of(daemon), "MainPID"))
        assert pid, daemon
        yield pid


def kill_all_daemons() -> None:
    for daemon in INTERFACES:
        if pid := int(shown(unit_of(daemon), "MainPID")):
            with suppress(ProcessLookupError):  # it has left by itself just now
                os.kill(pid, signal.SIGKILL)


class Talk:
    """A component that publishes and reads its own messages over IPC, on and on, and connects again when it must."""

    def __init__(self, runtime: Runtime) -> None:
        self.received = 0
        self._runtime = runtime
        self._token = install(runtime.root, NAME, {"accessControl": {"aws.greengrass.ipc.pubsub": ALL}})
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Talk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def goes_on(self) -> None:
        before = self.received
        wait_until(lambda: self.received, lambda now: now > before + 3)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with Lean(self._runtime.root, self._token, timeout=5) as client:
                    client.call("SubscribeToTopic", {"topic": "talk"})
                    while not self._ended.wait(0.01):
                        message = {"topic": "talk", "publishMessage": {"jsonMessage": {"message": {"n": 1}}}}
                        client.call("PublishToTopic", message)
                        client.event()
                        self.received += 1
            except (IpcFailure, OSError):
                self._ended.wait(0.05)


@contextmanager
def under_load(device: Device) -> Iterator[tuple[Writer, Talk]]:
    """Two components run, one talks, and the configuration is written; none of the components may be touched."""
    for name in ("One", "Two"):
        device.recipe(name, SLEEP)
    device.succeed({"One": "1.0.0", "Two": "1.0.0"})
    before = {name: device.pid(name) for name in ("One", "Two")}
    with Writer(device.runtime) as writer, Talk(device.runtime) as talk:
        wait_until(lambda: writer.acknowledged)
        talk.goes_on()
        yield writer, talk
        talk.goes_on()
        writer.check()
    assert {name: device.pid(name) for name in before} == before
    assert {device.state(name) for name in before} == {"RUNNING"}


def test_each_core_daemon_may_be_killed_under_load(device: Device) -> None:
    with under_load(device) as (writer, talk):
        for daemon in INTERFACES:
            with kept(device.runtime, daemon) as pid:
                device.runtime.kill(pid)
            wait_until(lambda d=daemon: ping(device.runtime, d))  # type: ignore[misc]
            with kept(device.runtime, daemon) as now:
                assert now != pid
            talk.goes_on()
            writer.check()
    assert units_in("failed") == []


def test_a_deployment_goes_on_when_every_daemon_is_killed_in_the_middle(device: Device, tmp_path: Path) -> None:
    go = tmp_path / "go"
    device.recipe("App", f"{{startup: 'echo x >> starts; until test -e {go}; do sleep 0.05; done'}}")
    identifier = device.submit({"App": "1.0.0"})
    device.reaches(identifier, "wait")
    wait_until(lambda: device.work("App", "starts"))
    kill_all_daemons()
    go.touch()
    assert device.outcome_after_all(identifier, 120)["status"] == "SUCCEEDED"
    assert device.work("App", "starts") == "x\n"


WATCHDOG_SECONDS = 8
"""Soon enough to wait for, and more than a daemon that is well may be without a processor on a busy machine."""


def add_to(runtime: Runtime, unit: str, text: str) -> None:
    """Start the runtime anew with an addition to a unit, which goes with everything else afterwards."""
    runtime.down()
    directory = RUNTIME_UNITS / f"{unit}.d"
    directory.mkdir()
    (directory / "test.conf").write_text(text)
    systemctl("daemon-reload")
    runtime.up()


@pytest.fixture
def soon_watched(runtime: Runtime, daemon: str) -> None:
    add_to(runtime, unit_of(daemon), f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n")


@pytest.mark.usefixtures("soon_watched")
@pytest.mark.parametrize("daemon", ["configd", "ipcd", "hostd", "healthd"])
def test_a_daemon_that_hangs_is_killed_by_its_watchdog_and_started_again(device: Device, daemon: str) -> None:
    with under_load(device):
        with kept(device.runtime, daemon) as pid:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: int(shown(unit_of(daemon), "MainPID")), lambda now: now != pid)
        wait_until(lambda: ping(device.runtime, daemon))
    assert "Watchdog timeout" in device.runtime.host_log()


@pytest.fixture
def impatient(runtime: Runtime) -> None:
    """What is to be looked at every hour is looked at all the time."""
    settings = "OnActiveSec=\nOnActiveSec=10ms\nOnUnitInactiveSec=10ms\nRandomizedDelaySec=0\nAccuracySec=1ms\n"
    add_to(runtime, "ggl.core.fleetstatusd.timer", f"[Timer]\n{settings}")


@pytest.mark.usefixtures("impatient")
def test_a_daemon_that_looks_every_now_and_then_is_started_again_and_again() -> None:
    unit = unit_of("fleetstatusd")
    first = wait_until(lambda: shown(unit, "InvocationID"))
    wait_until(lambda: shown(unit, "InvocationID"), lambda now: now not in ("", first))
    assert units_in("failed") == []


def test_every_core_unit_says_when_it_is_ready_and_is_watched(device: Device) -> None:
    for daemon in INTERFACES:
        with kept(device.runtime, daemon):
            unit = unit_of(daemon)
            assert (shown(unit, "Type"), shown(unit, "ActiveState")) == ("notify", "active"), daemon
            assert shown(unit, "WatchdogUSec") not in ("0", "infinity"), daemon
            user = shown(unit, "User") or "root"
            assert user == ("root" if daemon in ("hostd", "recoveryd") else "ggcore"), daemon


def test_a_component_that_crashes_for_ever_is_given_up_and_the_device_is_otherwise_well(device: Device) -> None:
    device.recipe("Well", SLEEP)
    device.recipe("Bad", "{startup: 'echo x >> runs; exit 7'}")
    assert device.deploy({"Well": "1.0.0", "Bad": "1.0.0"})["broken"] == ["Bad"]
    health = device.health()
    assert (health["Bad"]["state"], health["Well"]["state"]) == ("BROKEN", "RUNNING")
    wait_until(lambda: shown("ggl.Bad.service", "ActiveState"), lambda state: state == "failed")
    assert device.work("Bad", "runs").count("x") == 3

    def recovery() -> list[Any]:
        return [each for each in device.runtime.call("gg_recovery", "list")["finished"] if each["component"] == "Bad"]

    (given_up,) = wait_until(recovery)
    assert (given_up["unit"], given_up["outcome"]) == ("ggl.Bad", "limp-home")
    assert units_in("failed") == ["ggl.Bad.service"]
    assert shown(TARGET, "ActiveState") == "active"
    done = subprocess.run(["ggl", "status"], capture_output=True, text=True)
    assert "BROKEN" in done.stdout
    # It stays like that for a restart of the host's daemon.
    device.runtime.kill(int(shown(unit_of("hostd"), "MainPID")))
    wait_until(lambda: ping(device.runtime, "hostd"))
    assert device.state("Bad") == "BROKEN"


def test_a_daemon_that_fails_for_ever_is_reported_and_comes_back_when_it_is_started_again(runtime: Runtime) -> None:
    unit, before = unit_of("pubsubd"), 0
    # On a busy machine its starts are too far apart to be too many for systemd within the usual time.
    add_to(runtime, unit, "[Unit]\nStartLimitIntervalSec=600\n")
    runtime.call("gg_pubsub", "bus.ping")

    def up_again() -> int:
        """Its process, which is not that of before; 0 when it was given up."""
        state, pid = shown(unit, "ActiveState"), int(shown(unit, "MainPID"))
        return 0 if state == "failed" else pid if state == "active" and pid not in (0, before) else -1

    for _ in range(20):
        before = wait_until(up_again, lambda pid: pid >= 0)
        if not before:
            break
        with suppress(ProcessLookupError):
            os.kill(before, signal.SIGKILL)
    assert shown(unit, "ActiveState") == "failed"
    wait_until(
        lambda: runtime.call("gg_recovery", "list")["finished"],
        lambda found: [each["unit"] for each in found] == ["ggl.core.pubsubd"],
    )
    runtime.call("gg_host", "start", {"names": ["ggl.core.pubsubd"]})
    assert wait_until(lambda: ping(runtime, "pubsubd"))
