"""The component lifecycle as a function of what the host says about a component's two units.

The states are those of the Greengrass IPC model. Nothing is remembered between calls: the same statuses always give the
same health, so a restarted healthd, or one fed from another service manager, names the same things. Retrying, and
giving up after three consecutive failures within an hour, is the host's work; here "will be tried again" reads ERRORED
and "given up" reads BROKEN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ggl.host.status import UnitStatus

NEW = "NEW"
INSTALLED = "INSTALLED"
STARTING = "STARTING"
RUNNING = "RUNNING"
STOPPING = "STOPPING"
FINISHED = "FINISHED"
ERRORED = "ERRORED"
BROKEN = "BROKEN"
UNINSTALLED = "UNINSTALLED"

STATES = (NEW, INSTALLED, STARTING, RUNNING, STOPPING, FINISHED, ERRORED, BROKEN)

NO_CODE = "NONE"

REPORTABLE = (RUNNING, ERRORED)
"""What a component may say about itself over IPC."""

_ALLOWED_REPORTS = {
    NEW: (ERRORED,),
    STARTING: (RUNNING, ERRORED),
    RUNNING: (ERRORED,),
    STOPPING: (ERRORED,),
}

PHASES = ("main", "install")
"""Phases of the units that make a component's state; those of other units are steps of a deployment."""

_STEPS = {"start": "startup", "run": "run", "stop": "shutdown"}
_SUFFIXES = {"timeout": "TIMEOUT", "exec-failed": "IO_ERROR"}


@dataclass(frozen=True)
class Health:
    """What is known about one component. ``since`` is milliseconds since the epoch."""

    component: str
    version: str
    state: str
    status_code: str = NO_CODE
    reason: str = ""
    since: int = 0
    restarts: int = 0
    pid: int = 0
    paused: bool = False
    """Its processes are frozen; it is RUNNING all the same."""
    revision: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def is_report_allowed(state: str, report: str) -> bool:
    """Whether a component in ``state`` may report ``report``; any other report is to be ignored."""
    return report in _ALLOWED_REPORTS.get(state, ())


def component_health(main: UnitStatus | None, install: UnitStatus | None) -> Health:
    """The health that follows from the main unit and the install unit; at least one of them must be given."""
    if main is not None and install is not None and main.install != install.name:
        install = None  # an older version's, which stays until the end of the deployment
    unit = main or install
    if unit is None:
        raise ValueError("a component has at least one unit")
    if main is not None and _is_up(main):
        state, told_by = _main_state(main), main
    elif install is not None and not _is_installed(install):
        state, told_by = _install_state(install), install
    elif main is not None:
        state, told_by = _main_state(main), main
    else:
        state, told_by = FINISHED, unit
    code, reason = NO_CODE, ""
    if state in (ERRORED, BROKEN):
        code, reason = _status_code(told_by), _reason(told_by, gave_up=state == BROKEN)
    elif state in (NEW, INSTALLED, STARTING):
        reason = told_by.status_text  # what it waits for
    return Health(
        component=unit.component,
        version=unit.version,
        state=state,
        status_code=code,
        reason=reason,
        since=told_by.since,
        restarts=(main.restarts if main else 0) + (install.restarts if install else 0),
        pid=(main.main_pid if main else 0) or (install.main_pid if install else 0),
        paused=main is not None and main.paused,
        revision=unit.revision,
    )


def _is_up(main: UnitStatus) -> bool:
    """A main unit that has a process is what matters, even while the install step runs anew."""
    if main.active_state in ("active", "deactivating"):
        return True
    return main.active_state == "activating" and main.sub_state == "start"


def _is_installed(install: UnitStatus) -> bool:
    if not install.has_start or install.active_state == "active":
        return True
    done = install.active_state == "inactive" and install.sub_state != "waiting" and install.started
    return done and install.result == "success"


def _install_state(install: UnitStatus) -> str:
    if install.active_state == "failed":
        return BROKEN
    if install.sub_state in ("auto-restart", "recover"):
        return ERRORED
    if install.active_state == "inactive" and install.started and install.result != "success":
        return ERRORED
    return NEW


def _main_state(main: UnitStatus) -> str:
    if main.active_state == "failed":
        return BROKEN
    if main.active_state == "active":
        return RUNNING if main.has_start else FINISHED
    if main.active_state == "deactivating":
        return ERRORED if main.sub_state == "recover" else STOPPING
    if main.sub_state == "waiting" or (main.active_state == "inactive" and not main.started):
        return INSTALLED
    if main.active_state == "activating":
        return ERRORED if main.sub_state == "auto-restart" else STARTING
    # A unit stopped on purpose has finished, however its shutdown script fared.
    return FINISHED if main.result == "success" or not main.wanted or main.stage == "stop" else ERRORED


def _status_code(unit: UnitStatus) -> str:
    return f"{_step(unit).upper()}_{_SUFFIXES.get(unit.result, 'ERROR')}"


def _step(unit: UnitStatus) -> str:
    """The step that failed: the script that did, or the one that stands for the state the component was in."""
    if unit.phase == "install":
        return "install"
    if unit.kind in ("startup", "run") and unit.stage != "stop" and unit.result != "notified-error":
        return unit.kind
    return _STEPS.get(unit.stage, "run")


def _reason(unit: UnitStatus, *, gave_up: bool) -> str:
    step = _step(unit)
    if unit.result == "exit-code":
        what = f"the {step} script exited with code {unit.exit_status}"
    elif unit.result == "signal":
        what = f"the {step} script was ended by {_signal_name(unit.exit_status)}"
    elif unit.result == "timeout":
        what = f"the {step} script {unit.status_text or 'did not finish in time'}"
    elif unit.result == "exec-failed":
        what = f"the {step} script could not be launched"
    elif unit.result == "notified-error":
        what = "the component reported that it is in error"
    else:
        what = f"the {step} script failed"
    plain = unit.result not in ("exec-failed", "start-limit-hit", "signal") or unit.status_text.startswith("killed by")
    if unit.status_text and not plain:
        what += f" ({unit.status_text})"
    return what + ("; given up after repeated failures" if gave_up else "")


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
