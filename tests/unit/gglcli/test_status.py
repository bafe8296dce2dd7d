"""``ggl status``: what is healthy, and what a script sees."""

from __future__ import annotations

import json
import time
from typing import Any

from gglcli import output, status


def test_all_well_is_0(ggl, runtime) -> None:
    result = ggl("status", "--json")
    assert result.code == 0
    status = result.json
    assert status["healthy"] is True
    assert status["runtime"]["state"] == "running"
    assert status["runtime"]["root"] == str(runtime.root.state)
    assert [(daemon["daemon"], daemon["state"]) for daemon in status["daemons"]] == [
        ("configd", "running"),
        ("deploymentd", "idle"),
    ]
    assert [component["component"] for component in status["components"]] == ["com.example.Hello"]


def test_a_broken_component_is_8_and_has_its_reason(ggl, runtime) -> None:
    runtime.break_component()
    result = ggl("status")
    assert result.code == 8
    line = next(line for line in result.out.splitlines() if line.startswith("com.example.Broken"))
    assert line.endswith("RUN_ERROR exit code 3")


def test_a_failed_daemon_is_8(ggl, runtime) -> None:
    runtime.add_unit("ggl.core.healthd", active_state="failed", status_text="exec failed")
    result = ggl("status")
    assert result.code == 8
    assert "exec failed" in result.out


def test_a_runtime_that_is_down_is_a_status_and_3(ggl, root) -> None:
    result = ggl("status", "--json")
    assert result.code == 3
    assert result.json["runtime"] == {"state": "stopped", "root": str(root.state)}
    assert result.err == ""
    assert "stopped" in ggl("status").out


def test_columns_of_a_pipe_can_be_counted(ggl, runtime) -> None:
    runtime.break_component()
    lines = ggl("component", "list").out.splitlines()
    assert "\t" not in "".join(lines)
    # Same order as from the runtime; an empty cell is a dash.
    assert lines[0].split() == ["COMPONENT", "VERSION", "STATE", "PID", "RESTARTS", "SINCE", "REASON"]
    assert lines[1].split()[:6] == [
        "com.example.Hello",
        "1.2.0",
        "RUNNING",
        "4711",
        "0",
        output.age(runtime.components[0]["since"]),
    ]
    assert lines[2].split()[3] == "-"
    assert len({line.index(line.split()[1]) for line in lines}) == 1


def test_global_options_stand_before_or_after_the_command(ggl, runtime, monkeypatch) -> None:
    monkeypatch.setenv("GGL_ROOT", "/nowhere")
    where = str(runtime.root.state)
    same = [
        ggl("--root", where, "--json", "component", "list"),
        ggl("component", "--json", "--root", where, "list"),
        ggl("component", "list", f"--root={where}", "--json"),
    ]
    assert [result.json for result in same] == [runtime.components] * 3


def test_both_ways_to_a_command_give_the_same(ggl, runtime, monkeypatch) -> None:
    def without_uptime(text: str) -> list[str]:
        return [line for line in text.splitlines() if "uptime" not in line]

    quick = [ggl("status"), ggl("status", "--json"), ggl("version", "--json")]
    monkeypatch.setattr("gglcli.__main__.FAST", {})
    parsed = [ggl("status"), ggl("status", "--json"), ggl("version", "--json")]
    assert [(without_uptime(r.out), r.err, r.code) for r in quick] == [
        (without_uptime(r.out), r.err, r.code) for r in parsed
    ]


def test_watching_shows_each_change_once(ggl, runtime, monkeypatch) -> None:
    rounds = iter([None, None, lambda: runtime.break_component(), KeyboardInterrupt])

    def collect() -> dict[str, Any]:
        event = next(rounds)
        if event is KeyboardInterrupt:
            raise event
        if event:
            event()
        return status.collect()

    monkeypatch.setattr("gglcli.watch._statuses", lambda: iter(collect, None))
    result = ggl("status", "--watch", "--json")
    assert result.code == 130
    assert [json.loads(line)["healthy"] for line in result.out.splitlines()] == [True, False]


# -- the cloud -------------------------------------------------------------------------------------------------------

EXPIRES = 4_102_444_800_000
CONNECTED = {
    "configured": True,
    "connected": True,
    "since": 1_795_315_200_000,
    "endpoint": "a1-ats.iot.eu-central-1.amazonaws.com",
    "client_ids": ["Pump7"],
    "thing": "Pump7",
    "certificate_expires": EXPIRES,
    "last_error": "",
    "next_try": 0,
}


def test_a_device_without_a_cloud_shows_nothing_of_one(ggl, runtime) -> None:
    runtime.add_unit("ggl.core.iotcored", active_state="active")  # it has found that there is nothing to do, and leaves
    result = ggl("status", "--json").json
    assert result["cloud"] is None
    assert result["last_deployment"] is None
    names = [line.split()[0] for line in ggl("status").out.splitlines() if line]
    assert not {"cloud", "thing", "endpoint", "certificate", "deployment"} & set(names)


def test_a_connected_device_shows_to_what_and_as_whom(ggl, runtime) -> None:
    runtime.add_unit("ggl.core.iotcored", active_state="active")
    runtime.config = {"system": {"thingName": "Pump7"}}
    runtime.mqtt = dict(CONNECTED)
    runtime.records["last-deployment"] = {"deployment_id": "d-1", "status": "FAILED", "finished": 1_795_315_200_000}
    result = ggl("status", "--json").json
    assert result["cloud"] == {
        "state": "connected",
        "thing": "Pump7",
        "endpoint": "a1-ats.iot.eu-central-1.amazonaws.com",
        "since": 1_795_315_200_000,
        "next_try": 0,
        "last_error": "",
        "certificate_expires": EXPIRES,
    }
    assert result["last_deployment"]["status"] == "FAILED"
    shown = ggl("status").out
    assert "connected, for" in shown
    assert "valid until 2100-01-01" in shown
    assert "FAILED, d-1" in shown


def test_an_offline_device_shows_why_and_is_healthy(ggl, runtime) -> None:
    runtime.add_unit("ggl.core.iotcored", active_state="active")
    runtime.config = {"system": {"thingName": "Pump7"}}
    soon = int((time.time() + 20 * 86400) * 1000)
    runtime.mqtt = {
        **CONNECTED,
        "connected": False,
        "last_error": "no answer",
        "next_try": 1,
        "certificate_expires": soon,
    }
    result = ggl("status")
    assert result.code == 0
    assert "offline, next try in 0.0s, no answer" in result.out
    assert "expires soon, on " in result.out


def test_a_daemon_that_ends_again_and_again_is_said_to(ggl, runtime) -> None:
    runtime.add_unit("ggl.core.iotcored", active_state="activating", sub_state="auto-restart")
    runtime.config = {"system": {"thingName": "Pump7"}}
    assert ggl("status", "--json").json["cloud"]["last_error"] == "iotcored is restarting"
