"""A device with OpenRC: the runtime is a service, every component is one, and what OpenRC says of them is true.

The machine is that of ``tests/system/openrc.sh``, booted for each test. Where it cannot be had, nothing of this runs.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.run import CHECKOUT
from tests.system.runtime import wait_until

PROGRAM = str(CHECKOUT / "tests/system/openrc.sh")
CAN = subprocess.run([PROGRAM, "--can"], capture_output=True, text=True)
pytestmark = pytest.mark.skipif(CAN.returncode != 0, reason=CAN.stderr.strip())
HELLO = "com.example.Hello"
HOSTILE = 'it\'s "$(touch /tmp/pwned)" `touch /tmp/pwned`;\\n}\\n touch /tmp/pwned #'


class Machine:
    """One that has booted, and stays up until ``end``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "sh", "-c", "echo booted; while :; do sleep 1000; done"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert any(line == "booted\n" for line in self._process.stdout), "OpenRC has not booted"
        own = self._process.pid
        self._first = Path(f"/proc/{own}/task/{own}/children").read_text().split()[0]
        self.root = Path(f"/proc/{self._first}/root")

    def end(self) -> None:
        os.kill(int(self._first), signal.SIGKILL)  # everything in its namespace ends with it
        self._process.wait()

    def run(self, *words: str, check: bool = True) -> str:
        """What a command prints, on both outputs."""
        enter = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--root", "--wd=/"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        done = subprocess.run(
            [*enter, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run("ggl", "--json", *words))

    def deploy(self, name: str, lifecycle: str, description: str = "", check: bool = True) -> str:
        recipe = self.root / f"tmp/recipes/{name}-1.0.0.yaml"
        recipe.parent.mkdir(exist_ok=True)
        recipe.write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {name}\nComponentVersion: 1.0.0\n"
            f"ComponentDescription: {json.dumps(description)}\n"
            f"Manifests:\n  - Platform: {{os: linux}}\n    Lifecycle: {lifecycle}\n"
        )
        return self.run("ggl", "deploy", "local", str(recipe).removeprefix(str(self.root)), check=check)

    def state(self, component: str) -> str:
        """Empty when the runtime does not answer, or knows no such component."""
        said = self.run("ggl", "--json", "component", "list", check=False)
        try:
            return str({each["component"]: each["state"] for each in json.loads(said)}.get(component, ""))
        except (ValueError, TypeError):
            return ""

    def shown(self, service: str) -> str:
        """How ``rc-status`` shows a service; empty when it does not."""
        lines = [line for line in self.run("rc-status", "--all").splitlines() if line.split()[:1] == [service]]
        return lines[0].partition("[")[2].split()[0] if lines else ""

    def pid(self) -> int:
        """0 when it does not run."""
        try:
            return int(json.loads(self.run("ggl", "--json", "status", check=False))["runtime"]["pid"] or 0)
        except (ValueError, TypeError, KeyError):
            return 0


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    try:
        machine.run("ggl", "install")
        yield machine
    finally:
        machine.end()


def test_the_runtime_and_its_components_are_services(machine: Machine) -> None:
    assert machine.shown("greengrass-lite") == "started"
    machine.deploy(HELLO, "{run: 'id -un; exec sleep 1000'}", HOSTILE)
    assert not (machine.root / "tmp/pwned").exists()
    assert machine.shown(f"ggl.{HELLO}") == "started"
    wait_until(lambda: "ggc_user" in machine.run("rc-service", f"ggl.{HELLO}", "logs", check=False))
    machine.run("rc-service", f"ggl.{HELLO}", "describe")
    machine.run("rc-service", f"ggl.{HELLO}", "stop")
    assert "stopped" in machine.run("rc-service", f"ggl.{HELLO}", "status", check=False)
    assert machine.json("component", "show", HELLO)["pid"] == 0
    machine.run("rc-service", f"ggl.{HELLO}", "start")
    assert machine.state(HELLO) == "RUNNING"
    before = machine.json("component", "show", HELLO)["pid"]
    machine.run("rc-service", f"ggl.{HELLO}", "restart")
    assert machine.json("component", "show", HELLO)["pid"] not in (0, before)
    # The other way round.
    machine.run("ggl", "component", "stop", HELLO)
    wait_until(lambda: machine.shown(f"ggl.{HELLO}"), lambda shown: shown == "stopped")
    machine.run("ggl", "component", "start", HELLO)
    wait_until(lambda: machine.shown(f"ggl.{HELLO}"), lambda shown: shown == "started")
    machine.run("ggl", "component", "remove", HELLO)
    assert not (machine.root / f"etc/init.d/ggl.{HELLO}").exists()
    assert machine.shown(f"ggl.{HELLO}") == ""
    assert not (machine.root / "tmp/pwned").exists()


def test_a_component_that_was_given_up_has_failed(machine: Machine) -> None:
    machine.deploy("com.example.Bad", "{startup: 'exit 3'}", check=False)
    assert machine.state("com.example.Bad") == "BROKEN"
    assert machine.shown("ggl.com.example.Bad") == "failed"


def test_a_supervisor_that_was_killed_is_started_again_with_what_was_running(machine: Machine) -> None:
    machine.deploy(HELLO, "{run: 'exec sleep 1000'}")
    before = machine.pid()
    assert before
    machine.run("kill", "-9", str(before))
    wait_until(machine.pid, lambda pid: pid not in (0, before))
    wait_until(lambda: re.search(r"^runtime +running", machine.run("ggl", "status", check=False), re.MULTILINE))
    wait_until(lambda: machine.state(HELLO), lambda state: state == "RUNNING")
    assert machine.shown(f"ggl.{HELLO}") == "started"
    assert machine.shown("greengrass-lite") == "started"


def test_a_runtime_that_openrc_has_lost_sight_of_is_stopped_and_started_in_order(machine: Machine) -> None:
    machine.deploy(HELLO, "{run: 'exec sleep 1000'}")
    before = machine.pid()
    machine.run("pkill", "-9", "-x", "supervise-daemo")
    machine.run("rc-service", "greengrass-lite", "restart")
    assert machine.pid() not in (0, before)
    wait_until(lambda: machine.state(HELLO), lambda state: state == "RUNNING")
    # The machine's own, and the component, which a moment before was the shell that becomes it.
    wait_until(lambda: machine.run("pgrep", "-c", "-x", "sleep").strip(), lambda count: count == "2")


def test_what_was_wanted_comes_up_again_after_a_restart_and_after_runlevels(machine: Machine) -> None:
    machine.deploy(HELLO, "{run: 'exec sleep 1000'}")
    machine.deploy("com.example.Off", "{run: 'exec sleep 1000'}")
    machine.run("rc-service", "ggl.com.example.Off", "stop")

    def as_before() -> bool:
        if machine.state(HELLO) != "RUNNING" or machine.shown(f"ggl.{HELLO}") != "started":
            return False
        return bool(machine.json("component", "show", "com.example.Off")["pid"] == 0)

    machine.run("rc-service", "greengrass-lite", "restart")
    wait_until(as_before)
    machine.run("openrc", "shutdown")
    assert machine.shown("greengrass-lite") == "stopped"
    assert machine.run("pgrep", "-c", "-x", "sleep").strip() == "1"  # the machine's own
    machine.run("openrc", "default")
    wait_until(as_before)
    machine.run("openrc", "default")  # a runlevel entered once more stops nobody
    assert as_before()


def test_ggl_up_and_down_go_by_openrc(machine: Machine) -> None:
    machine.deploy(HELLO, "{run: 'exec sleep 1000'}")
    assert "runtime stopped" in machine.run("ggl", "down")
    assert machine.shown("greengrass-lite") == "stopped"
    machine.run("ggl", "down")
    assert "runtime started" in machine.run("ggl", "up", "--wait")
    assert machine.shown("greengrass-lite") == "started"
    assert machine.state(HELLO) == "RUNNING"
    assert "nobody does that in the foreground" in machine.run("ggl", "up", "--foreground", check=False)


def test_an_installation_is_done_once_and_leaves_nothing(machine: Machine) -> None:
    assert machine.json("install") == {"changed": False, "dry_run": False, "actions": []}
    machine.deploy(HELLO, "{run: 'exec sleep 1000'}")
    machine.run("ggl", "uninstall", "--purge", "--yes")
    assert list((machine.root / "etc/init.d").glob("g*")) == []
    for path in ("var/lib/greengrass", "etc/greengrass", "run/greengrass", "etc/runlevels/default/greengrass-lite"):
        assert not (machine.root / path).exists()
    assert "ggc_user" not in (machine.root / "etc/passwd").read_text()
    assert "ggl" not in machine.run("rc-status", "--all")
