"""What is done on a booted machine, by name: ``python -m tests.system.boots.inside FUNCTION [ARGUMENT, in JSON]...``.

The last line of the output is what came of it, in JSON, and the machine is shut down in order. With ``"cut"`` as the
last argument it says ``now`` instead, and waits for the end.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ggl.paths import SYSTEM
from tests.cloud.processes import bound
from tests.integration.device import NUCLEUS, SLEEP, USER, Device
from tests.system.runtime import CORE, TARGET, SystemdRuntime, processes, systemctl, units_in, wait_until

STOPPED = "Stopped"
SANDBOX_UNIT = "with-systemd-command.service"
"""What all of this runs in."""
ON_ITS_WAY = {"NEW", "INSTALLED", "STARTING", "STOPPING", "ERRORED"}
ORDER = "/var/lib/greengrass/order"


def device() -> Device:
    made = Device(SystemdRuntime(), Path(tempfile.mkdtemp(prefix="recipes-")))
    made.set_config("root", *USER[1:])
    return made


def look() -> dict[str, Any]:
    """How it came up, and nobody asked it for anything yet. Those who look whether there is a cloud have left again."""

    def units() -> set[str]:
        return {unit for _, unit in processes()}

    there = wait_until(units, lambda each: not each & {"ggl.core.iotcored.service", "ggl.core.tesd.service"})
    return {
        "target": systemctl("is-active", TARGET, check=False).strip(),
        "failed": units_in("failed"),
        "units": sorted(there),
    }


def boot_times() -> dict[str, float]:
    """Seconds from the start of PID 1, and from the moment at which services may start."""
    components = [f"ggl.{name}.service" for name in states()]
    words = ["show", "--value", "-p", "ActiveEnterTimestampMonotonic"]
    active, basic, *up = (int(systemctl(*words, unit)) for unit in (TARGET, "basic.target", *components))
    first = int(systemctl("show", "--value", "-p", "UserspaceTimestampMonotonic"))
    return {
        "start of PID 1 to target active": (active - first) / 1e6,
        "basic.target to target active": (active - basic) / 1e6,
        "start of PID 1 to all components RUNNING": (max(up) - first) / 1e6,
    }


def states() -> dict[str, tuple[str, str]]:
    """State and version of every component, once none of them is on its way but one that was stopped."""
    runtime = SystemdRuntime()
    found = wait_until(
        lambda: runtime.call("gg_health", "list"),
        lambda each: not {one["state"] for one in each if one["component"] != STOPPED} & ON_ITS_WAY,
    )
    return {each["component"]: (each["state"], each["version"]) for each in found}


def deploy_a_chain() -> dict[str, Any]:
    """Top needs Middle, which needs Bottom; each notes when it starts. Another one has been stopped."""
    made = device()
    note = f"date +%s%N >> {ORDER}-"
    for name, needs in (("Top", {"Middle": "*"}), ("Middle", {"Bottom": "*"}), ("Bottom", {})):
        # Up only when that is said, a while after the script began.
        start = f"{note}{name}; sleep 0.3; sleep 1000 & exit 0"
        made.recipe(name, str({"startup": start}), depends=needs)
    made.recipe(STOPPED, SLEEP)
    made.recipe("Once", f"{{run: '{note}Once'}}")
    made.succeed({"Top": "1.0.0", STOPPED: "1.0.0", "Once": "1.0.0"})
    made.runtime.call("gg_host", "stop", {"names": [f"ggl.{STOPPED}"]})
    wait_until(lambda: made.state("Once") == "FINISHED")
    return {}


def deploy_sleepers(count: int) -> dict[str, Any]:
    """Components that need nobody."""
    made = device()
    names = [f"com.example.Sleeper{number}" for number in range(count)]
    for name in names:
        made.recipe(name, SLEEP)
    made.succeed(dict.fromkeys(names, "1.0.0"))
    return {}


def begin_an_update(script: str, policy: str) -> dict[str, Any]:
    """From App 1 to App 2, which starts by ``script``; until the deployment waits for that."""
    made = device()
    made.recipe("App", SLEEP, defaults="{a: 1}")
    made.recipe("Other", SLEEP)
    made.succeed({"App": "1.0.0", "Other": "1.0.0"})
    made.recipe("App", str({"startup": {"Script": script, "Timeout": 60}}), "2.0.0", defaults="{a: 2}")
    identifier = made.submit({"App": "2.0.0"}, failure_handling_policy=policy)
    made.reaches(identifier, "wait")
    wait_until(lambda: made.state("App") == "STARTING")
    return {"identifier": identifier}


def deploy_what_says_goodbye() -> dict[str, Any]:
    """A component whose shutdown script asks the databus and a port; no daemon that could answer is there any more."""
    made = device()
    with bound() as held:
        port = held.getsockname()[1]
        made.runtime.call("gg_host", "listen", {"daemon": "tesserverd", "ports": [port]})
    ask = f"c = HTTPConnection('127.0.0.1', {port}); c.request('GET', '/'); print(c.getresponse().status)"
    asks = f"""\
exec > {SYSTEM.state}/goodbye 2>&1
ggl config get /system/rootPath --root {SYSTEM.state}
/opt/ggl/bin/python3 -c "from http.client import HTTPConnection; {ask}"
"""
    made.recipe("App", json.dumps({"run": "exec sleep 1000", "shutdown": asks}))
    made.succeed({"App": "1.0.0"})
    systemctl("stop", *(f"ggl.core.{name}.service" for name in ("configd", "ipcd", "healthd", "deploymentd")))
    return {}


def begin_a_bootstrap(go: str) -> dict[str, Any]:
    """A deployment whose bootstrap goes on until ``go`` is there."""
    made = device()
    made.recipe(
        "App", f"{{bootstrap: 'echo x >> ran; while ! test -e {go}; do sleep 0.05; done', run: 'exec sleep 9'}}"
    )
    made.submit({"App": "1.0.0"})
    wait_until(lambda: made.work("App", "ran"))
    return {}


def restart_by_bootstrap(command: str) -> dict[str, Any]:
    """A bootstrap asks for a restart of the device, which ``command`` (or what the host does by itself) brings."""
    made = device()
    if command:
        made.set_config(command, *NUCLEUS[1:], "rebootCommand")
    made.recipe("App", "{bootstrap: 'echo x >> ran; exit 101', run: 'exec sleep 1000'}")
    made.recipe("Top", "{bootstrap: 'echo x >> ran', run: 'exec sleep 1000'}", depends={"App": "*"})
    made.submit({"Top": "1.0.0"})
    signal.pause()
    return {}


def outcome() -> dict[str, Any]:
    """How the last deployment ends, which goes on by itself."""
    runtime = SystemdRuntime()
    wait_until(lambda: list((runtime.root.state / "deployments").iterdir()), lambda left: not left, 300)
    last: dict[str, Any] = runtime.call("gg_deployment", "list")[-1]
    made = Device(runtime, Path(tempfile.mkdtemp()))
    return {
        "status": last["status"],
        "detailed_status": last["detailed_status"],
        "states": states(),
        "configuration": made.config("App", "configuration"),
        "ran": {name: made.work(name, "ran") for name in ("App", "Top")},
    }


def reach_the_start(component: str) -> dict[str, Any]:
    """Until a deployment from the cloud has come and starts ``component``, which does not get any further; and until
    the cloud knows that it has begun."""
    made = Device(SystemdRuntime(), Path(tempfile.mkdtemp()))
    wait_until(lambda: made.work(component, "starts"), seconds=300)
    wait_until(lambda: made.runtime.call("gg_jobs", "list")[-1]["reported"], lambda state: state == "IN_PROGRESS")
    return {}


def last_job() -> dict[str, Any]:
    """The last one from the cloud, once nothing of it is left to be reported."""
    runtime = SystemdRuntime()

    def last() -> dict[str, Any]:
        found: dict[str, Any] = runtime.call("gg_jobs", "list")[-1]
        return found

    return wait_until(last, lambda job: job["stage"] == "OVER" and not job["pending"], 300)


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    look,
    boot_times,
    states,
    deploy_a_chain,
    deploy_sleepers,
    begin_an_update,
    deploy_what_says_goodbye,
    begin_a_bootstrap,
    restart_by_bootstrap,
    outcome,
    reach_the_start,
    last_job,
)


def power_off() -> None:
    """In order, and this process stays until the runtime is down: the sandbox has ten seconds for what comes then."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    addition = Path(f"/run/systemd/system/{SANDBOX_UNIT}.d/zz.conf")
    addition.parent.mkdir()
    addition.write_text("[Service]\nTimeoutStopSec=600\n")
    systemctl("daemon-reload")
    systemctl("poweroff", "--no-block")
    wait_until(
        lambda: systemctl("is-active", CORE, check=False).strip(),
        lambda state: state not in ("active", "deactivating"),
        600,
    )


def main() -> None:
    name, *rest = sys.argv[1:]
    arguments = [json.loads(each) for each in rest]
    cut = arguments[-1:] == ["cut"]
    (function,) = (each for each in FUNCTIONS if each.__name__ == name)
    result = function(*(arguments[:-1] if cut else arguments))
    print("now" if cut else json.dumps(result), flush=True)
    if cut:
        signal.pause()
    power_off()


if __name__ == "__main__":
    main()
