"""Whatever is killed at whatever step: afterwards the device is what it was, or what it was to become: nothing else.

The same two deployments are done over and over from the same beginning. One succeeds, one breaks and goes back. Each
persisted step of the way is interrupted just before and just after it is written, by killing the deployment daemon, the
configuration daemon, the supervisor, or every process of the runtime with the components; or the write is refused, or
its answer is lost. The runtime is started again, and what it has become is compared with what it becomes when nothing
happens: the configuration, the units with their revisions, the files of the store, the generations, and what runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError
from ggl.deploymentd.record import ACTIVATING, PREPARING
from ggl.paths import find_root
from tests.integration.conftest import Runtime, alive, wait_until

OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")
DEPLOYMENT = "the-deployment"
GOOD, BAD = "{run: 'exec sleep 1000'}", "{startup: 'exit 3'}"
OUTCOME = "outcome"
"""The last write of all."""
VICTIMS = ("deploymentd", "configd", "ggld", "everything")
PATIENCE = 120.0
"""Seconds for anything, on a machine that has much else to do."""

# notify asks nobody here and validate is only entered when a component whose version stays is configured: both are.
FORWARD = [(step, False) for step in (*PREPARING, *ACTIVATING, OUTCOME) if step != "notify"]
NOTIFIED = [("notify", False)]
BACK = [(step, True) for step in (*ACTIVATING, OUTCOME) if step != "bootstrap"]


class Lab:
    """A root that can be brought back to its beginning, and the folders that are deployed from."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.fault = base / "fault"
        self.runtime = Runtime(find_root(str(base / "root")))
        self._template = base / "template"

    def prepare(self) -> None:
        """The first generation."""
        folder = self.base / "first"
        recipe(folder, "Base", "1.0.0", "{install: 'true', run: 'exec sleep 1000'}", archive="one")
        recipe(folder, "App", "1.0.0", "{run: 'exec sleep 1000 # {configuration:/mode}'}", "{mode: a, own: 1}", "Base")
        recipe(folder, "Old", "1.0.0", "{run: 'exec sleep 1000', uninstall: 'echo gone >> uninstalled'}")
        recipe(folder, "Bystander", "1.0.0", "{run: 'exec sleep 1000'}", "{count: 0}")
        for outcome, new_version, lifecycle in (("good", "2.0.0", GOOD), ("bad", "2.0.0", BAD)):
            folder = self.base / outcome
            bootstrap = "bootstrap: 'echo once >> bootstrapped'"
            recipe(folder, "Base", "2.0.0", f"{{install: 'true', {bootstrap}, run: 'exec sleep 1000'}}", archive="two")
            recipe(
                folder, "App", "1.0.0", "{run: 'exec sleep 1000 # {configuration:/mode}'}", "{mode: a, own: 1}", "Base"
            )
            artifact(folder, "App", "1.0.0", "data", "changed")
            recipe(folder, "New", new_version, lifecycle)
        artifact(self.base / "first", "App", "1.0.0", "data", "first")
        self.runtime.up()
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
            path = ["services", "aws.greengrass.NucleusLite", "configuration", "runWithDefault", "posixUser"]
            self.runtime.call("gg_config", "write", {"key_path": path, "value": user})
            request = {
                **folders(self.base / "first"),
                "root_component_versions_to_add": dict.fromkeys(("Base", "App", "Old", "Bystander"), "1.0.0"),
            }
            created = self.runtime.call("gg_deployment", "create_local_deployment", request)
            assert self.wait(created["deployment_id"])["status"] == "SUCCEEDED"
            wait_until(self.left, lambda left: not left, PATIENCE)  # it is cleared up after
            path = ["services", "App", "configuration", "own"]
            self.runtime.call("gg_config", "write", {"key_path": path, "value": "written by the component"})
        finally:
            self.runtime.down()
        shutil.copytree(self.runtime.root.state, self._template, symlinks=True)

    def begin(self) -> None:
        self.runtime.down()  # of a test that failed
        shutil.rmtree(self.runtime.root.state, ignore_errors=True)
        shutil.copytree(self._template, self.runtime.root.state, symlinks=True)
        for path in (self.fault, self.fault.with_name("fault.done")):
            path.unlink(missing_ok=True)
        self.runtime.up()
        self.settle()

    def deploy(self, outcome: str, policy: str = "ROLLBACK", action: str = "SKIP_NOTIFY_COMPONENTS") -> None:
        document = {
            "deploymentId": DEPLOYMENT,
            "groupName": "LOCAL_DEPLOYMENT",
            "creationTimestamp": 2_000_000_000_000,
            "failureHandlingPolicy": policy,
            "componentUpdatePolicy": {"action": action, "timeout": 1},
            "components": {
                "Base": {"version": "2.0.0"},
                "App": {"version": "1.0.0", "configurationUpdate": {"reset": ["/own"], "merge": {"mode": "b"}}},
                "New": {"version": "2.0.0"},
                "Bystander": {"version": "1.0.0"},
            },
        }
        request = {**folders(self.base / outcome), "document": document, "timeout": 60}
        # It may be taken up, and struck down, before the answer is on its way.
        with suppress(BusError):
            self.runtime.call("gg_deployment", "create_deployment", request)

    def wait(self, deployment_id: str = DEPLOYMENT) -> dict[str, Any]:
        def look() -> dict[str, Any]:
            try:
                found: dict[str, Any] = self.runtime.call("gg_deployment", "get", {"deployment_id": deployment_id})
            except BusError as error:
                return {"status": f"unknown: {error}"}
            return found

        return wait_until(look, lambda seen: seen["status"] in OVER, 2 * PATIENCE)

    def settle(self) -> None:
        """Until every component that is meant to run runs."""

        def states() -> dict[str, str]:
            try:
                return {each["component"]: each["state"] for each in self.runtime.call("gg_health", "list")}
            except BusError:
                return {"": "away"}

        wait_until(states, lambda seen: all(state in ("RUNNING", "BROKEN") for state in seen.values()), PATIENCE)

    def fingerprint(self) -> dict[str, Any]:
        """Everything that a deployment decides."""
        services = self.runtime.call("gg_config", "read", {"key_path": ["services"]})
        units = self.runtime.call("gg_host", "list")
        generations = self.runtime.call("gg_deployment", "generations")
        packages = self.runtime.root.packages
        return {
            "services": services,
            "units": {each["name"]: (each["revision"], each["active_state"]) for each in units if each["component"]},
            "files": {
                str(path.relative_to(packages)): (digest(path), path.stat().st_mode)
                for path in sorted(packages.rglob("*"))
                if path.is_file() and "kept" not in path.parts and not path.name.startswith(".")
            },
            "generations": [(each["number"], each["parent"], each["current"], each["good"]) for each in generations],
            "left": self.left(),
        }

    def left(self) -> list[str]:
        """What stays for deployments that are not over and cleared up after; the last thing that goes."""
        return [path.name for path in (self.runtime.root.state / "deployments").glob("*")]

    def done_once(self, component: str, file: str) -> int:
        path = self.runtime.root.work / component / file
        return len(path.read_text().splitlines()) if path.exists() else 0


def recipe(
    folder: Path, name: str, version: str, lifecycle: str, defaults: str = "{}", needs: str = "", archive: str = ""
) -> None:
    recipes = folder / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    artifacts = "[]"
    if archive:
        artifacts = "[{URI: 's3://bucket/stuff.zip', Unarchive: ZIP}]"
        path = folder / "artifacts" / name / version / "stuff.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("inside", archive)
    dependencies = f"ComponentDependencies: {{{needs}: {{VersionRequirement: '*'}}}}\n" if needs else ""
    (recipes / f"{name}.yaml").write_text(
        f"RecipeFormatVersion: '2020-01-25'\nComponentName: {name}\nComponentVersion: {version}\n{dependencies}"
        f"ComponentConfiguration: {{DefaultConfiguration: {defaults}}}\n"
        f"Manifests: [{{Artifacts: {artifacts}, Lifecycle: {lifecycle}}}]\n"
    )


def artifact(folder: Path, name: str, version: str, file: str, content: str) -> None:
    path = folder / "artifacts" / name / version / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def folders(folder: Path) -> dict[str, str]:
    return {
        "recipe_directory_path": str(folder / "recipes"),
        "artifacts_directory_path": str(folder / "artifacts"),
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:
        lab = Lab(Path(directory))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", str(Path(__file__).parent / "faults"), prepend=os.pathsep)
            patch.setenv("GGL_TEST_FAULT", str(lab.fault))
            lab.prepare()
            yield lab
            lab.runtime.down()


@pytest.fixture(scope="module")
def references(lab: Lab) -> dict[str, dict[str, Any]]:
    """What the device becomes when nothing happens."""
    found = {}
    for outcome, status in (("good", "SUCCESSFUL"), ("bad", "FAILED_ROLLBACK_COMPLETE")):
        lab.begin()
        before = lab.fingerprint()
        lab.deploy(outcome)
        assert lab.wait()["detailed_status"] == status
        lab.settle()
        wait_until(lab.left, lambda left: not left, PATIENCE)
        found[outcome] = lab.fingerprint()
        lab.runtime.down()
        found["old"] = before
    assert {**found["bad"], "generations": 0} == {**found["old"], "generations": 0}
    assert found["good"]["services"] != found["old"]["services"]
    return found


def interrupt(lab: Lab, outcome: str, step: str, back: bool, when: str, victim: str, **more: str) -> dict[str, Any]:
    """Do the deployment with one crash; what became of it."""
    lab.begin()
    lab.fault.write_text(json.dumps({"step": step, "back": back, "when": when, "victim": victim}))
    lab.deploy(outcome, **more)
    done = lab.fault.with_name("fault.done")
    wait_until(done.exists, seconds=PATIENCE)
    victims = json.loads(done.read_text())
    wait_until(lambda: [pid for pid in victims if alive(pid)], lambda left: not left)
    lab.runtime.up()
    deployment = lab.wait()
    lab.settle()
    wait_until(lab.left, lambda left: not left, PATIENCE)
    return deployment


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "back"), FORWARD)
def test_a_deployment_that_is_interrupted_is_completed(
    lab: Lab, references: dict[str, dict[str, Any]], step: str, back: bool, when: str, victim: str
) -> None:
    deployment = interrupt(lab, "good", step, back, when, victim)
    try:
        assert deployment["detailed_status"] == "SUCCESSFUL", deployment["cause"]
        assert lab.fingerprint() == references["good"]
        assert lab.done_once("Old", "uninstalled") in (1, 2)
        assert lab.done_once("Base", "bootstrapped") in (1, 2)
    finally:
        lab.runtime.down()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "back"), BACK)
def test_a_way_back_that_is_interrupted_is_completed(
    lab: Lab, references: dict[str, dict[str, Any]], step: str, back: bool, when: str, victim: str
) -> None:
    deployment = interrupt(lab, "bad", step, back, when, victim)
    try:
        assert deployment["detailed_status"] == "FAILED_ROLLBACK_COMPLETE", deployment["cause"]
        assert deployment["broken"] == ["New"]
        assert lab.fingerprint() == references["bad"]
    finally:
        lab.runtime.down()


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize(("step", "back"), NOTIFIED)
def test_a_deployment_that_is_interrupted_while_it_asks_is_completed(
    lab: Lab, references: dict[str, dict[str, Any]], step: str, back: bool, victim: str
) -> None:
    deployment = interrupt(lab, "good", step, back, "after", victim, action="NOTIFY_COMPONENTS")
    try:
        assert deployment["detailed_status"] == "SUCCESSFUL", deployment["cause"]
        assert lab.fingerprint() == references["good"]
    finally:
        lab.runtime.down()


@pytest.mark.parametrize("how", ["full", "late"])
@pytest.mark.parametrize(("step", "back"), [*FORWARD, *BACK])
def test_a_write_that_is_refused_or_whose_answer_is_lost_ends_well(
    lab: Lab, references: dict[str, dict[str, Any]], step: str, back: bool, how: str
) -> None:
    deployment = interrupt(lab, "bad" if back else "good", step, back, how, "")
    try:
        seen = lab.fingerprint()
        if deployment["status"] == "SUCCEEDED":
            assert not back
            assert seen == references["good"]
        else:
            # A store that had no room for a moment may have been reason enough to go back; never to stay between.
            allowed = ("FAILED_ROLLBACK_COMPLETE",) if back else ("FAILED_ROLLBACK_COMPLETE", "FAILED_NO_STATE_CHANGE")
            assert deployment["detailed_status"] in allowed, deployment["cause"]
            assert how == "full" or back, "an answer that comes late is no failure"
            assert {**seen, "generations": 0} == {**references["old"], "generations": 0}
    finally:
        lab.runtime.down()
