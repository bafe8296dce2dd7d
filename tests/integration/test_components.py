"""The main job: the unmodified example components, deployed with the command line, talking through the official SDK
while processes are killed under them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError
from tests.integration.conftest import ON_SYSTEMD, Runtime, wait_until

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
PUBLISHER, SUBSCRIBER = "com.example.Publisher", "com.example.Subscriber"
GGL = str(Path(sys.executable).with_name("ggl"))


def ggl(runtime: Runtime, *arguments: str) -> str:
    """Run the command line as a user would; it must succeed."""
    done = subprocess.run([GGL, "--root", str(runtime.root.state), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def received(runtime: Runtime) -> list[int]:
    """The numbers of the readings that the subscriber has printed, in order."""
    return [int(number) for number in re.findall(r"received on .*'number': (\d+)", runtime.whole_log(SUBSCRIBER))]


def states(runtime: Runtime) -> dict[str, str]:
    try:
        return {item["component"]: item["state"] for item in runtime.call("gg_health", "list")}
    except BusError:
        return {}


def messages_flow(runtime: Runtime) -> None:
    """Both components are up and three readings more arrive."""
    wait_until(lambda: states(runtime), lambda found: found == {PUBLISHER: "RUNNING", SUBSCRIBER: "RUNNING"}, 180)
    before = len(received(runtime))
    wait_until(lambda: len(received(runtime)), lambda count: count >= before + 3, 180)


@pytest.fixture
def deployed(runtime: Runtime) -> Runtime:
    ggl(runtime, "deploy", "local", str(EXAMPLES / "publisher"), str(EXAMPLES / "subscriber"))
    messages_flow(runtime)
    return runtime


def test_messages_configuration_and_states_arrive(deployed: Runtime) -> None:
    numbers = received(deployed)
    assert numbers == sorted(numbers)

    # A change made with the command line reaches the running component, which follows it without a restart.
    pid = deployed.unit(f"ggl.{PUBLISHER}")["main_pid"]
    ggl(deployed, "config", "set", f"{PUBLISHER}/seconds", "0.05")
    wait_until(lambda: deployed.whole_log(PUBLISHER), lambda log: "configuration changed at seconds" in log)
    before = len(received(deployed))
    wait_until(lambda: len(received(deployed)), lambda count: count >= before + 20)
    assert deployed.unit(f"ggl.{PUBLISHER}")["main_pid"] == pid

    # What the component writes into its configuration is there for the command line.
    written = wait_until(lambda: ggl(deployed, "--json", "config", "get", PUBLISHER), lambda text: "published" in text)
    assert json.loads(written)["published"] % 10 == 0

    # The subscriber's startup script never ends: it is RUNNING because it said so itself.
    status = deployed.unit(f"ggl.{SUBSCRIBER}")
    assert (status["active_state"], status["sub_state"]) == ("active", "running")


class Writer:
    """Writes numbers into the configuration as fast as they are acknowledged, whatever happens to the daemons."""

    KEY = ("services", "com.example.Storm", "configuration", "number")

    def __init__(self, runtime: Runtime) -> None:
        self.acknowledged = 0
        self._runtime = runtime
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Reading gives at least what was acknowledged before."""
        floor = self.acknowledged
        assert wait_until(self._read, lambda number: number is not None) >= floor

    def _read(self) -> Any:
        try:
            return self._runtime.call("gg_config", "read", {"key_path": list(self.KEY)})
        except BusError:
            return None

    def _run(self) -> None:
        number = 0
        while not self._ended.is_set():
            try:
                with self._runtime.client("gg_config") as client:
                    while not self._ended.is_set():
                        number += 1
                        client.call("write", {"key_path": list(self.KEY), "value": number})
                        self.acknowledged = number
                        time.sleep(0.001)
            except BusError:
                time.sleep(0.02)


def test_any_daemon_may_be_killed_while_messages_flow(deployed: Runtime) -> None:
    ggl(deployed, "config", "set", f"{PUBLISHER}/seconds", "0.05")
    with Writer(deployed) as writer:
        wait_until(lambda: writer.acknowledged)
        for daemon in ("configd", "healthd", "pubsubd", "ipcd", "deploymentd"):
            with ExitStack() as stack:
                if daemon == "deploymentd":  # it stays as long as somebody is connected
                    stack.enter_context(deployed.client("gg_deployment")).call("list")
                pid = deployed.pid_of(daemon)
                assert pid, f"{daemon} is not running"
                deployed.kill(pid)
            messages_flow(deployed)
            # What the components lost by this does not add up with what the next one costs them.
            deployed.call("gg_host", "reset", {"names": [f"ggl.{PUBLISHER}", f"ggl.{SUBSCRIBER}"]})
            writer.check()
            now = deployed.pid_of(daemon)
            assert now != pid
            assert now or daemon == "deploymentd", "it may have left already, when all was done"

        if not ON_SYSTEMD:
            deployed.kill(wait_until(lambda: deployed.call("gg_host", "info")["log_writer_pid"]))
            messages_flow(deployed)

        deployed.kill(deployed.call("gg_host", "info")["pid"])
        deployed.up()
        messages_flow(deployed)
        writer.check()

    assert deployed.call("gg_config", "read", {"key_path": list(Writer.KEY)}) >= writer.acknowledged
    main_pids = {deployed.unit(f"ggl.{name}")["main_pid"] for name in (PUBLISHER, SUBSCRIBER)}
    programs = {pid for pid in deployed.processes() if last_word(pid).endswith(b".py")}
    # On systemd a shell waits for the end of a startup script, so that the script's process is a child.
    assert {pid if pid in main_pids else parent(pid) for pid in programs} == main_pids
    assert len(programs) == len(main_pids), "an orphaned component runs beside the new one"


def last_word(pid: int) -> bytes:
    """Of its command line; empty if it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2]
    except OSError:
        return b""


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
