"""A component as neutral units: what a host needs to install it, start it and keep it running.

The main unit, ``ggl.<component>``, holds startup and run, shutdown and recover. An install step makes a second unit,
``ggl.<component>.install``, that must have succeeded before the main one starts. bootstrap and uninstall belong to a
deployment, not to a component's life: ``command`` turns such a step into something to run once.
"""

from __future__ import annotations

from dataclasses import replace

from ggl.host.unit import CORE_PREFIX, Command, Condition, Start, Unit, install_unit, main_unit
from ggl.paths import Root
from ggl.recipe.lifecycle import Lifecycle, Step
from ggl.recipe.model import BUILT_IN, GENERIC, Problem, Recipe, RecipeError

RESTART_DELAY = 1.0
FAILURES_UNTIL_BROKEN = 3


def component_units(
    recipe: Recipe,
    lifecycle: Lifecycle,
    *,
    root: Root,
    user: str = "",
    shell: str = "sh",
    content: str = "",
) -> tuple[Unit, ...]:
    """The units of a component: the main one first, the install unit after it when there is an install step.

    ``lifecycle``: the selected one with its variables replaced. ``user``: ``user[:group]`` of unprivileged steps, empty
    for the runtime's own. ``content``: digest of the component's artifacts; with it ``Unit.revision`` tells whether
    anything changed.
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
            )
        )
    return tuple(replace(unit, revision=_revision(unit, content)) for unit in units)


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


def _revision(unit: Unit, content: str) -> str:
    import json
    from hashlib import sha256

    text = json.dumps([unit.to_dict(), content], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]
