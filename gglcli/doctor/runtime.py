"""The runtime: is it up, which of its daemons and components are not well, and the services that it consists of."""

from __future__ import annotations

from collections.abc import Iterator

from ggl.host.detect import SYSTEMD_TARGET
from gglcli.client import command, forbidden, start_hint
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning
from gglcli.status import CORE_PREFIX, daemon_state, reason_text, recovering

UNITS = ("ggl.*", SYSTEMD_TARGET)
SECONDS = 20.0
"""For the service manager to answer."""


def runtime(device: Device) -> Iterator[Finding]:
    if device.forbidden:
        problem = forbidden()
        yield failure("runtime", problem.message, problem.hint)
    elif device.running:
        yield ok("runtime", f"it is up, at {device.root.state} ({device.host} host)")
    else:
        yield failure("runtime", f"{device.down}, at {device.root.state}", start_hint())


def daemons(device: Device) -> Iterator[Finding]:
    if not device.running:
        yield skipped("daemons", device.down)
        return
    core = [unit for unit in device.units if str(unit["name"]).startswith(CORE_PREFIX)]
    well = True
    for unit in core:
        name, state = str(unit["name"]).removeprefix(CORE_PREFIX), daemon_state(unit)
        reason = str(unit.get("status_text") or unit.get("result") or "")
        if state == "failed":
            yield failure("daemon", f"{name} has failed: {reason}", f"{command(f'logs {name}')}; it was given up")
        elif state == "restarting":
            yield warning("daemon", f"{name} ends again and again: {reason}", command(f"logs {name}"))
        else:
            continue
        well = False
    if well:
        up = sum(daemon_state(unit) == "running" for unit in core)
        yield ok("daemons", f"{up} of {len(core)} run, the others start when they are needed")
    if names := recovering():
        yield warning("recovery", f"under way: {', '.join(names)}", command("recovery list"))


def components(device: Device) -> Iterator[Finding]:
    if not device.running:
        yield skipped("components", device.down)
        return
    well = True
    for component in sorted(device.components, key=lambda each: str(each["component"])):
        name, state = component["component"], component.get("state", "")
        if state not in ("BROKEN", "ERRORED"):
            continue
        well = False
        reason = reason_text({"status_code": "NONE", "reason": "", **component})
        detail = f"{name} is {state}" + (f": {reason}" if reason else "")
        if state == "BROKEN":
            yield failure(
                "component", detail, f"{command(f'logs {name}')}, then {command(f'component restart {name}')}"
            )
        else:
            yield warning("component", detail, command(f"logs {name}"))
    if well:
        yield ok(
            "components", f"{len(device.components)} deployed, none BROKEN" if device.components else "none deployed"
        )


def units(device: Device) -> Iterator[Finding]:
    if device.host != "systemd":
        supervisor = "OpenRC" if device.host == "openrc" else "its own supervisor"
        yield skipped("units", f"the runtime is run by {supervisor}")
        return
    enabled = _systemctl("is-enabled", SYSTEMD_TARGET).strip()
    if enabled in ("enabled", "enabled-runtime", "static", "linked"):
        yield ok("start at boot", f"{SYSTEMD_TARGET} is {enabled}")
    else:
        detail = f"{SYSTEMD_TARGET} is {enabled or 'not installed'}"
        yield warning("start at boot", detail, f"systemctl enable {SYSTEMD_TARGET}, or ggl install")
    listed = _systemctl("list-units", "--all", "--plain", "--no-legend", "--state=failed", *UNITS)
    failed = [line.split()[0] for line in listed.splitlines() if line.strip()]
    for name in failed:
        yield failure("unit", f"{name} has failed", f"systemctl status {name}; journalctl -u {name}")
    outdated = _systemctl("show", "--property=Id,NeedDaemonReload", *UNITS)
    if "NeedDaemonReload=yes" in outdated:
        yield warning("units", "unit files have changed since systemd read them", "systemctl daemon-reload")
    elif not failed:
        yield ok("units", "none has failed")


def _systemctl(*arguments: str) -> str:
    """What ``systemctl`` prints, whatever its exit status is."""
    import subprocess

    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, errors="replace", timeout=SECONDS)
    return done.stdout
