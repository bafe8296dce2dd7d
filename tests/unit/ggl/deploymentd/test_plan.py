"""What a deployment does to the units on the host."""

from __future__ import annotations

from ggl.deploymentd.plan import Plan, make_plan
from ggl.host.status import UnitStatus
from ggl.host.unit import Unit


def unit(name: str, revision: str = "1", install: bool = False) -> Unit:
    suffix, phase = (".install", "install") if install else ("", "main")
    return Unit(f"ggl.{name}{suffix}", component=name, phase=phase, revision=revision)


def component(name: str, revision: str = "1", install: str = "") -> list[Unit]:
    return [unit(name, revision), *([unit(name, install, install=True)] if install else [])]


def running(*components: list[Unit], state: str = "active", started: bool = True) -> dict[str, UnitStatus]:
    return {
        each.name: UnitStatus(
            each.name, each.component, phase=each.phase, active_state=state, started=started, revision=each.revision
        )
        for units in components
        for each in units
    }


def test_new_components_are_loaded_and_started_dependencies_first() -> None:
    plan = make_plan([*component("L"), *component("A", install="1")], {})
    assert plan.start == ("ggl.L", "ggl.A.install", "ggl.A")
    assert (plan.stop, plan.unload, plan.changed) == ((), (), ("L", "A"))


def test_what_has_not_changed_is_not_touched() -> None:
    units = component("A", install="1")
    assert make_plan(units, running(units)) == Plan(unchanged=("A",))


def test_a_changed_main_unit_is_restarted_without_a_new_installation() -> None:
    plan = make_plan([*component("A", "2", install="1")], running(component("A", "1", install="1")))
    assert plan.stop == ("ggl.A",)
    assert plan.start == ("ggl.A.install", "ggl.A")


def test_a_changed_install_step_is_run_again_with_the_component_down() -> None:
    plan = make_plan([*component("A", "1", install="2")], running(component("A", "1", install="1")))
    assert plan.stop == ("ggl.A", "ggl.A.install")


def test_only_the_changed_one_of_many_is_stopped() -> None:
    before = running(component("A"), component("B"), component("C"))
    plan = make_plan([*component("A"), *component("B", "2"), *component("C")], before)
    assert (plan.stop, plan.start, plan.changed) == (("ggl.B",), ("ggl.B",), ("B",))
    assert plan.unchanged == ("A", "C")


def test_a_component_that_is_not_wanted_any_more_runs_until_the_end() -> None:
    before = running(component("A"), component("Old", install="1"))
    plan = make_plan(component("A"), before)
    assert (plan.stop, plan.gone, plan.removed) == ((), ("ggl.Old", "ggl.Old.install"), ("Old",))
    assert plan.changed == ()


def test_a_step_that_ran_once_is_no_part_of_a_component() -> None:
    once = UnitStatus("ggl.A.bootstrap", "A", phase="bootstrap", active_state="failed", started=True)
    before = {**running(component("A")), once.name: once}
    assert make_plan(component("A"), before) == Plan(unchanged=("A",))


def test_an_install_step_that_is_gone_is_forgotten() -> None:
    plan = make_plan([*component("A", "2")], running(component("A", "1", install="1")))
    assert plan.stop == ("ggl.A", "ggl.A.install")
    assert plan.unload == ("ggl.A.install",)
    assert plan.start == ("ggl.A",)


def test_a_broken_component_is_installed_and_started_anew_even_if_nothing_changed() -> None:
    units = component("A", install="1")
    before = {**running(units), "ggl.A": UnitStatus("ggl.A", "A", active_state="failed", started=True, revision="1")}
    plan = make_plan(units, before)
    assert plan.stop == ("ggl.A", "ggl.A.install")
    assert plan.start == ("ggl.A.install", "ggl.A")


def test_a_component_that_an_interrupted_deployment_only_loaded_is_started() -> None:
    units = component("A", install="1")
    plan = make_plan(units, running(units, state="inactive", started=False))
    assert (plan.stop, plan.start) == ((), ("ggl.A.install", "ggl.A"))


def test_a_component_that_has_finished_or_was_stopped_by_hand_stays_as_it_is() -> None:
    units = component("A")
    assert make_plan(units, running(units, state="inactive")) == Plan(unchanged=("A",))


def test_core_daemons_are_not_a_deployments_business() -> None:
    before = {"ggl.core.configd": UnitStatus("ggl.core.configd", active_state="active")}
    assert make_plan([], before) == Plan()
