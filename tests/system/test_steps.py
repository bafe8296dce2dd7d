"""The steps of a component's unit, run by systemd alone: nobody asked hostd for these units, and it does nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ggl.host import store
from ggl.host.systemd import records
from ggl.host.systemd.component_unit import choose, file_name, render
from ggl.host.systemd.layout import RECORDS, Layout
from ggl.host.systemd.records import Run
from ggl.host.unit import Command, Condition, Limits, Start, Unit
from ggl.paths import SYSTEM
from tests.integration.conftest import Runtime
from tests.system.runtime import RUNTIME_UNITS, systemctl, wait_until

LAYOUT = Layout(command=("/opt/ggl/bin/python3", "-I"))
RECOVER, STOP = Command("echo recover >> log", timeout=60.0), Command("echo stop >> log", timeout=15.0)
BOTH: dict[str, Any] = {"recover": RECOVER, "stop": STOP}
FOREVER = "echo run >> log; exec sleep 1000"


def unit(
    script: str, kind: str = "run", timeout: float | None = None, skip_if: Condition | None = None, **rest: Any
) -> Unit:
    fields = {"name": "ggl.App", "component": "App", "version": "1.0.0", "phase": "main", "restart_delay": 0.1, **rest}
    start = (Start(kind, Command(script, timeout=timeout, skip_if=skip_if)),)
    return Unit(**{"start": start, "revision": script, **fields})


def put(*units: Unit) -> None:
    for each in units:
        store.save(SYSTEM.units, each, True)
        (RUNTIME_UNITS / file_name(each.name)).write_text(render(choose(each), LAYOUT))
    systemctl("daemon-reload")


def begin(given: Unit) -> None:
    put(given)
    systemctl("start", "--no-block", "--", file_name(given.name))


def record(name: str = "ggl.App") -> Run:
    return records.read_run(SYSTEM.run / RECORDS, name)


def shown(name: str, unit_name: str = "ggl.App") -> str:
    return systemctl("show", "--value", "-p", name, "--", file_name(unit_name)).strip()


def reaches(*states: str) -> None:
    wait_until(lambda: shown("ActiveState"), lambda state: state in states)


def lines(component: str = "App") -> list[str]:
    path = SYSTEM.work / component / "log"
    return path.read_text().split() if path.exists() else []


def comes_up() -> None:
    """The unit is active, and its script, which comes after the step that said so, has begun to write."""
    reaches("active")
    wait_until(lines)


@pytest.fixture(autouse=True)
def there(runtime: Runtime) -> Iterator[None]:
    """The runtime is up; its directories are those that it makes at the first deployment."""
    SYSTEM.units.mkdir(exist_ok=True)
    SYSTEM.work.mkdir(exist_ok=True)
    yield
    systemctl("stop", "ggl.App.service", "ggl.App.install.service", check=False)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "script", "phase", "result"),
    [
        ("run", "exit 7", "run", ("exit-code", 7)),
        ("run", "exit 217", "run", ("exit-code", 217)),
        ("run", "kill -TERM $$", "run", ("signal", 15)),
        ("startup", "exit 7", "start", ("exit-code", 7)),
        ("oneshot", "exit 7", "start", ("exit-code", 7)),
        ("run", "systemd-notify --pid=$$ WATCHDOG=trigger; exec sleep 1000", "run", ("notified-error", 0)),
    ],
)
def test_the_third_error_in_a_row_is_the_last(kind: str, script: str, phase: str, result: tuple[str, int]) -> None:
    # The socket is not handed to a run script; but nothing keeps it from using it.
    script = f"echo run >> log; export NOTIFY_SOCKET=/run/systemd/notify; {script}"
    systemctl("stop", "ggl.core.recoveryd.path")  # which would have taken the report before it is looked at
    begin(unit(script, kind, 60.0, **BOTH))
    run = wait_until(record, lambda run: run.exhausted)
    reaches("failed")
    assert lines() == ["run", "recover", "stop", "run", "recover", "stop", "run", "stop"]
    assert (run.result, run.exit_status, run.stage, run.restarts) == (*result, phase, 2)
    assert [len(times) for times in run.failures.values()] == [3]
    told = json.loads((SYSTEM.state / "recovery/ggl.App.json").read_text())
    assert (told["unit"], told["result"], told["status_text"]) == ("ggl.App", run.result, run.text)


@pytest.mark.parametrize(
    ("kind", "phase", "limit"), [("run", "run", 2), ("startup", "start", 5), ("oneshot", "start", 5)]
)
def test_a_script_that_takes_too_long_is_ended_and_counts(kind: str, phase: str, limit: int) -> None:
    # Before its first line it has to be begun, which on a busy machine takes a part of the time that it has.
    begin(unit("echo run >> log; trap 'exit 0' TERM; while :; do sleep 0.05; done", kind, limit, **BOTH))
    run = wait_until(record, lambda run: run.exhausted)
    assert (run.result, run.stage, run.text) == ("timeout", phase, f"did not finish within {limit} s")
    wait_until(lines, lambda found: found == ["run", "recover", "stop", "run", "recover", "stop", "run", "stop"])


def test_each_phase_counts_on_its_own_and_success_clears_it() -> None:
    # Twice it does not come up; then it does, and ends with an error twice; then it does not come up again.
    script = """
    echo run >> log
    case $(grep -c run log) in 3 | 4) systemd-notify --ready; sleep 0.3 ;; 6) exec sleep 1000 ;; esac
    exit 1
    """
    begin(unit(script, "startup", 60.0))
    run = wait_until(record, lambda run: run.restarts == 5 and run.began)
    assert {phase: len(times) for phase, times in run.failures.items()} == {"run": 2, "start": 1}


def test_an_error_that_was_reported_counts_also_without_a_process_and_when_it_is_restarted_for_that() -> None:
    begin(unit("echo run >> log", "startup", 60.0, **BOTH))
    for number in (1, 2, 3):
        reaches("active")
        records.write_wish(SYSTEM.run / RECORDS, "ggl.App", records.Wish(reported_error=records.now()))
        systemctl("restart", "--no-block", "ggl.App")
        wait_until(lambda: sum(map(len, record().failures.values())), lambda count, number=number: count == number)
    reaches("failed")
    run = record()
    assert (run.result, run.stage, run.text, run.exhausted) == (
        "notified-error",
        "run",
        "the component reported an error",
        True,
    )
    assert lines() == ["run", "recover", "stop", "run", "recover", "stop", "run", "stop"]


def test_errors_before_a_reset_do_not_count() -> None:
    # The third run would be the last, and waits until the two before are forgotten.
    begin(unit("echo run >> log; [ $(grep -c run log) != 3 ] || until [ -e go ]; do sleep 0.05; done; exit 1"))
    wait_until(record, lambda run: run.restarts == 2)
    records.write_wish(SYSTEM.run / RECORDS, "ggl.App", records.Wish(reset=records.now()))
    (SYSTEM.work / "App/go").touch()
    run = wait_until(record, lambda run: run.exhausted)
    assert run.restarts > 2


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"user": "nobodyhere"}, "there is no user 'nobodyhere' on this device"),
        ({"shell": "/no/shell"}, "cannot run /no/shell: there is no such program"),
        ({"script": ": " + "x" * 200_000}, "is longer than a program can be given"),
    ],
)
def test_what_cannot_begin_is_never_up_and_says_why(given: dict[str, Any], why: str) -> None:
    begin(unit(given.pop("script", "true"), **given))
    run = wait_until(record, lambda run: run.exhausted)
    assert (run.result, run.stage, why in run.text) == ("exec-failed", "start", True)
    assert shown("ActiveEnterTimestampMonotonic") == "0"


def test_a_unit_that_runs_once_is_not_tried_again() -> None:
    begin(unit("echo run >> log; exit 100", "oneshot", 60.0, phase="bootstrap", restart="no", recover=RECOVER))
    run = wait_until(record, lambda run: run.exhausted)
    reaches("failed")
    assert (run.result, run.exit_status, run.restarts, lines()) == ("exit-code", 100, 0, ["run"])
    assert not (SYSTEM.state / "recovery/ggl.App.json").exists()


def test_what_the_runtime_lacks_is_waited_for_and_is_no_error() -> None:
    systemctl("stop", "ggl.gg_ipc.socket", "ggl.core.ipcd.service")
    try:
        begin(unit(FOREVER, **BOTH))
        run = wait_until(record, lambda run: run.lacking)
        assert (shown("ActiveState"), shown("NRestarts"), run.began) == ("activating", "0", False)
        assert "the runtime did not give what start needs" in run.why
    finally:
        systemctl("start", "ggl.gg_ipc.socket")
    comes_up()
    assert (lines(), record().failures, record().lacking) == (["run"], {}, False)


def test_another_way_to_start_is_taken_when_its_skipif_says_so_at_a_retry() -> None:
    mark = Condition("exists", str(SYSTEM.work / "App/mark"))
    startup = Start("startup", Command("touch mark; exit 1", skip_if=mark, timeout=60.0))
    begin(unit("", start=(startup, Start("run", Command(FOREVER)))))
    wait_until(record, lambda run: run.kind == "run" and run.began)
    wait_until(lambda: shown("SubState"), lambda state: state == "running")  # it says so after it has begun


def test_another_way_to_start_is_taken_also_when_its_skipif_has_changed_since() -> None:
    mark = SYSTEM.work / "App/mark"
    startup = Start("startup", Command("exit 1", skip_if=Condition("exists", str(mark)), timeout=60.0))
    put(unit("", start=(startup, Start("run", Command(FOREVER)))))
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    systemctl("start", "--no-block", "ggl.App")
    wait_until(record, lambda run: run.kind == "run" and run.began)
    wait_until(lambda: shown("SubState"), lambda state: state == "running")
    assert record().failures == {}


# -- an administrator's additions --------------------------------------------------------------------------------------


@pytest.fixture
def drop_in() -> Iterator[Path]:
    directory = RUNTIME_UNITS / "ggl.App.service.d"
    directory.mkdir()
    yield directory / "x.conf"
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    "setting",
    [
        "ProtectSystem=strict",
        "CapabilityBoundingSet=CAP_SETUID CAP_SETGID",
        "InaccessiblePaths=/var/lib/greengrass/units",
    ],
)
def test_a_sandbox_around_a_component_does_not_hinder_its_steps(setting: str, drop_in: Path) -> None:
    drop_in.write_text(f"[Service]\n{setting}\nReadWritePaths=-{SYSTEM.work}\n")
    begin(unit(FOREVER, user="nobody", stop=Command("echo stop $SVCUID >> log")))
    comes_up()
    run = record()
    assert (run.kind, run.began, lines()) == ("run", True, ["run"])
    systemctl("stop", "ggl.App")
    assert lines() == ["run", "stop", run.environment["SVCUID"]]
    assert (record().result, record().stage) == ("success", "stop")


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("User=nobody", "its unit has a user of its own"),
        ("PrivateUsers=yes", "cannot run sh"),
        ("ExecStartPre=/bin/false", "failed before the script began"),
        ("ExecCondition=/bin/false", "an ExecCondition= says that it is not to be started"),
    ],
)
def test_what_an_addition_keeps_from_beginning_is_an_error_that_names_it(setting: str, why: str, drop_in: Path) -> None:
    drop_in.write_text(f"[Service]\n{setting}\n")
    # hostd has stopped it before, as it does for a restart.
    records.write_wish(SYSTEM.run / RECORDS, "ggl.App", records.Wish(stopped=records.now()))
    begin(unit(FOREVER, user="nobody"))
    run = wait_until(record, lambda run: run.exhausted)
    assert (run.result, run.stage, why in run.text, str(drop_in) in run.text) == ("exec-failed", "start", True, True)
    wait_until(lambda: shown("ActiveState"), lambda state: state in ("failed", "inactive"))


@pytest.mark.parametrize("setting", ["User=nobodyhere", "ReadWritePaths=/nowhere"])
def test_what_is_not_there_is_not_tried_for_ever(setting: str, drop_in: Path) -> None:
    drop_in.write_text(f"[Service]\n{setting}\n")
    begin(unit(FOREVER))
    reaches("failed")
    time.sleep(0.5)
    assert (shown("ActiveState"), shown("NRestarts")) == ("failed", "0")


# -- the way down ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "script"), [("run", FOREVER), ("startup", "echo run >> log")])
def test_stopping_runs_shutdown_as_it_was_at_the_start_and_needs_no_runtime(kind: str, script: str) -> None:
    old = unit(script, kind, stop=Command("echo stop $SVCUID >> log"))
    begin(old)
    comes_up()
    put(replace(old, stop=Command("echo new >> log")))
    systemctl("stop", "ggl.gg_ipc.socket", "ggl.core.ipcd.service", "ggl.gg_config.socket", "ggl.core.configd.service")
    systemctl("stop", "ggl.App")
    run = record()
    assert lines() == ["run", "stop", run.environment["SVCUID"]]
    assert (run.result, run.stage, run.up) == ("success", "stop", True)
    assert shown("ActiveState") == "inactive"


def test_stopping_what_is_starting_runs_shutdown_too() -> None:
    begin(unit("echo run >> log; sleep 1000", "startup", 60.0, **BOTH))
    wait_until(lines)
    systemctl("stop", "ggl.App")
    assert lines() == ["run", "stop"]
    assert (record().result, record().stage, record().up) == ("success", "stop", False)


def test_a_run_that_has_finished_is_shut_down() -> None:
    begin(unit("echo run >> log", **BOTH))
    run = wait_until(record, lambda run: run.result != "")
    assert (run.result, run.stage, lines()) == ("success", "run", ["run", "stop"])
    reaches("inactive")


def test_a_shutdown_that_takes_too_long_is_followed_by_recover() -> None:
    begin(unit(FOREVER, recover=RECOVER, stop=Command("echo stop >> log; sleep 1000", timeout=3.0)))
    comes_up()
    systemctl("stop", "ggl.App")
    assert lines() == ["run", "stop", "recover"]
    assert (record().result, record().stage) == ("timeout", "stop")


def test_a_shutdown_that_needs_long_is_given_its_time() -> None:
    begin(unit(FOREVER, stop=Command("sleep 11; echo stop >> log", timeout=60.0)))
    comes_up()
    systemctl("stop", "ggl.App")
    assert (lines(), record().result) == (["run", "stop"], "success")


def test_what_the_installation_left_running_ends_with_the_component() -> None:
    install = unit("sleep 1000 & setsid sleep 1001 & :", "oneshot", name="ggl.App.install", phase="install")
    put(install)
    systemctl("start", "ggl.App.install")
    wait_until(lambda: shown("TasksCurrent", "ggl.App.install"), lambda count: count == "2")
    begin(unit(FOREVER, install="ggl.App.install"))
    reaches("active")
    systemctl("stop", "ggl.App")
    wait_until(lambda: shown("TasksCurrent", "ggl.App.install"), lambda count: count in ("0", "[not set]"))
    assert shown("ActiveState", "ggl.App.install") == "active"


# -- what a script gets ------------------------------------------------------------------------------------------------


def test_a_startup_script_is_up_whatever_its_environment_and_user_are() -> None:
    environment = {"PATH": "/bin", "LD_LIBRARY_PATH": "/tmp", "LD_PRELOAD": "/no/such/library.so"}
    begin(unit("", start=(Start("startup", Command("id -un > who 2>&-", environment, timeout=60.0)),), user="nobody"))
    reaches("active")
    assert (SYSTEM.work / "App/who").read_text().split() == ["nobody"]
    assert (shown("SubState"), shown("MainPID")) == ("exited", "0")


def test_limits_hold_and_are_what_is_said_when_they_end_it() -> None:
    script = "exec python3 -c 'x = b\"x\" * 300_000_000; import time; time.sleep(1000)'"
    begin(unit(script, limits=Limits(memory=60_000, cpus=0.5), start_limit_burst=1))
    run = wait_until(record, lambda run: run.exhausted)
    assert run.text == "it used more memory than its limit of 60000 KB, and the kernel killed it"
    assert (shown("MemoryMax"), shown("CPUQuotaPerSecUSec")) == (str(60_000 * 1024), "500ms")


def test_every_line_has_its_severity_and_its_speaker() -> None:
    since = time.time()
    begin(unit("echo out; echo err >&2; echo '<3>bad'; exit 1", start_limit_burst=1))
    wait_until(record, lambda run: run.exhausted)
    reaches("failed")  # what is said of the run comes after its record
    subprocess.run(["journalctl", "--sync"], check=True)
    words = ["journalctl", "-o", "json", f"--since=@{since:.6f}", "_SYSTEMD_UNIT=ggl.App.service"]
    found = map(json.loads, subprocess.run(words, capture_output=True, check=True).stdout.splitlines())
    said = {(each["SYSLOG_IDENTIFIER"], each["PRIORITY"], each["MESSAGE"]) for each in found}
    own = ("ggl.core.hostd", "3", "hostd: ggl.App: run ended: exit code 1; giving up")
    assert said == {("App", "6", "out"), ("App", "4", "err"), ("App", "3", "bad"), own}


def test_a_hostile_name_means_nothing_but_itself() -> None:
    odd = "a b%n$HOME\\x2d\"'\t;#@é"
    begin(
        unit(
            "true", name=f"ggl.{odd}", component=odd, description=f"{odd}\nExecStart=/bin/false\\", start_limit_burst=1
        )
    )
    run = wait_until(lambda: record(f"ggl.{odd}"), lambda run: run.exhausted)
    # It came as far as the daemon that gives out tokens, which knows no such components.
    assert "'component' must be" in run.why
    assert shown("Description", f"ggl.{odd}") == "a b%n$HOME\\x2d\"' ;#@é ExecStart=/bin/false"
    assert shown("SyslogIdentifier", f"ggl.{odd}") == "a b%n$HOME\\x2d\"' ;#@é"
    assert Path(shown("FragmentPath", f"ggl.{odd}")).parent == RUNTIME_UNITS
