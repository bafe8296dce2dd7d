"""Requests to ``gg_host`` that cross each other, on either host."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ggl.bus import BusError, ErrorCode
from ggl.host.unit import Command
from tests.integration.conftest import ON_SYSTEMD, Runtime, alive, wait_until
from tests.integration.units import component, deploy, sleeps, work

STUBBORN = "trap '' TERM; touch deaf; while :; do sleep 0.1; done"


def test_who_waits_for_a_stop_is_answered_although_the_unit_is_started_again_meanwhile(runtime: Runtime) -> None:
    deploy(
        runtime, *component("org.A", "exec sleep 1000", stop=Command("touch stopping; while test ! -e go; do :; done"))
    )
    runtime.wait_for_unit("ggl.org.A", "active")
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
    with ThreadPoolExecutor() as pool:
        stop = pool.submit(runtime.call, "gg_host", "stop", {"names": ["ggl.org.A"]})
        wait_until(lambda: runtime.unit("ggl.org.A"), lambda status: not status["wanted"])
        runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
        (work(runtime, "org.A") / "go").touch()
        stop.result(timeout=60)
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_stop_right_after_a_start_leaves_no_process(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), start=False)
    runtime.call("gg_ipc", "connections")
    with runtime.client("gg_host") as client:
        for _ in range(30):
            client.notify("start", {"names": ["ggl.org.A"]})
            client.call("stop", {"names": ["ggl.org.A"]})
            assert runtime.unit("ggl.org.A")["active_state"] == "inactive"
            assert sleeps(runtime) == []


def test_what_never_came_up_is_no_more_ready_when_it_is_stopped(runtime: Runtime) -> None:
    deploy(
        runtime,
        *component("org.A", "exec sleep 1000", "startup"),
        *component("org.B", "touch ran", requires=("ggl.org.A",)),
    )
    runtime.wait_for_unit("ggl.org.A", "activating")
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert runtime.unit("ggl.org.B")["sub_state"] == "waiting"
    assert not (work(runtime, "org.B") / "ran").exists()


def test_a_restart_while_an_error_is_being_cleared_does_not_hit_the_new_process(runtime: Runtime) -> None:
    fails = f'setsid sh -c "{STUBBORN}" & until test -e deaf; do sleep 0.05; done; exit 1'
    deploy(runtime, *component("org.A", f"test -e ok && exec sleep 1000; {fails}"))
    runtime.wait_for_unit("ggl.org.A", "activating", "auto-restart")
    (work(runtime, "org.A") / "ok").touch()
    time.sleep(0.5)
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    pid = runtime.wait_for_unit("ggl.org.A", "active")["main_pid"]
    time.sleep(1.0)
    assert runtime.unit("ggl.org.A")["main_pid"] == pid
    assert alive(pid)


def test_a_unit_that_is_loaded_again_while_it_is_unloaded_stays(runtime: Runtime) -> None:
    stop = Command("touch stopping; while test ! -e go; do :; done")
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    runtime.wait_for_unit("ggl.org.A", "active")
    with ThreadPoolExecutor() as pool:
        unload = pool.submit(runtime.call, "gg_host", "unload", {"names": ["ggl.org.A"]})
        wait_until(lambda: (work(runtime, "org.A") / "stopping").exists())
        deploy(runtime, *component("org.A", "exec sleep 2000"))
        (work(runtime, "org.A") / "go").touch()
        unload.result(timeout=60)
    status = runtime.wait_for_unit("ggl.org.A", "active")
    wait_until(
        lambda: Path(f"/proc/{status['main_pid']}/cmdline").read_bytes(), lambda text: text == b"sleep\0002000\0"
    )
    runtime.down()
    runtime.up()
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_stop_gives_up_the_installation_and_a_start_begins_it_anew(runtime: Runtime) -> None:
    install = "echo try >> tries; test -e ok || exec sleep 1000"
    deploy(runtime, *component("org.A", "exec sleep 1000", install=install))
    wait_until(lambda: sleeps(runtime))
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    assert sleeps(runtime) == []
    status = runtime.unit("ggl.org.A.install")
    assert (status["active_state"], status["started"]) == ("inactive", False)
    (work(runtime, "org.A") / "ok").touch()
    runtime.call("gg_host", "start", {"names": ["ggl.org.A"]})
    assert runtime.wait_for_unit("ggl.org.A", "active")
    assert (work(runtime, "org.A") / "tries").read_text().split() == ["try", "try"]


def test_a_changed_installation_is_done_again_at_the_next_start(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", install="echo one >> done"))
    runtime.wait_for_unit("ggl.org.A", "active")
    deploy(runtime, *component("org.A", "exec sleep 1000", install="echo two >> done"), start=False)
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    wait_until(lambda: (work(runtime, "org.A") / "done").read_text().split(), lambda found: found == ["one", "two"])
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_new_definition_may_wait_for_less(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000", requires=("ggl.org.Missing",)))
    runtime.wait_for_unit("ggl.org.A", "inactive", "waiting")
    deploy(runtime, *component("org.A", "exec sleep 1001"), start=False)
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_process_that_said_it_was_up_is_watched_beyond_the_limit_of_its_start(runtime: Runtime) -> None:
    script = "while test ! -e go; do sleep 0.05; done; exit 5"
    deploy(runtime, *component("org.A", script, "startup", timeout=6.0, restart="no"))
    runtime.wait_for_unit("ggl.org.A", "activating", "start")
    runtime.call("gg_host", "notify", {"name": "ggl.org.A", "state": "READY"})
    time.sleep(6.2)
    assert runtime.unit("ggl.org.A")["active_state"] == "active"
    (work(runtime, "org.A") / "go").touch()
    status = runtime.wait_for_unit("ggl.org.A", "failed")
    assert (status["exit_status"], status["stage"], status["main_pid"]) == (5, "run", 0)


def test_units_that_require_themselves_or_each_other_wait_and_do_not_hold_up_the_end(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "exec sleep 1000"), *component("org.B", "exec sleep 1000"))
    for name in ("ggl.org.A", "ggl.org.B"):
        runtime.wait_for_unit(name, "active")
    deploy(
        runtime,
        *component("org.A", "exec sleep 1001", requires=("ggl.org.B",)),
        *component("org.C", "exec sleep 1000", requires=("ggl.org.C",)),
    )
    runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
    assert runtime.wait_for_unit("ggl.org.C", "inactive", "waiting")["status_text"] == "waiting for ggl.org.C"
    deploy(runtime, *component("org.B", "exec sleep 1001", requires=("ggl.org.A",)))
    began = time.monotonic()
    runtime.down()
    gave_up = time.monotonic() - began > 25 if ON_SYSTEMD else "not stopped within" in runtime.host_log()
    assert not gave_up, "it waited until the supervisor gave up"


def test_names_that_lead_out_of_their_directories_are_refused(runtime: Runtime) -> None:
    for name in ("../../evil", "..", "x" * 201):
        with pytest.raises(BusError) as error:
            runtime.call("gg_host", "load", {"units": [{"name": "ggl.org.A", "component": name}]})
        assert error.value.code is ErrorCode.INVALID
