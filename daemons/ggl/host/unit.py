"""The neutral unit: one thing the host keeps running, whatever the host's service manager is.

A component becomes at most two units, ``ggl.<component>.install`` (runs to its end, once per start of the runtime) and
``ggl.<component>`` (startup or run, shutdown, recover); a core daemon is one, ``ggl.core.<daemon>``. A deployment adds
units for steps that run once, ``ggl.<component>.bootstrap`` and ``ggl.<component>.uninstall``. A ``Unit`` holds policy
only: the process host runs it as it is, another host renders it into its own format.

Units cross the bus and are kept on disk as maps (``to_dict``/``from_dict``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ggl.values import InvalidValue, get_bool, get_dict, get_float, get_int, get_list, get_str, get_str_list

COMPONENT_PREFIX = "ggl."
CORE_PREFIX = "ggl.core."
INSTALL_SUFFIX = ".install"

UNIT_KINDS = ("run", "startup", "oneshot")
RESTART_POLICIES = ("no", "on-failure")

ONCE_PHASES = ("bootstrap", "uninstall")
"""Phases of units that run when a deployment says so, and at no other time."""


LARGEST_LIMIT = 1 << 52
"""Beyond this a limit in kilobytes is no number of bytes any more that a kernel takes."""


def main_unit(component: str) -> str:
    return COMPONENT_PREFIX + component


def install_unit(component: str) -> str:
    return COMPONENT_PREFIX + component + INSTALL_SUFFIX


def step_unit(component: str, step: str) -> str:
    """The unit of a step that runs once; ``step`` is one of ``ONCE_PHASES``."""
    return f"{COMPONENT_PREFIX}{component}.{step}"


@dataclass(frozen=True)
class Limits:
    """What the processes of startup and run may use together; ``None`` is no limit."""

    memory: int | None = None
    """Kilobytes (of 1024 bytes)."""
    cpus: float | None = None
    """Processors: 1.5 is one and a half."""

    def __bool__(self) -> bool:
        return self.memory is not None or self.cpus is not None

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Limits:
        """Raises ``InvalidValue`` for what is no limit; a limit is more than 0."""
        memory, cpus = get_int(data, "memory", None), get_float(data, "cpus", None)
        for name, value in (("memory", memory), ("cpus", cpus)):
            if value is not None and not 0 < value < LARGEST_LIMIT:
                raise InvalidValue(f"'{name}' must be more than 0, not {value}")
        return Limits(memory, cpus)


@dataclass(frozen=True)
class Condition:
    """A step is skipped when its condition is true (recipe ``Skipif``): ``exists PATH`` or ``onpath PROGRAM``."""

    kind: str
    value: str
    negate: bool = False


@dataclass(frozen=True)
class Command:
    """One lifecycle script, resolved: recipe variables are already replaced."""

    script: str
    environment: Mapping[str, str] = field(default_factory=dict)
    privileged: bool = False
    timeout: float | None = None
    """Seconds the step may take; ``None`` is no limit."""
    skip_if: Condition | None = None


@dataclass(frozen=True)
class Start:
    """One way to start a unit. Of several, the first whose command is not skipped is taken.

    ``kind``: ``run`` is up as soon as the process runs, and done when it exits; ``startup`` is up when the script
    exits with 0 or the component says so, and stays up; ``oneshot`` is up when the script exits with 0.
    """

    kind: str
    command: Command


@dataclass(frozen=True)
class Unit:
    """See the module's text. Times are seconds."""

    name: str
    description: str = ""
    component: str = ""
    version: str = ""
    phase: str = ""
    """``main``, ``install`` or one of ``ONCE_PHASES`` for a component's units, empty for a core daemon."""
    start: tuple[Start, ...] = ()
    stop: Command | None = None
    recover: Command | None = None
    requires: tuple[str, ...] = ()
    """Units that must be ready before this one starts, and whose failure or restart restarts this one."""
    install: str = ""
    """The unit that must have succeeded before this one starts."""
    restart: str = "on-failure"
    restart_delay: float = 1.0
    start_limit_burst: int = 3
    start_limit_interval: float = 3600.0
    user: str = ""
    """``user[:group]`` that the scripts run as; empty is the runtime's own user."""
    shell: str = "sh"
    limits: Limits = Limits()
    revision: str = ""
    """Digest of everything in this unit that needs a restart to come into force, artifacts included. Two units of the
    same revision may differ in their description, their shutdown script and their limits."""

    def to_dict(self) -> dict[str, Any]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Unit:
        """Raises ``InvalidValue`` when ``data`` is not a unit."""
        restart = get_str(data, "restart", "on-failure")
        if restart not in RESTART_POLICIES:
            raise InvalidValue(f"'restart' must be one of {', '.join(RESTART_POLICIES)}, not {restart!r}")
        stop, recover = get_dict(data, "stop", None), get_dict(data, "recover", None)
        return Unit(
            name=get_str(data, "name"),
            description=get_str(data, "description", ""),
            component=get_str(data, "component", ""),
            version=get_str(data, "version", ""),
            phase=get_str(data, "phase", ""),
            start=tuple(_start(item) for item in get_list(data, "start", [])),
            stop=None if stop is None else _command(stop),
            recover=None if recover is None else _command(recover),
            requires=tuple(get_str_list(data, "requires", [])),
            install=get_str(data, "install", ""),
            restart=restart,
            restart_delay=get_float(data, "restart_delay", 1.0),
            start_limit_burst=get_int(data, "start_limit_burst", 3),
            start_limit_interval=get_float(data, "start_limit_interval", 3600.0),
            user=get_str(data, "user", ""),
            shell=get_str(data, "shell", "sh"),
            limits=Limits.from_dict(get_dict(data, "limits", {})),
            revision=get_str(data, "revision", ""),
        )


def _start(data: Any) -> Start:
    if not isinstance(data, dict):
        raise InvalidValue("'start' must be a list of maps")
    kind = get_str(data, "kind")
    if kind not in UNIT_KINDS:
        raise InvalidValue(f"'kind' must be one of {', '.join(UNIT_KINDS)}, not {kind!r}")
    return Start(kind=kind, command=_command(get_dict(data, "command")))


def _command(data: Mapping[str, Any]) -> Command:
    skip_if = get_dict(data, "skip_if", None)
    timeout = get_float(data, "timeout", None)
    return Command(
        script=get_str(data, "script"),
        environment={key: get_str({key: value}, key) for key, value in get_dict(data, "environment", {}).items()},
        privileged=get_bool(data, "privileged", False),
        timeout=timeout,
        skip_if=None
        if skip_if is None
        else Condition(get_str(skip_if, "kind"), get_str(skip_if, "value"), get_bool(skip_if, "negate", False)),
    )
