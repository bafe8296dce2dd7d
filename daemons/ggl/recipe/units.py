"""A component as neutral units: what a host needs to install it, start it and keep it running.

The main unit, ``ggl.<component>``, holds startup and run, shutdown and recover. An install step makes a second unit,
``ggl.<component>.install``, that must have succeeded before the main one starts. bootstrap and uninstall belong to a
deployment, not to a component's life: ``once_unit`` turns such a step into a unit that runs when it is told to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ggl.host.unit import CORE_PREFIX, Command, Condition, Limits, Start, Unit, install_unit, main_unit, step_unit
from ggl.paths import Root
from ggl.recipe.lifecycle import Lifecycle, Step
from ggl.recipe.model import BUILT_IN, GENERIC, Problem, Recipe, RecipeError

RESTART_DELAY = 1.0
FAILURES_UNTIL_BROKEN = 3

NO_LIMITS = Limits()
_NOTHING: Mapping[str, str] = {}


def component_units(
    recipe: Recipe,
    lifecycle: Lifecycle,
    *,
    root: Root,
    user: str = "",
    shell: str = "sh",
    content: str = "",
    limits: Limits = NO_LIMITS,
) -> tuple[Unit, ...]:
    """The units of a component: the main one first, the install unit after it when there is an install step.

    ``lifecycle``: the selected one with its variables replaced. ``user``: ``user[:group]`` of unprivileged steps, empty
    for the runtime's own. ``limits``: what startup and run may use. ``content``: digest of the component's artifacts;
    with it ``Unit.revision`` tells whether anything changed that needs a restart, or for the install unit, a new
    installation.
    Raises ``RecipeError`` for a component that cannot run here at all.
    """
    _check_runnable(recipe)
    steps = {name: command(step, root=root) for name, step in lifecycle.steps.items()}
    install, recover = steps.get("install"), steps.get("recover")
    main = Unit(
        name=main_unit(recipe.name),
        description=recipe.description.strip().partition("\n")[0] or recipe.name,
        component=recipe.name,
        version=recipe.version,
        phase="main",
        start=tuple(Start(kind, steps[kind]) for kind in ("startup", "run") if kind in steps),
        stop=steps.get("shutdown"),
        recover=recover,
        requires=tuple(main_unit(d.name) for d in recipe.dependencies if d.hard and d.name not in BUILT_IN),
        install="" if install is None else install_unit(recipe.name),
        restart="on-failure",
        restart_delay=RESTART_DELAY,
        start_limit_burst=FAILURES_UNTIL_BROKEN,
        start_limit_interval=lifecycle.error_reset_time,
        user=user,
        shell=shell,
        limits=limits,
    )
    units = [main]
    if install is not None:
        # A failed install is recovered from and tried again by the same rules; it does not wait for dependencies.
        units.append(
            replace(
                main,
                name=install_unit(recipe.name),
                description=f"{main.description} (install)",
                phase="install",
                start=(Start("oneshot", install),),
                stop=None,
                requires=(),
                install="",
                limits=NO_LIMITS,
            )
        )
    others = sorted([d.name, d.hard] for d in recipe.dependencies if d.name not in BUILT_IN)
    return tuple(replace(unit, revision=_revision(unit, content, others)) for unit in units)


def once_unit(
    recipe_name: str,
    version: str,
    step: Step,
    *,
    root: Root,
    user: str,
    shell: str,
    environment: Mapping[str, str] = _NOTHING,
) -> Unit:
    """The unit that runs ``step`` (bootstrap or uninstall) once.

    Its state is ``active/exited`` when the script has ended with 0, else ``failed``.
    ``environment`` comes on top of what the step sets itself. An uninstall step is told the version in
    ``GREENGRASS_COMPONENT_VERSION``.
    """
    told = {"GREENGRASS_COMPONENT_VERSION": version} if step.name == "uninstall" else {}
    script = command(step, root=root)
    script = replace(script, environment={**script.environment, **told, **environment})
    unit = Unit(
        name=step_unit(recipe_name, step.name),
        description=f"{recipe_name} ({step.name})",
        component=recipe_name,
        version=version,
        phase=step.name,
        start=(Start("oneshot", script),),
        restart="no",
        user=user,
        shell=shell,
    )
    return replace(unit, revision=_revision(unit, "", []))


def command(step: Step, *, root: Root) -> Command:
    """The command that runs ``step``."""
    return Command(
        script=step.script,
        environment=step.environment,
        privileged=step.privileged,
        timeout=step.timeout,
        skip_if=None if step.skip_if is None else _located(step.skip_if, root),
    )


def _located(condition: Condition, root: Root) -> Condition:
    """``condition`` with the prefixes that mean a directory of the runtime replaced; ``~/`` is left to whoever runs
    the step, who alone knows its user."""
    if condition.kind == "exists":
        for prefix, directory in (("~root/", root.state), ("~config/", root.config), ("~packages/", root.packages)):
            if condition.value.startswith(prefix):
                return replace(condition, value=str(directory / condition.value.removeprefix(prefix)))
    return condition


def _check_runnable(recipe: Recipe) -> None:
    if recipe.type != GENERIC:
        text = f"{recipe.type} needs the Java nucleus: only {GENERIC} components run here"
        raise RecipeError(Problem("ComponentType", text), recipe.file)
    if main_unit(recipe.name).startswith(CORE_PREFIX):
        # Its unit would take the place of a daemon of the runtime.
        raise RecipeError(
            Problem("ComponentName", "names that begin with 'core.' are reserved: rename it"), recipe.file
        )


def _revision(unit: Unit, content: str, dependencies: list[Any]) -> str:
    """What may change without a restart is left out: description, shutdown script, limits. Nothing is installed anew
    because of another recover script or other dependencies."""
    import json
    from hashlib import sha256

    data = unit.to_dict()
    left_out = ["revision", "description", "stop", "limits"]
    if unit.phase == "install":
        left_out += ["recover", "start_limit_interval"]
        dependencies = []
    for key in left_out:
        del data[key]
    text = json.dumps([data, content, dependencies], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]
