"""Which change in a deployment makes which scripts of a component run again, row by row.

Each row deploys a component of its own whose every script leaves a word in its log, changes one thing, deploys again,
and looks at what the log says since, and whether the process is the same.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import running, wait_until
from tests.integration.device import USER, Device
from tests.integration.units import limited

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run components as somebody else")
NOBODY = "nobody"

STEPS = {
    "bootstrap": "echo bootstrap >> log",
    "install": "echo install >> log",
    "run": "echo run >> log; exec sleep 1000",
    "shutdown": "echo shutdown >> log",
    "recover": "echo recover >> log",
}
NOTHING: list[str] = []
RESTART = ["shutdown", "run"]
REINSTALL = ["shutdown", "install", "run"]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """One for all rows: each has a component of its own, which goes again."""
    with running() as runtime:
        runtime.root.state.chmod(0o755)
        if os.geteuid() == 0:
            user = pwd.getpwuid(os.geteuid()).pw_name
            runtime.call("gg_config", "write", {"key_path": list(USER), "value": user})
        made = Device(runtime, tmp_path_factory.mktemp("device"))
        made.recipe("Base", "{run: 'exec sleep 1000'}")
        made.succeed({"Base": "1.0.0"})
        yield made


class Row:
    """The component of one row."""

    def __init__(self, device: Device, name: str) -> None:
        self.device = device
        self.name = name

    def recipe(self, version: str = "1.0.0", dependency: str = "", **steps: Any) -> None:
        """The recipe; ``steps`` replace those of ``STEPS``, ``None`` leaves one out."""
        lifecycle = {name: step for name, step in {**STEPS, **steps}.items() if step is not None}
        depends = {"Base": f'*", DependencyType: "{dependency}'} if dependency else {}
        self.device.recipe(self.name, str(lifecycle), version, depends, "{used: 1, unused: 1}", ("file",))
        self.device.artifact(self.name, "file", "content", version)

    def deploy(self, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
        return self.device.succeed({self.name: version}, **more)

    def first(self) -> None:
        self.deploy()
        self.said(["bootstrap", "install", "run"])

    def lines(self) -> list[str]:
        return self.device.work(self.name, "log").split()

    def said(self, words: list[str]) -> None:
        wait_until(self.lines, lambda lines: lines[-len(words) or len(lines) :] == words)
        log = self.device.runtime.root.work / self.name / "log"
        log.write_text("")

    def pid(self) -> int:
        return self.device.pid(self.name)


@pytest.fixture
def row(device: Device, request: pytest.FixtureRequest) -> Iterator[Row]:
    yield Row(device, "".join(each for each in request.node.name if each.isalnum()))
    device.deploy(remove=tuple(name for name in device.health() if name != "Base"))


def changed(row: Row, again: list[str], **deployment: Any) -> None:
    """Deploy, and see that the scripts ``again`` have run, nothing else, and that nobody else was touched."""
    others = {name: each["pid"] for name, each in row.device.health().items() if name != row.name}
    pid = row.pid()
    outcome = row.deploy(**deployment)
    assert outcome["changed"] == ([] if again in (NOTHING, ["bootstrap"]) else [row.name])
    wait_until(row.lines, lambda lines: len(lines) >= len(again))
    assert row.lines() == again
    assert (row.pid() == pid) == (row.name not in outcome["changed"])
    after = row.device.health()
    assert {name: after[name]["pid"] for name in others} == others


# -- the recipe --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, NOTHING),
        ({"install": "echo install >> log; true"}, REINSTALL),
        ({"install": {"Script": STEPS["install"], "Timeout": 60}}, REINSTALL),
        ({"install": None}, RESTART),
        ({"Setenv": {"A": "1"}}, REINSTALL),
        ({"run": "echo run >> log; exec sleep 2000"}, RESTART),
        ({"run": {"Script": STEPS["run"], "Setenv": {"A": "1"}}}, RESTART),
        ({"startup": "echo startup >> log; sleep 1000 & exit 0"}, ["shutdown", "startup"]),
        ({"recover": "true"}, RESTART),
        ({"errorResetTime": 60}, RESTART),
        ({"shutdown": "echo changed >> log"}, NOTHING),
        ({"bootstrap": "echo bootstrap >> log; true"}, ["bootstrap"]),
        ({"BOOTSTRAP": {"SCRIPT": STEPS["bootstrap"]}, "bootstrap": None}, ["bootstrap"]),
        ({"Bootstrap": STEPS["bootstrap"], "bootstrap": None}, NOTHING),
        ({"uninstall": "true"}, NOTHING),
    ],
    ids=lambda value: "-".join(value).lower() if isinstance(value, dict) else "",
)
def test_a_step_of_the_lifecycle_changes(row: Row, change: Mapping[str, Any], again: list[str]) -> None:
    row.recipe()
    row.first()
    row.recipe(**change)
    changed(row, again)


def test_another_version_installs_anew_after_the_old_shutdown(row: Row) -> None:
    row.recipe()
    row.first()
    row.recipe("1.0.1", shutdown="echo new >> log")
    changed(row, ["shutdown", "bootstrap", "install", "run"], version="1.0.1")


def test_another_shutdown_script_counts_after_the_next_start(row: Row) -> None:
    row.recipe()
    row.first()
    row.recipe(shutdown="echo new >> log")
    changed(row, NOTHING)
    for word in ("shutdown", "new"):
        row.device.runtime.call("gg_host", "restart", {"names": [f"ggl.{row.name}"]})
        row.said([word, "run"])


def test_other_content_of_an_artifact_installs_anew(row: Row) -> None:
    row.recipe()
    row.first()
    row.device.artifact(row.name, "file", "other content")
    changed(row, REINSTALL)


def test_a_dependency_that_is_added_or_changes_its_type_restarts_and_another_range_does_not(row: Row) -> None:
    row.recipe()
    row.first()
    for kind in ("SOFT", "HARD"):
        row.recipe(dependency=kind)
        changed(row, RESTART)
        row.said(RESTART)
    path = row.device.recipes / f"{row.name}.yaml"
    path.write_text(path.read_text().replace('"*"', '">=1.0.0"'))
    changed(row, NOTHING)
    row.recipe()
    changed(row, RESTART)


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "again"),
    [
        ({}, NOTHING),
        ({"run": "echo run >> log; exec sleep 100{configuration:/used}"}, RESTART),
        ({"install": "echo install >> log; : {configuration:/used}"}, REINSTALL),
        ({"shutdown": "echo shutdown >> log; : {configuration:/used}"}, NOTHING),
        ({"bootstrap": "echo bootstrap >> log; : {configuration:/used}"}, ["bootstrap"]),
    ],
    ids=["nowhere", "run", "install", "shutdown", "bootstrap"],
)
def test_a_value_counts_where_a_script_mentions_it(row: Row, steps: Mapping[str, Any], again: list[str]) -> None:
    row.recipe(**steps)
    row.first()
    changed(row, NOTHING, component_to_configuration={row.name: {"MERGE": {"unused": 2}}})
    changed(row, again, component_to_configuration={row.name: {"MERGE": {"used": 2}}})
    assert row.device.config(row.name, "configuration") == {"used": 2, "unused": 2}


# -- whom it runs as, and what it may use ------------------------------------------------------------------------------


@ROOT_ONLY
def test_another_user_installs_anew_and_owns_everything(row: Row) -> None:
    row.recipe(install="echo install >> log; umask 077; mkdir -p deep; echo x >> deep/file; id -un >> who")
    row.first()
    assert row.device.work(row.name, "who").split() == ["root"]
    users = {row.name: {"posixUser": NOBODY, "windowsUser": "ignored"}}
    changed(row, REINSTALL, component_to_run_with_info=users)
    assert row.device.work(row.name, "who").split() == ["root", NOBODY]
    root, uid = row.device.runtime.root, pwd.getpwnam(NOBODY).pw_uid
    work = root.work / row.name
    artifact = root.artifacts / row.name / "1.0.0" / "file"
    for path in (work, work / "log", work / "deep", work / "deep" / "file", artifact):
        assert path.stat().st_uid == uid, path
    row.said(REINSTALL)
    changed(row, NOTHING, component_to_run_with_info=users)
    # What is not said stays; an empty name goes back to the default.
    changed(row, NOTHING, component_to_run_with_info={row.name: {}})
    changed(row, NOTHING)
    changed(row, REINSTALL, component_to_run_with_info={row.name: {"posixUser": ""}})
    assert row.device.work(row.name, "who").split() == ["root", NOBODY, "root"]
    assert artifact.stat().st_uid == work.stat().st_uid == 0


@ROOT_ONLY
@pytest.mark.parametrize("setting", ["posixUser", "posixShell"])
def test_another_default_of_the_nucleus_installs_those_anew_who_use_it(row: Row, setting: str) -> None:
    row.recipe()
    row.first()
    own = Row(row.device, f"Own{row.name}")
    own.recipe()
    own.deploy(component_to_run_with_info={own.name: {"posixUser": "tester"}})
    own.said(["bootstrap", "install", "run"])
    defaults = "aws.greengrass.NucleusLite", "configuration", "runWithDefault"
    before = row.device.config(*defaults, setting)
    value = {"posixUser": NOBODY, "posixShell": "bash"}[setting]
    try:
        change = {"aws.greengrass.Nucleus": {"MERGE": {"runWithDefault": {setting: value}}}}
        outcome = row.device.succeed(component_to_configuration=change)
        assert row.name in outcome["changed"]
        assert (own.name in outcome["changed"]) == (setting == "posixShell")
        row.said(REINSTALL)
    finally:
        reset = {"MERGE": {"runWithDefault": {setting: before or "sh"}}}
        row.device.succeed(component_to_configuration={"aws.greengrass.Nucleus": reset})


def test_limits_are_in_force_at_once(row: Row) -> None:
    row.recipe()
    row.first()
    limits = {"memory": 200_000, "cpus": 0.5}
    changed(row, NOTHING, component_to_run_with_info={row.name: {"systemResourceLimits": limits}})
    assert row.device.config(row.name, "runWith") == {"systemResourceLimits": limits}
    (unit,) = (Path(row.device.runtime.root.units) / f"ggl.{row.name}.json",)
    assert '"memory":200000' in unit.read_text().replace(" ", "")
    changed(row, NOTHING, component_to_run_with_info={row.name: {}})
    assert row.device.config(row.name, "runWith") is None


@limited
def test_limits_that_are_deployed_are_enforced(row: Row) -> None:
    row.recipe()
    row.first()
    for run_with, enforced in (({"systemResourceLimits": {"memory": 200_000}}, True), ({}, False)):
        changed(row, NOTHING, component_to_run_with_info={row.name: run_with})
        assert row.device.runtime.unit(f"ggl.{row.name}")["limited"] is enforced


# -- what is not as it should be ---------------------------------------------------------------------------------------


def test_a_broken_component_is_installed_anew_by_any_deployment_and_a_stopped_one_left_alone(row: Row) -> None:
    other = Row(row.device, f"Other{row.name}")
    other.recipe()
    other.first()
    row.device.runtime.call("gg_host", "stop", {"names": [f"ggl.{other.name}"]})
    row.recipe(startup="echo startup >> log; test -e good", bootstrap=None)
    outcome = row.device.deploy({row.name: "1.0.0"})
    assert outcome["broken"] == [row.name]
    wait_until(row.lines, lambda lines: lines.count("shutdown") == 3)  # that of the last try comes after the word
    (row.device.runtime.root.work / row.name / "good").touch()
    (row.device.runtime.root.work / row.name / "log").write_text("")
    assert row.device.succeed()["changed"] == [row.name]
    assert row.lines() == ["install", "startup"]
    assert row.device.state(other.name) == "FINISHED"
