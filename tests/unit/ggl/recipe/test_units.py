"""A component as neutral units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ggl.host.unit import Condition, Limits, Unit
from ggl.paths import Root
from ggl.recipe.lifecycle import parse_lifecycle
from ggl.recipe.load import recipe_from_data
from ggl.recipe.model import RecipeError
from ggl.recipe.units import component_units, once_unit

ROOT = Root(state=Path("/gg"), run=Path("/run/gg"), config=Path("/etc/gg"))


def units(lifecycle: dict[str, Any], *, recipe: dict[str, Any] | None = None, **options: Any) -> tuple[Unit, ...]:
    data = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.a",
        "ComponentVersion": "1.0.0",
        "Manifests": [{}],
        **(recipe or {}),
    }
    return component_units(recipe_from_data(data), parse_lifecycle(lifecycle), root=ROOT, **options)


def test_a_component_that_runs() -> None:
    (unit,) = units({"run": "serve"}, user="ggc_user:ggc_group", shell="bash")
    assert (unit.name, unit.component, unit.version, unit.phase) == ("ggl.com.a", "com.a", "1.0.0", "main")
    assert [(start.kind, start.command.script, start.command.timeout) for start in unit.start] == [
        ("run", "serve", None)
    ]
    assert (unit.stop, unit.recover, unit.install, unit.requires) == (None, None, "", ())
    assert (unit.restart, unit.restart_delay, unit.start_limit_burst, unit.start_limit_interval) == (
        "on-failure",
        1.0,
        3,
        3600.0,
    )
    assert (unit.user, unit.shell) == ("ggc_user:ggc_group", "bash")


def test_startup_comes_first_and_run_is_its_alternative() -> None:
    (unit,) = units({"run": "r", "startup": {"Script": "s", "Skipif": "onpath x"}})
    assert [start.kind for start in unit.start] == ["startup", "run"]
    assert unit.start[0].command.timeout == 120.0


def test_shutdown_and_recover() -> None:
    (unit,) = units({"run": "r", "shutdown": "s", "recover": {"Script": "c", "RequiresPrivilege": True}})
    assert unit.stop is not None
    assert unit.recover is not None
    assert (unit.stop.script, unit.stop.timeout) == ("s", 15.0)
    assert (unit.recover.script, unit.recover.timeout, unit.recover.privileged) == ("c", 60.0, True)


def test_an_install_step_is_a_unit_of_its_own_that_the_main_one_waits_for() -> None:
    dependency = {"ComponentDependencies": {"com.b": {"VersionRequirement": "*"}}}
    main, install = units({"install": "i", "run": "r", "shutdown": "s", "recover": "c"}, recipe=dependency)
    assert main.install == install.name == "ggl.com.a.install"
    assert (install.phase, install.component) == ("install", "com.a")
    assert [(start.kind, start.command.script, start.command.timeout) for start in install.start] == [
        ("oneshot", "i", 120.0)
    ]
    assert (install.stop, install.install, install.requires) == (None, "", ())
    assert install.recover == main.recover


def test_a_component_that_only_installs_has_a_main_unit_with_nothing_to_start() -> None:
    main, install = units({"install": "i"})
    assert (main.start, main.install) == ((), install.name)
    assert units({})[0].start == ()


def test_hard_dependencies_are_required_unless_the_runtime_provides_them() -> None:
    dependencies = {
        "com.hard": {"VersionRequirement": "*"},
        "com.soft": {"VersionRequirement": "*", "DependencyType": "SOFT"},
        "aws.greengrass.Nucleus": {"VersionRequirement": ">=2.0.0"},
        "aws.greengrass.NucleusLite": {"VersionRequirement": ">=2.0.0"},
        "aws.greengrass.TokenExchangeService": {"VersionRequirement": "^2.0.0"},
        "aws.greengrass.Cli": {"VersionRequirement": "^2.0.0"},
    }
    (unit,) = units({"run": "r"}, recipe={"ComponentDependencies": dependencies})
    assert unit.requires == ("ggl.com.hard",)


def test_the_environment_of_the_step_wins_over_the_lifecycles() -> None:
    lifecycle = {"Setenv": {"B": "2", "C": "2"}, "run": {"Script": "r", "Setenv": {"C": "3"}}}
    (unit,) = units(lifecycle)
    assert unit.start[0].command.environment == {"B": "2", "C": "3"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("exists ~root/x", "/gg/x"),
        ("exists ~config/x", "/etc/gg/x"),
        ("exists ~packages/x", "/gg/packages/x"),
        ("exists ~/x", "~/x"),
        ("exists /x", "/x"),
    ],
)
def test_directories_of_the_runtime_in_conditions_are_located(text: str, value: str) -> None:
    (unit,) = units({"run": {"Script": "r", "Skipif": text}})
    assert unit.start[0].command.skip_if == Condition("exists", value)


def test_error_reset_time_is_the_window_in_which_failures_count() -> None:
    (unit,) = units({"run": "r", "errorResetTime": 60})
    assert unit.start_limit_interval == 60.0


def test_the_description_is_one_line() -> None:
    assert units({"run": "r"}, recipe={"ComponentDescription": "One\ntwo"})[0].description == "One"
    assert units({"run": "r"})[0].description == "com.a"


def test_the_revision_changes_with_the_recipe_or_the_artifacts_and_only_then() -> None:
    lifecycle = {"run": {"Script": "r", "Setenv": {"A": "1", "B": "2"}}}
    (first,) = units(lifecycle, content="digest")
    (same,) = units({"run": {"Setenv": {"B": "2", "A": "1"}, "Script": "r"}}, content="digest")
    assert first.revision == same.revision != ""
    assert units(lifecycle, content="other")[0].revision != first.revision
    assert units({"run": "r"}, content="digest")[0].revision != first.revision
    assert units(lifecycle, content="digest", user="x")[0].revision != first.revision


def test_what_needs_no_restart_is_no_part_of_the_revision() -> None:
    (first,) = units({"run": "r", "shutdown": "s"})
    (other,) = units({"run": "r", "shutdown": "t"}, recipe={"ComponentDescription": "New"}, limits=Limits(memory=1))
    assert other.revision == first.revision
    assert (other.limits, other.stop) != (first.limits, first.stop)


def test_a_dependency_that_is_added_or_changes_its_type_is_another_revision_but_installs_nothing_anew() -> None:
    def revisions(**dependencies: str) -> tuple[str, ...]:
        asked = {
            f"com.{name}": {"VersionRequirement": "*", "DependencyType": kind} for name, kind in dependencies.items()
        }
        asked["aws.greengrass.Nucleus"] = {"VersionRequirement": "*"}
        return tuple(u.revision for u in units({"install": "i", "run": "r"}, recipe={"ComponentDependencies": asked}))

    main, install = zip(revisions(), revisions(b="SOFT"), revisions(b="HARD"), strict=True)
    assert len(set(main)) == 3
    assert len(set(install)) == 1


def test_only_what_an_installation_does_is_part_of_its_revision() -> None:
    _, first = units({"install": "i", "run": "r"})
    _, same = units({"install": "i", "run": "x", "recover": "c", "errorResetTime": 5}, limits=Limits(cpus=1.0))
    assert same.revision == first.revision
    assert same.limits == Limits()
    for changed in (
        units({"install": "j", "run": "r"}),
        units({"install": "i", "run": "r"}, user="u"),
        units({"install": "i", "run": "r"}, content="c"),
        units({"install": "i", "run": "r"}, recipe={"ComponentVersion": "1.0.1"}),
    ):
        assert changed[1].revision != first.revision


def test_limits_are_those_of_startup_and_run() -> None:
    main, install = units({"install": "i", "run": "r"}, limits=Limits(memory=1024, cpus=1.5))
    assert (main.limits, install.limits) == (Limits(1024, 1.5), Limits())


def test_a_step_of_a_deployment_is_a_unit_that_runs_once() -> None:
    steps = parse_lifecycle({"Setenv": {"A": "1"}, "bootstrap": "b", "uninstall": {"Script": "u", "Timeout": 7}}).steps
    boot, end = (
        once_unit("com.a", "1.0.0", steps[name], root=ROOT, user="u", shell="bash", environment={"X": "y"})
        for name in ("bootstrap", "uninstall")
    )
    assert (boot.name, boot.phase, boot.component, boot.version) == (
        "ggl.com.a.bootstrap",
        "bootstrap",
        "com.a",
        "1.0.0",
    )
    assert (boot.restart, boot.requires, boot.install, boot.stop, boot.recover) == ("no", (), "", None, None)
    assert (boot.user, boot.shell, boot.start[0].kind, boot.start[0].command.timeout) == ("u", "bash", "oneshot", 120.0)
    assert boot.start[0].command.environment == {"A": "1", "X": "y"}
    assert end.start[0].command.environment == {"A": "1", "X": "y", "GREENGRASS_COMPONENT_VERSION": "1.0.0"}
    assert end.start[0].command.timeout == 7.0
    assert "" != boot.revision != end.revision


def test_units_survive_the_bus() -> None:
    lifecycle = {
        "install": "i",
        "startup": {"Script": "s", "Skipif": "!exists /x", "Setenv": {"A": 1}},
        "shutdown": "d",
    }
    for unit in units(lifecycle):
        assert Unit.from_dict(unit.to_dict()) == unit


def test_what_cannot_run_here_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"ComponentType: aws\.greengrass\.plugin needs the Java nucleus"):
        units({}, recipe={"ComponentType": "aws.greengrass.plugin"})
    with pytest.raises(RecipeError, match=r"ComponentName: names that begin with 'core\.'"):
        units({"run": "r"}, recipe={"ComponentName": "core.configd"})
