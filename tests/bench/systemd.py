"""``make bench-systemd``: what the runtime costs on a device with systemd, and how long one waits for it there.

Measured in a sandbox (see ``tests/system/sandbox.sh``), or on this machine when its own PID 1 is systemd; then the
figures of a boot are left out.
"""

from __future__ import annotations

import grp
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from ggl.bus import connect
from ggl.catalog import DAEMONS, HOST_INTERFACE
from ggl.host import client as host
from ggl.paths import SYSTEM
from ggl.privilege import RUNTIME_GROUP
from tests.bench import PATIENCE, realistic
from tests.bench.cloud import LEAVING
from tests.cloud.aws import cloud
from tests.integration.conftest import Runtime
from tests.processes import cost_of
from tests.system.provisioning import write_settings
from tests.system.run import CHECKOUT, SANDBOX, SYSTEMD_IS_PID_1, WHILE_IT_BOOTS, leave_unless_it_can_run
from tests.system.runtime import on_this_device, processes, systemctl

HELLO = CHECKOUT / "docs/examples/hello"
BOOTS, COMPONENTS = 3, 4
ROUNDS = 5
RESTART_DELAY = 1.0
"""Seconds that a component which failed waits before its next try."""
SETTLING_SECONDS = 10.0
AWS = "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE"
CORE, SERVICE = "ggl.core.", ".service"


def main() -> None:
    if sys.argv[1:] == ["here"]:
        _measure()
        return
    leave_unless_it_can_run("bench-systemd")
    sys.stdout.flush()
    python = str(CHECKOUT / ".venv/bin/python")
    options = [] if SYSTEMD_IS_PID_1 else [*WHILE_IT_BOOTS, "--timeout", "7200", "--"]
    here = [python, "-m", "tests.bench.systemd", "here"]
    subprocess.run([CHECKOUT / SANDBOX, *options, *here], cwd=CHECKOUT, check=True)
    if not SYSTEMD_IS_PID_1:
        _boots()


def _measure() -> None:
    print(f"systemd {_systemd_version()}, Python {platform.python_version()}, {os.cpu_count()} cores\n", flush=True)
    with on_this_device() as runtime, tempfile.TemporaryDirectory() as directory:
        starts = []
        for _ in range(ROUNDS):
            runtime.down()
            starts.append(_seconds(runtime.up))
        _memory("process of the idle runtime", _at_rest())
        deployments = _deployments(Path(directory))
        _memory("process right after a deployment", _pss())
        crashes = _crashes()
        _memory("process with one component, a minute later", _at_rest())
        names = realistic.start(SYSTEM)
        before, began = _cpu(), time.monotonic()
        time.sleep(realistic.SETTLING_SECONDS)
        cpu = max(0.0, _cpu() - before) * 60 / (time.monotonic() - began)
        _memory("process under the realistic load", _pss())
        realistic.stop(SYSTEM, names)
        with ExitStack() as stack:
            for interface in (*(daemon.interfaces[0] for daemon in DAEMONS if daemon.interfaces), HOST_INTERFACE):
                stack.enter_context(connect(interface, SYSTEM, PATIENCE)).call("bus.ping")
            _memory("process with every daemon resident", _pss())
        _cloud(runtime, Path(directory) / "aws")
        print("\n| what a user waits for on systemd | seconds |\n|---|---:|")
        print(f"| start of the target, until the databus answers | {statistics.median(starts):.2f} |")
        print(f"| `ggl deploy local` of a changed shell component, to RUNNING | {deployments:.2f} |")
        print(f"| a component is killed, to RUNNING again ({RESTART_DELAY:g} s of it waiting) | {crashes:.2f} |")
        print(f"| processor time of the runtime under the realistic load, a minute | {cpu:.2f} |", flush=True)


def _cloud(runtime: Runtime, folder: Path) -> None:
    """The same device, a thing of the stand-in for AWS from now on."""
    with cloud(folder) as aws:
        os.environ |= write_settings(aws, runtime.root.config, grp.getgrnam(RUNTIME_GROUP).gr_gid)
        systemctl("set-environment", *(f"{name}={value}" for name, value in os.environ.items() if name in AWS))
        runtime.down()
        runtime.up()
        aws.s3.client.create_bucket(Bucket=realistic.BUCKET)
        aws.fleet.wait("NUCLEUS_LAUNCH", seconds=PATIENCE)
        _memory("process of the connected runtime with one component", _without(*LEAVING, "hostd", "ipcd"))
        names = realistic.start(SYSTEM, realistic.CLOUD_ROLES)
        _memory("process under the cloud's realistic load", _without(*LEAVING, "hostd"))
        realistic.stop(SYSTEM, names)
        systemctl("unset-environment", *AWS)


def _systemd_version() -> str:
    done = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _core() -> list[tuple[str, int]]:
    return [(unit[len(CORE) : -len(SERVICE)], pid) for pid, unit in processes() if unit.startswith(CORE)]


def _pss() -> list[tuple[str, int, int]]:
    """Name, PSS and private memory in KiB of each process in the units of the core daemons."""
    rows = []
    for name, pid in _core():
        try:
            cost = cost_of(pid)
        except (OSError, KeyError):
            continue  # it has just ended
        rows.append((name, cost.pss, cost.private))
    return sorted(rows)


def _cpu() -> float:
    total = 0.0
    for _, pid in _core():
        with suppress(OSError, KeyError):  # it has just ended
            total += cost_of(pid).cpu
    return total


def _at_rest() -> list[tuple[str, int, int]]:
    """The same when nobody has left for a while."""
    rows, since = _pss(), time.monotonic()
    while time.monotonic() - since < 65:
        time.sleep(1)
        now = _pss()
        if [name for name, *_ in now] != [name for name, *_ in rows]:
            since = time.monotonic()
        rows = now
    return rows


def _without(*daemons: str) -> list[tuple[str, int, int]]:
    """The same without those that leave by themselves after a minute, and are stopped here."""
    for _ in range(2):  # one that is about to leave may have asked another
        there = [name for name, _ in _core() if name.partition("@")[0] in daemons]
        if there:
            systemctl("stop", *(f"{CORE}{name}{SERVICE}" for name in there), check=False)  # one may have just left
        time.sleep(SETTLING_SECONDS)
    return _pss()


def _memory(title: str, rows: list[tuple[str, int, int]]) -> None:
    print(f"\n| {title} | PSS, KiB | private, KiB |\n|---|---:|---:|")
    for name, pss, private in rows:
        print(f"| {name} | {pss:,} | {private:,} |")
    total = sum(pss for _, pss, _ in rows)
    print(f"| **sum** ({total / 1024:.1f} MB) | **{total:,}** | **{sum(private for _, _, private in rows):,}** |")
    sys.stdout.flush()


def _deployments(directory: Path) -> float:
    project = directory / "hello"
    shutil.copytree(HELLO, project)
    times = []
    for number in range(ROUNDS):
        with (project / "hello.sh").open("a") as script:
            script.write(f"# {number}\n")
        began = time.perf_counter()
        subprocess.run(["ggl", "deploy", "local", project], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _crashes() -> float:
    """Seconds until the component that was just deployed runs again after a kill -9."""
    unit = "ggl.com.example.Hello"
    times = []
    with connect(HOST_INTERFACE, SYSTEM, PATIENCE) as client:
        for _ in range(2):  # the third error in a row would be the last
            before = _running(0)
            host.restart(client, [unit])
            pid = _running(before)
            began = time.perf_counter()
            os.kill(pid, 9)
            _running(pid)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _running(before: int) -> int:
    with connect(HOST_INTERFACE, SYSTEM, PATIENCE) as client:
        for name, status in host.watch(client):
            if name != "ggl.com.example.Hello" or status is None or status.active_state != "active":
                continue
            if status.main_pid not in (0, before):
                return status.main_pid
    raise AssertionError("the host is gone")


def _boots() -> None:
    from tests.system.boots.machine import Machine

    with tempfile.TemporaryDirectory(prefix="ggl-machine-") as directory:
        Path(directory).chmod(0o755)
        machine = Machine(Path(directory))
        machine.boot("deploy_sleepers", COMPONENTS)
        seen = [machine.boot("boot_times") for _ in range(BOOTS)]
    print(f"\n| boot of a device with {COMPONENTS} components | seconds |\n|---|---:|")
    for name in seen[0]:
        print(f"| {name} | {statistics.median(each[name] for each in seen):.2f} |")


if __name__ == "__main__":
    main()
