"""TCP ports that systemd keeps for a core daemon: who serves them, how they come back, and when they go."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Runtime
from tests.integration.test_listen import DAEMON, answer, is_open, listen
from tests.system.runtime import CORE, RUNTIME_UNITS, processes, systemctl, units_in, wait_until
from tests.system.test_core_daemons import shown, unit_of


def instance(port: int) -> str:
    return f"{DAEMON}@{port}"


def socket_of(port: int) -> str:
    return f"ggl.core.{instance(port)}.socket"


def serves(port: int) -> bool:
    return answer(port).startswith(b"HTTP/1.1 400")


def process_of(port: int) -> int:
    return int(shown(unit_of(instance(port)), "MainPID"))


def loaded() -> str:
    return systemctl("list-units", "--all", "--plain", "--no-legend", f"ggl.core.{DAEMON}@*")


def listed(runtime: Runtime) -> list[str]:
    names = [each["name"].removeprefix("ggl.core.") for each in runtime.call("gg_host", "list")]
    return sorted(name for name in names if name.startswith(DAEMON))


def test_a_process_of_the_daemons_user_without_a_network_serves_each_port(
    runtime: Runtime, port: int, another_port: int
) -> None:
    listen(runtime, port, another_port)
    with (
        socket.create_connection(("127.0.0.1", port), 60),
        socket.create_connection(("127.0.0.1", another_port), 60),
    ):
        pids = [wait_until(lambda p=each: process_of(p)) for each in (port, another_port)]  # type: ignore[misc]
        assert pids[0] != pids[1]
        for each, pid in zip((port, another_port), pids, strict=True):
            wait_until(lambda p=each: shown(unit_of(instance(p)), "ActiveState") == "active")  # type: ignore[misc]
            about = Path(f"/proc/{pid}")
            assert about.stat().st_uid == pwd.getpwnam("ggcore").pw_uid
            assert os.readlink(about / "ns/net") != os.readlink("/proc/self/ns/net")
            assert (shown(unit_of(instance(each)), "Type"), shown(unit_of(instance(each)), "WatchdogUSec")) == (
                "notify",
                "2min",
            )
            assert runtime.call("gg_host", "unit_of", {"pid": pid})["name"] == f"ggl.core.{instance(each)}"
    for each in (port, another_port):
        wait_until(lambda p=each: process_of(p), lambda pid: not pid)  # type: ignore[misc]
        assert serves(each)
    assert units_in("failed") == []


def test_one_that_is_killed_or_restarted_is_there_for_the_next_connection(runtime: Runtime, port: int) -> None:
    listen(runtime, port)
    for order in ("", "restart", "stop", "start"):
        with socket.create_connection(("127.0.0.1", port), 60) as sock:
            pid = wait_until(lambda: process_of(port))
            if order:
                runtime.call("gg_host", order, {"names": [f"ggl.core.{instance(port)}"]})
            else:
                runtime.kill(pid)
            if order != "start":
                with suppress(ConnectionError):
                    assert sock.recv(1) == b""
        assert serves(port)
    assert units_in("failed") == []


def test_a_new_process_of_the_host_knows_the_ports_and_closes_what_is_not_wanted(
    runtime: Runtime, port: int, another_port: int
) -> None:
    listen(runtime, port, another_port)
    names = sorted(map(instance, (port, another_port)))
    assert listed(runtime) == names
    runtime.kill(int(shown(unit_of("hostd"), "MainPID")))
    assert listed(runtime) == names
    with socket.create_connection(("127.0.0.1", another_port), 60) as sock:
        wait_until(lambda: process_of(another_port))
        listen(runtime, port)
        # Its process has left in order, and what was connected to it is closed.
        with suppress(ConnectionError):
            assert sock.recv(1) == b""
    assert not is_open(another_port)
    assert str(another_port) not in loaded()
    assert listed(runtime) == [instance(port)]
    assert serves(port)
    assert units_in("failed") == []


def stop_and_start(runtime: Runtime) -> None:
    runtime.down()
    runtime.up()


def restart_the_core(_runtime: Runtime) -> None:
    systemctl("restart", CORE)


def restart_by_the_bus(runtime: Runtime) -> None:
    before = shown(CORE, "InvocationID")
    runtime.call("gg_host", "restart_runtime")
    wait_until(lambda: shown(CORE, "InvocationID") != before and shown(CORE, "ActiveState") == "active")


def command_line(_runtime: Runtime) -> None:
    for word in ("down", "up"):
        subprocess.run(["ggl", word], check=True, capture_output=True)


@pytest.mark.parametrize("again", [stop_and_start, restart_the_core, restart_by_the_bus, command_line])
def test_the_ports_end_with_the_runtime(runtime: Runtime, port: int, another_port: int, again: Any) -> None:
    listen(runtime, port, another_port)
    with socket.create_connection(("127.0.0.1", port), 60):
        wait_until(lambda: process_of(port))
        again(runtime)
    assert not is_open(port)
    assert not is_open(another_port)
    assert loaded() == ""
    assert listed(runtime) == []
    listen(runtime, port)
    assert serves(port)


def test_nothing_of_them_is_left_when_the_runtime_is_down(runtime: Runtime, port: int) -> None:
    listen(runtime, port)
    with socket.create_connection(("127.0.0.1", port), 60):
        wait_until(lambda: process_of(port))
        runtime.down()
        assert not is_open(port)
        assert [*processes()] == []
        assert loaded() == ""
    runtime.up()


def test_a_port_in_use_is_refused_and_leaves_no_trace(runtime: Runtime, port: int, another_port: int) -> None:
    listen(runtime, port)
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                taken.bind((host, another_port))
            except OSError:
                continue  # this machine has no IPv6
            taken.listen()
            done = subprocess.run(
                ["ggl", "bus", "call", "gg_host", "listen", f'{{"daemon": "{DAEMON}", "ports": [{another_port}]}}'],
                capture_output=True,
                text=True,
            )
        assert done.returncode != 0
        assert f"port {another_port} cannot be used" in done.stderr
        # What it says to look at has the reason.
        said = subprocess.run(["journalctl", "-u", socket_of(another_port)], capture_output=True, text=True, check=True)
        assert "Address already in use" in said.stdout
        assert str(another_port) not in loaded()
        assert serves(port)
    assert units_in("failed") == []


def write_addition(port: int, text: str) -> None:
    directory = RUNTIME_UNITS / f"{unit_of(instance(port))}.d"
    directory.mkdir(exist_ok=True)
    (directory / "test.conf").write_text(text)
    systemctl("daemon-reload")


def fail_for_ever(port: int) -> None:
    """Until systemd has given up on it. On a busy machine its starts would be too far apart to be too many."""
    patient = "[Unit]\nStartLimitIntervalSec=600\n"
    write_addition(port, f"{patient}[Service]\nExecStart=\nExecStart=false\n")
    socket.create_connection(("127.0.0.1", port), 60).close()
    wait_until(lambda: shown(socket_of(port), "ActiveState"), lambda state: state == "failed")
    assert not is_open(port)
    write_addition(port, patient)


def test_one_that_fails_for_ever_is_reported_and_its_port_is_opened_again(
    runtime: Runtime, port: int, another_port: int
) -> None:
    listen(runtime, port, another_port)
    fail_for_ever(port)
    reported = wait_until(lambda: runtime.call("gg_recovery", "list")["finished"])
    assert [each["unit"] for each in reported] == [f"ggl.core.{instance(port)}"]
    assert serves(another_port)
    assert listed(runtime) == sorted(map(instance, (port, another_port)))
    assert instance(port) in subprocess.run(["ggl", "status"], capture_output=True, text=True).stdout
    wait_until(lambda: is_open(port))
    assert serves(port)
    assert units_in("failed") == []


def test_one_that_failed_is_opened_when_it_is_asked_for_and_stays_closed_when_it_is_not(
    runtime: Runtime, port: int, another_port: int
) -> None:
    listen(runtime, port, another_port)
    fail_for_ever(port)
    fail_for_ever(another_port)
    listen(runtime, port)
    assert serves(port)
    assert str(another_port) not in loaded()
    assert not [unit for unit in units_in("active", "activating") if str(another_port) in unit]
    assert units_in("failed") == []


def test_systemd_may_execute_itself_anew(runtime: Runtime, port: int) -> None:
    listen(runtime, port)
    systemctl("daemon-reexec")
    assert serves(port)
    assert listed(runtime) == [instance(port)]


@pytest.mark.parametrize("file", ["service", "socket"])
@pytest.mark.usefixtures("runtime")
def test_systemd_accepts_the_templates(file: str, port: int) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", f"ggl.core.{instance(port)}.{file}"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
