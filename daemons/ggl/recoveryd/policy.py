"""What the configuration says about recovery, checked key by key. Pure.

It is ``recovery`` in the configuration of the nucleus; docs/recovery.md describes it. A key that is unknown or has a
wrong value is reported and counts as absent, so that a slip costs one setting and never the recovery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ggl.values import describe

NONE = "none"
RESTART = "restart"
REINSTALL = "reinstall"
ROLLBACK = "rollback"
STOP = "stop"
SCRIPT = "script"
RESPONSES = (NONE, RESTART, REINSTALL, ROLLBACK, STOP, SCRIPT)

LONGEST_INTERVAL = 7 * 86400.0
"""Seconds; recoveries are remembered at least so long, lest a limit forgets."""
_LONGEST_TIMEOUT = 86400.0
_MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class Response:
    """What a component's failure is answered with. Times are seconds."""

    kind: str = NONE
    script: str = ""
    attempts: int = 3
    """So often within ``interval``, over all recoveries of the component."""
    interval: float = 3600.0
    delay: float = 10.0
    """Before an attempt that follows another."""
    timeout: float = 300.0
    """For the script; and for the component to be up afterwards."""
    escalate: bool = True
    """Whether the ladder goes on with generation and hooks."""


@dataclass(frozen=True)
class Generation:
    """Whether the device goes back to its previous generation. Times are seconds."""

    enabled: bool = False
    within: float | None = None
    """Only so long after the current generation was made; ``None``: always."""
    components: tuple[str, ...] | None = None
    """Only for these; ``None``: for every one."""
    core: bool = False
    """Also for core daemons."""
    timeout: float = 1800.0
    """For a deployment: the rollback, or one that was under way before."""


@dataclass(frozen=True)
class Hooks:
    """How hook scripts are run. Times are seconds."""

    timeout: float = 300.0
    """For each."""
    attempts: int = 3
    """Recoveries of one component, or core daemon, within ``interval`` that may run hooks."""
    interval: float = 3600.0


@dataclass(frozen=True)
class Policy:
    """Everything that is configured. ``settle``: seconds that a component must stay up to count as recovered."""

    default: Response = Response()
    components: Mapping[str, Response] = field(default_factory=dict)
    generation: Generation = Generation()
    hooks: Hooks = Hooks()
    settle: float = 15.0

    def response(self, component: str) -> Response:
        return self.components.get(component, self.default)


def parse(data: Any) -> tuple[Policy, list[str]]:
    """The policy in ``data`` (``None``: nothing is configured), and what is wrong with it, a sentence each."""
    problems: list[str] = []
    top = _Section("recovery", data, problems)
    default = _response(top.section("default", shorthand="response"), Response())
    named = top.section("components")
    components = {str(name): _response(named.section(name, shorthand="response"), default) for name in list(named.data)}
    hooks, unset = top.section("hooks"), Hooks()
    policy = Policy(
        default=default,
        components=components,
        generation=_generation(top.section("generation", shorthand="enabled")),
        hooks=Hooks(
            timeout=hooks.seconds("timeout", unset.timeout, _LONGEST_TIMEOUT, low=1.0),
            attempts=hooks.count("attempts", unset.attempts),
            interval=hooks.seconds("interval", unset.interval, LONGEST_INTERVAL),
        ),
        settle=top.seconds("settle", Policy.settle, _LONGEST_TIMEOUT),
    )
    for section in (hooks, named, top):
        section.report_unknown()
    return policy, problems


def _response(section: _Section, inherited: Response) -> Response:
    kind = section.choice("response", inherited.kind, RESPONSES)
    if "response" not in section.data and "script" in section.data:
        kind = SCRIPT
    script = section.text("script", inherited.script)
    if kind == SCRIPT and not script:
        section.problem("response", f"is '{SCRIPT}', but there is no 'script'")
        kind = NONE
    # Going back again and again, or installing anew, is seldom what helps when it did not the first time.
    attempts = 1 if kind in (ROLLBACK, REINSTALL) and kind != inherited.kind else inherited.attempts
    response = replace(
        inherited,
        kind=kind,
        script=script,
        attempts=section.count("attempts", attempts),
        interval=section.seconds("interval", inherited.interval, LONGEST_INTERVAL),
        delay=section.seconds("delay", inherited.delay, _LONGEST_TIMEOUT),
        timeout=section.seconds("timeout", inherited.timeout, _LONGEST_TIMEOUT, low=1.0),
        escalate=section.flag("escalate", inherited.escalate),
    )
    section.report_unknown()
    return response


def _generation(section: _Section) -> Generation:
    unset = Generation()
    wanted = section.take("components")
    components = unset.components
    if isinstance(wanted, list) and all(isinstance(name, str) for name in wanted):
        components = tuple(wanted)
    elif wanted is not None:
        # Not for every component, then: who meant to limit it must not get more than was meant.
        section.problem("components", f"must be a list of component names, not {describe(wanted)}; it means none")
        components = ()
    within = section.seconds("within", -1.0, float("inf"))
    # A map that says more about it asks for it; '{"enabled": false}' does not.
    generation = Generation(
        enabled=section.flag("enabled", bool(section.data)),
        within=None if within < 0 else within,
        components=components,
        core=section.flag("core", unset.core),
        timeout=section.seconds("timeout", unset.timeout, _LONGEST_TIMEOUT, low=1.0),
    )
    section.report_unknown()
    return generation


class _Section:
    """One map of the configuration. What is asked for is known; what is wrong goes to ``problems``."""

    def __init__(self, path: str, data: Any, problems: list[str]) -> None:
        self._path = path
        self._problems = problems
        self._known: set[str] = set()
        self.data: dict[str, Any] = data if isinstance(data, dict) else {}
        if data is not None and not isinstance(data, dict):
            problems.append(f"{path} must be a map, not {describe(data)}")

    def problem(self, key: str, text: str) -> None:
        self._problems.append(f"{self._path}.{key} {text}")

    def take(self, key: str) -> Any:
        self._known.add(key)
        return self.data.get(key)

    def section(self, key: str, shorthand: str = "") -> _Section:
        """The map below ``key``. Where a value stands for a map with one key, that is ``shorthand``."""
        value = self.take(key)
        if shorthand and value is not None and not isinstance(value, dict):
            value = {shorthand: value}
        return _Section(f"{self._path}.{key}", value, self._problems)

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, str) and value.lower() in choices:
            return value.lower()
        self.problem(key, f"must be one of {', '.join(choices)}, not {_show(value)}")
        return default

    def text(self, key: str, default: str) -> str:
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value or default
        self.problem(key, f"must be a string, not {describe(value)}")
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.problem(key, f"must be true or false, not {describe(value)}")
        return default

    def seconds(self, key: str, default: float, high: float, low: float = 0.0) -> float:
        value = self.take(key)
        number = _number(value)
        if value is None:
            return default
        if number is None or not low <= number <= high:
            most = f" up to {high:g}" if high < float("inf") else ""
            self.problem(key, f"must be a number of seconds from {low:g}{most}, not {_show(value)}")
            return default
        return number

    def count(self, key: str, default: int) -> int:
        value = self.take(key)
        number = _number(value)
        if value is None:
            return default
        if number is None or number != int(number) or not 0 <= number <= _MOST_ATTEMPTS:
            self.problem(key, f"must be a whole number from 0 up to {_MOST_ATTEMPTS}, not {_show(value)}")
            return default
        return int(number)

    def report_unknown(self) -> None:
        for key in self.data:
            if key not in self._known:
                self.problem(key, f"is unknown and does nothing (there are {', '.join(sorted(self._known))})")


def _number(value: Any) -> float | None:
    """A finite number, also one written as a string of digits, as everywhere in the configuration."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if abs(number) < float("inf") else None


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else describe(value)
