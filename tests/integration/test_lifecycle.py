"""The lifecycle of a component, row by row: scripts, time limits, what counts as an error and what follows it.

Each test reads the states as ``ggl status`` shows them, from the stream of healthd, so that none is missed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ggl.bus import BusError
from ggl.host.unit import Command, Condition, Start, Unit, main_unit
from tests.integration.conftest import PATIENCE, Runtime, wait_until
from tests.integration.units import component, deploy, sleeps, work

ALWAYS, NEVER = Condition("exists", "/"), Condition("exists", "/", negate=True)

ENOUGH = 3.0
"""A time limit within which a script gets to its last line, which takes longer, also on a machine that is busy."""


@contextmanager
def observed(runtime: Runtime, name: str = "org.A") -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Yields a function that waits for a state and returns every health on the way there."""
    with runtime.client("gg_health") as client:
        stream = client.subscribe("subscribe", {"component": name})

        def until(state: str) -> list[dict[str, Any]]:
            seen: list[dict[str, Any]] = []
            while not seen or seen[-1]["state"] != state:
                seen.append(stream.next(PATIENCE))
            return seen

        yield until


def lines(runtime: Runtime, name: str = "log") -> list[str]:
    try:
        return (work(runtime, "org.A") / name).read_text().split()
    except FileNotFoundError:
        return []


def both(startup: Command, run: Command, **rest: Any) -> Unit:
    (unit,) = component("org.A", "", **rest)
    return replace(unit, start=(Start("startup", startup), Start("run", run)))


# -- startup and run ---------------------------------------------------------------------------------------------------


def test_of_startup_and_run_startup_counts(runtime: Runtime) -> None:
    deploy(runtime, both(Command("echo startup >> log"), Command("echo run >> log")))
    runtime.wait_for_unit("ggl.org.A", "active", "exited")
    assert lines(runtime) == ["startup"]


def test_run_takes_the_place_of_a_startup_that_is_skipped(runtime: Runtime) -> None:
    deploy(runtime, both(Command("echo startup >> log", skip_if=ALWAYS), Command("exec sleep 1000", skip_if=NEVER)))
    assert runtime.wait_for_unit("ggl.org.A", "active", "running")["kind"] == "run"
    assert lines(runtime) == []


def test_a_component_whose_steps_are_all_skipped_is_finished(runtime: Runtime) -> None:
    with observed(runtime) as until:
        deploy(runtime, both(Command("exit 1", skip_if=ALWAYS), Command("exit 1", skip_if=ALWAYS)))
        assert "ERRORED" not in [each["state"] for each in until("FINISHED")]


def test_a_skipped_installation_is_done(runtime: Runtime) -> None:
    main, install = component("org.A", "exec sleep 1000", install="exit 1")
    deploy(runtime, main, replace(install, start=(Start("oneshot", Command("exit 1", skip_if=ALWAYS)),)))
    assert runtime.wait_for_unit("ggl.org.A", "active")


def test_a_startup_that_said_it_runs_and_then_fails_is_an_error_of_startup(runtime: Runtime) -> None:
    script = "touch ready; while test ! -e go; do sleep 0.02; done; rm go; exit 4"
    with observed(runtime) as until:
        deploy(runtime, *component("org.A", script, "startup", timeout=60.0))
        wait_until(lambda: (work(runtime, "org.A") / "ready").exists())
        report = {"component": "org.A", "request": {"state": "RUNNING"}}
        runtime.call("gg_health", "aws.greengrass#UpdateState", report)
        until("RUNNING")
        (work(runtime, "org.A") / "go").touch()
        health = until("ERRORED")[-1]
    assert (health["status_code"], health["reason"]) == ("STARTUP_ERROR", "the startup script exited with code 4")


# -- time limits -------------------------------------------------------------------------------------------------------


def test_a_startup_that_takes_too_long_says_how_long_it_may_take(runtime: Runtime) -> None:
    with observed(runtime) as until:
        deploy(runtime, *component("org.A", "exec sleep 1000", "startup", timeout=0.2))
        health = until("ERRORED")[-1]
    assert (health["status_code"], health["reason"]) == (
        "STARTUP_TIMEOUT",
        "the startup script did not finish within 0.2 s",
    )


def test_an_installation_that_takes_too_long_is_tried_again(runtime: Runtime) -> None:
    main, install = component("org.A", "exec sleep 1001", install="-")
    slow = Command("echo try >> log; test $(wc -l < log) -ge 2 || exec sleep 1000", timeout=ENOUGH)
    with observed(runtime) as until:
        deploy(runtime, main, replace(install, start=(Start("oneshot", slow),)))
        assert until("ERRORED")[-1]["status_code"] == "INSTALL_TIMEOUT"
        until("RUNNING")
    wait_until(lambda: sleeps(runtime), lambda pids: len(pids) == 1)


def test_a_run_that_takes_longer_than_it_may_is_ended_and_tried_again(runtime: Runtime) -> None:
    with observed(runtime) as until:
        deploy(runtime, *component("org.A", "exec sleep 1000", timeout=ENOUGH))
        until("RUNNING")
        health = until("ERRORED")[-1]
        assert (health["status_code"], health["reason"]) == (
            "RUN_TIMEOUT",
            f"the run script did not finish within {ENOUGH:g} s",
        )
        until("RUNNING")
        assert until("BROKEN")[-1]["status_code"] == "RUN_TIMEOUT"
    wait_until(lambda: sleeps(runtime), lambda pids: not pids)


def test_a_shutdown_that_takes_too_long_is_an_error_that_is_recovered_from_and_not_counted(runtime: Runtime) -> None:
    (unit,) = component(
        "org.A",
        "exec sleep 1000",
        stop=Command("echo stop >> log; exec sleep 1000", timeout=ENOUGH),
        recover=Command("echo recover >> log", timeout=60.0),
    )
    with observed(runtime) as until:
        deploy(runtime, unit)
        for round_number in range(1, 5):
            until("RUNNING")
            runtime.call("gg_host", "stop", {"names": [unit.name]})
            health = until("ERRORED")[-1]
            assert (health["status_code"], health["reason"]) == (
                "SHUTDOWN_TIMEOUT",
                f"the shutdown script did not finish within {ENOUGH:g} s",
            )
            health = until("FINISHED")[-1]
            assert (health["status_code"], health["reason"]) == ("NONE", "")
            assert lines(runtime) == ["stop", "recover"] * round_number
            assert sleeps(runtime) == []
            runtime.call("gg_host", "start", {"names": [unit.name]})


def test_what_needs_a_component_whose_shutdown_took_too_long_runs_again(runtime: Runtime) -> None:
    stop = Command("exec sleep 1000", timeout=0.2)
    deploy(runtime, *component("org.A", "exec sleep 1000", stop=stop))
    deploy(runtime, *component("org.B", "exec sleep 1000", requires=("ggl.org.A",)))
    first = runtime.wait_for_unit("ggl.org.B", "active")["main_pid"]
    runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
    wait_until(lambda: runtime.unit("ggl.org.B"), lambda s: s["active_state"] == "active" and s["main_pid"] != first)


def test_a_recover_script_that_hangs_holds_up_nothing_for_long(runtime: Runtime) -> None:
    recover = Command("echo recover >> log; exec sleep 1000", timeout=ENOUGH)
    deploy(runtime, *component("org.A", "echo run >> log; exit 1", recover=recover))
    runtime.wait_for_unit("ggl.org.A", "failed")
    assert lines(runtime) == ["run", "recover", "run", "recover", "run"]
    wait_until(lambda: sleeps(runtime), lambda pids: not pids)


# -- what counts -------------------------------------------------------------------------------------------------------


def test_the_exit_code_of_a_shutdown_script_does_not_count(runtime: Runtime) -> None:
    with observed(runtime) as until:
        deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("exit 9")))
        until("RUNNING")
        runtime.call("gg_host", "stop", {"names": ["ggl.org.A"]})
        assert {each["state"] for each in until("FINISHED")} == {"STOPPING", "FINISHED"}


def test_errors_far_enough_apart_never_break_a_component(runtime: Runtime) -> None:
    deploy(runtime, *component("org.A", "echo run >> log; exit 1", start_limit_interval=0.01))
    wait_until(lambda: lines(runtime), lambda runs: len(runs) > 5)


def test_phases_are_counted_apart_and_success_sets_a_count_back(runtime: Runtime) -> None:
    """Each round fails once on its way up and once when it is up: that is never three in a row of either."""
    script = "echo try >> log; test $(($(wc -l < log) % 2)) -eq 0 || exit 1"
    deploy(runtime, *component("org.A", f"{script}; sleep 1000 & exit 0", "startup", timeout=60.0))
    for tries in (2, 4, 6, 8):
        runtime.wait_for_unit("ggl.org.A", "active", "exited")
        assert len(lines(runtime)) == tries
        if tries < 6:
            runtime.call("gg_host", "notify", {"name": "ggl.org.A", "state": "ERROR"})
            wait_until(lambda n=tries: len(lines(runtime)) > n)  # type: ignore[misc]
        else:
            runtime.call("gg_host", "restart", {"names": ["ggl.org.A"]})
            wait_until(lambda n=tries: len(lines(runtime)) > n)  # type: ignore[misc]


def test_what_the_runtime_lacks_for_a_moment_is_no_error_of_the_component(runtime: Runtime) -> None:
    with unreachable(runtime, "gg_config"):
        deploy(runtime, *component("org.A", "exec sleep 1000"))
        waiting = wait_until(lambda: health(runtime), lambda told: told.get("reason"))
        assert waiting["state"] == "STARTING"
        assert "not started yet" in waiting["reason"]
    assert runtime.wait_for_unit("ggl.org.A", "active")["restarts"] == 0


def test_a_component_that_lacks_something_can_be_stopped(runtime: Runtime) -> None:
    with unreachable(runtime, "gg_config"):
        deploy(runtime, *component("org.A", "exec sleep 1000", stop=Command("true", timeout=0.5)))
        wait_until(lambda: health(runtime), lambda told: told.get("reason"))
        runtime.call("gg_host", "stop", {"names": [main_unit("org.A")]})
    assert runtime.unit("ggl.org.A")["active_state"] == "inactive"


@contextmanager
def unreachable(runtime: Runtime, interface: str) -> Iterator[None]:
    """Nobody listens behind the socket, as when its daemon has failed too often and is left alone for a while."""
    path = runtime.root.bus_socket(interface)
    away = path.with_suffix(".away")
    path.rename(away)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(path))
    try:
        yield
    finally:
        away.rename(path)


def health(runtime: Runtime) -> dict[str, Any]:
    try:
        found: dict[str, Any] = runtime.call("gg_health", "status", {"component": "org.A"})
    except BusError:
        return {}
    return found
