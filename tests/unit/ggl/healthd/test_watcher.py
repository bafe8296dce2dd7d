"""The healths of all components, and who hears of their changes."""

from __future__ import annotations

from dataclasses import replace

from ggl.healthd.lifecycle import Health
from ggl.healthd.watcher import Watcher
from ggl.host.status import UnitStatus

MAIN = UnitStatus("ggl.A", "A", "1.0.0", "main", install="ggl.A.install")
INSTALL = UnitStatus("ggl.A.install", "A", "1.0.0", "install")
UP = replace(MAIN, active_state="active", sub_state="running", started=True)
OTHER = UnitStatus("ggl.B", "B", "1.0.0", "main")
CORE = UnitStatus("ggl.core.configd", active_state="active")


def watcher(*units: UnitStatus) -> Watcher:
    made = Watcher()
    made.replace({unit.name: unit for unit in units})
    return made


def test_components_are_listed_by_name_and_core_daemons_are_none() -> None:
    assert [health.component for health in watcher(OTHER, CORE, UP, INSTALL).list()] == ["A", "B"]


def test_a_listener_hears_of_changes_of_its_component_and_of_nothing_else() -> None:
    made, heard, all_heard = watcher(MAIN, OTHER), list[Health](), list[Health]()
    end = made.listen("A", heard.append)
    made.listen("", all_heard.append)
    made.update("ggl.A", UP)
    made.update("ggl.A", UP)
    made.update("ggl.B", replace(OTHER, active_state="failed", started=True))
    made.update("ggl.core.configd", CORE)
    assert [health.state for health in heard] == ["RUNNING"]
    assert [(health.component, health.state) for health in all_heard] == [("A", "RUNNING"), ("B", "BROKEN")]
    end()
    end()
    made.update("ggl.A", MAIN)
    assert len(heard) == 1


def test_a_component_is_gone_with_its_last_unit() -> None:
    made, heard = watcher(UP, INSTALL), list[Health]()
    made.listen("A", heard.append)
    made.update("ggl.A.install", None)
    assert made.get("A") is not None
    made.update("ggl.A", None)
    made.update("ggl.never-known", None)
    assert made.get("A") is None
    assert [health.state for health in heard] == ["UNINSTALLED"]


def test_after_an_interruption_only_what_differs_is_told() -> None:
    made, heard = watcher(UP, OTHER), list[Health]()
    made.listen("", heard.append)
    made.replace({UP.name: UP})
    assert [(health.component, health.state) for health in heard] == [("B", "UNINSTALLED")]


def test_a_report_is_about_the_install_unit_until_that_is_done_and_then_about_the_main_unit() -> None:
    assert watcher(INSTALL, MAIN).reporting_unit("A") == "ggl.A.install"
    assert watcher(replace(INSTALL, active_state="active"), MAIN).reporting_unit("A") == "ggl.A"
    assert watcher(MAIN).reporting_unit("A") == "ggl.A"
    assert watcher().reporting_unit("A") is None


def test_units_of_a_deployments_steps_are_no_part_of_a_components_state() -> None:
    bootstrap = UnitStatus("ggl.A.bootstrap", "A", "2.0.0", "bootstrap", active_state="failed")
    made = watcher(UP, bootstrap)
    made.update(bootstrap.name, bootstrap)
    assert [(health.state, health.version) for health in made.list()] == [("RUNNING", "1.0.0")]
    assert made.main_unit("A") == "ggl.A"
    assert watcher(bootstrap).list() == []
