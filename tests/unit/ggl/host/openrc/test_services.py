"""Components as services of OpenRC: which scripts there are, and what OpenRC is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ggl.host.openrc.services import Services
from ggl.host.status import UnitStatus

UP = UnitStatus("ggl.org.A", "org.A", phase="main", active_state="active", wanted=True)


class Openrc:
    """A device whose OpenRC notes what it is told."""

    def __init__(self, directory: Path) -> None:
        self.scripts, self.state, self._told = directory / "init.d", directory / "state", directory / "told"
        programs = directory / "rc" / "sbin"
        for each in (self.scripts, self.state / "hotplugged", self.state / "failed", programs):
            each.mkdir(parents=True)
        for word in ("started", "stopped", "failed", "hotplugged"):
            program = programs / f"mark_service_{word}"
            program.write_text(f'#!/bin/sh\necho {word} "$1" >> {self._told}\n')
            program.chmod(0o755)
        self.services = Services(("ggl",), programs.parent, self.scripts, self.state)

    def told(self) -> list[str]:
        """Since the last question."""
        lines = self._told.read_text().splitlines() if self._told.exists() else []
        self._told.unlink(missing_ok=True)
        return [line.removesuffix(" ggl.org.A") for line in lines]

    def script(self, name: str = "ggl.org.A") -> Path:
        return self.scripts / name


@pytest.fixture
def openrc(tmp_path: Path) -> Openrc:
    return Openrc(tmp_path)


def test_a_component_is_a_service_as_long_as_it_is_there(openrc: Openrc) -> None:
    openrc.services.begin([])
    openrc.services.changed(UP, "says hello")
    assert openrc.script().stat().st_mode & 0o777 == 0o755
    assert "says hello" in openrc.script().read_text()
    assert openrc.told() == ["hotplugged", "started"]
    openrc.services.removed(UP)
    assert not openrc.script().exists()
    assert openrc.told() == ["stopped"]


def test_openrc_is_told_of_what_changes_and_of_nothing_else(openrc: Openrc) -> None:
    openrc.services.begin([(UP, "")])
    openrc.told()
    openrc.services.changed(dataclasses.replace(UP, active_state="activating", sub_state="auto-restart"), "")
    assert openrc.told() == []
    openrc.services.changed(dataclasses.replace(UP, active_state="failed"), "")
    assert openrc.told() == ["hotplugged", "stopped", "failed"]
    openrc.services.changed(dataclasses.replace(UP, active_state="inactive", wanted=False), "")
    assert openrc.told() == ["hotplugged", "stopped"]


def test_another_description_is_another_script(openrc: Openrc) -> None:
    (openrc.state / "deptree").touch()
    openrc.services.begin([(UP, "one")])
    assert not (openrc.state / "deptree").exists()
    openrc.services.changed(UP, "two")
    assert "two" in openrc.script().read_text()


def test_scripts_of_components_that_went_unseen_go_and_those_of_others_stay(openrc: Openrc) -> None:
    openrc.services.begin([(dataclasses.replace(UP, component="org.Gone"), "")])
    openrc.script("ggl.foreign").write_text("#!/sbin/openrc-run\n# by an administrator\n")
    again = Services(("ggl",), openrc.scripts.parent / "rc", openrc.scripts, openrc.state)
    again.begin([(UP, "")])
    assert sorted(path.name for path in openrc.scripts.iterdir()) == ["ggl.foreign", "ggl.org.A"]


def test_what_an_administrator_wrote_is_left_alone(openrc: Openrc) -> None:
    openrc.script().write_text("#!/sbin/openrc-run\n# mine\n")
    openrc.services.begin([(UP, "")])
    assert openrc.script().read_text() == "#!/sbin/openrc-run\n# mine\n"
    assert openrc.told() == []


def test_only_the_unit_of_the_component_itself_is_a_service(openrc: Openrc) -> None:
    for phase in ("install", "bootstrap", ""):
        openrc.services.changed(dataclasses.replace(UP, phase=phase), "")
    openrc.services.changed(dataclasses.replace(UP, component="org.A.sh"), "")
    assert list(openrc.scripts.iterdir()) == []


def test_a_device_that_lets_nobody_write_runs_all_the_same(openrc: Openrc, tmp_path: Path) -> None:
    services = Services(("ggl",), tmp_path / "no programs", tmp_path / "no scripts", openrc.state)
    services.begin([(UP, "")])
    services.changed(dataclasses.replace(UP, active_state="failed"), "")
    services.removed(UP)
    assert openrc.told() == []
