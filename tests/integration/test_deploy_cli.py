"""Deployments, rollbacks and dry runs through the ``ggl`` command, with a real runtime.

The tests build on each other's generations as little as they can: each makes what it goes back from.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.test_cli import Ggl

NAME = "com.example.Thing"
RECIPE = """\
RecipeFormatVersion: "2020-01-25"
ComponentName: {name}
ComponentVersion: "{version}"
ComponentConfiguration: {{DefaultConfiguration: {{rate: 1}}}}
Manifests:
  - Lifecycle: {{{step}: "sh {{artifacts:path}}/main.sh"}}
"""


def save(file: Path, text: str) -> None:
    """All at once, so that nobody finds half of it."""
    new = file.parent.with_name(f"{file.parent.name}-{file.name}.new")
    new.write_text(text)
    new.rename(file)


def write(folder: Path, script: str, version: str, name: str = NAME, step: str = "run") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name, version=version, step=step))
    (folder / "main.sh").write_text(script + "\n")
    return folder


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture
def ggl(shared: Runtime) -> Ggl:
    return Ggl(shared.root.state)


@pytest.fixture
def folder(ggl: Ggl, tmp_path: Path) -> Path:
    """A component in version 1.0.0, which runs."""
    folder = write(tmp_path / "thing", "echo first; exec sleep 1000", "1.0.0")
    ggl("deploy", "local", folder, "--config", '{"rate": 1}')
    return folder


def current(ggl: Ggl) -> dict[str, Any]:
    (one,) = [each for each in ggl("rollback", "--list", "--json").json if each["current"]]
    return one


def version(ggl: Ggl, name: str = NAME) -> str:
    return {each["component"]: each["version"] for each in ggl("component", "list", "--json").json}.get(name, "")


def test_an_update_goes_back_and_forward_again(ggl: Ggl, folder: Path) -> None:
    first = current(ggl)
    write(folder, "echo second; exec sleep 1000", "2.0.0")
    words = ["deploy", "local", folder, "--config", '{"rate": 2}']
    preview = ggl(*words, "--dry-run", "--json").json
    assert [(each["action"], each["from"], each["to"]) for each in preview["components"]] == [
        ("update", "1.0.0", "2.0.0")
    ]
    assert {"component": NAME, "key": "/rate", "from": 1, "to": 2} in preview["configuration"]
    assert preview["roots"]["changed"] == {NAME: ["1.0.0", "2.0.0"]}
    assert version(ggl) == "1.0.0"  # nothing has changed
    assert "2.0.0" in ggl(*words, "--dry-run").out

    done = ggl(*words, "--json").json
    second = current(ggl)
    assert done["generation"] == second["number"] != first["number"]
    assert (version(ggl), ggl("config", "get", f"{NAME}/rate").out) == ("2.0.0", "2\n")

    back = ggl("rollback", "--dry-run", "--json").json
    assert back["to"] == first["number"]
    assert ggl("rollback").out.splitlines()[-1].startswith("rollback ")
    assert current(ggl)["number"] == first["number"]
    assert (version(ggl), ggl("config", "get", f"{NAME}/rate").out) == ("1.0.0", "1\n")

    ggl("rollback", "--to", str(second["number"]))
    assert (version(ggl), ggl("config", "get", f"{NAME}/rate").out) == ("2.0.0", "2\n")
    assert ggl("deploy", "show", "last", "--json").json["type"] == "ROLLBACK"


def test_a_deployment_that_fails_goes_back_when_it_is_told_to(ggl: Ggl, folder: Path) -> None:
    write(folder, "echo no sensor; exit 3", "3.0.0", step="startup")
    failed = ggl("deploy", "local", folder, "--rollback", code=8)
    assert any(line.startswith("going back to what ran before: ") for line in failed.out.splitlines())
    assert "no sensor" in failed.err
    assert "what ran before runs again" in failed.err.splitlines()[-1]
    last = ggl("deploy", "show", "last", "--json").json
    assert (last["status"], last["detailed_status"]) == ("FAILED", "FAILED_ROLLBACK_COMPLETE")
    assert version(ggl) == "1.0.0"
    ggl("status")  # nothing is broken


def test_a_deployment_that_was_left_as_it_failed_can_be_taken_back(ggl: Ggl, folder: Path) -> None:
    before = current(ggl)["number"]
    write(folder, "exit 3", "4.0.0", step="startup")
    assert "as the failure left it" in ggl("deploy", "local", folder, code=8).err
    assert version(ggl) == "4.0.0"
    assert ggl("rollback", "--json").json["status"] == "SUCCEEDED"
    assert (current(ggl)["number"], version(ggl)) == (before, "1.0.0")


def test_one_component_alone_goes_back(ggl: Ggl, folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", "exec sleep 1000", "1.0.0", "com.example.Other")
    ggl("deploy", "local", other)
    write(folder, "exec sleep 1000", "5.0.0")
    write(other, "exec sleep 1000", "5.0.0", "com.example.Other")
    ggl("deploy", "local", folder, other)
    ggl("rollback", "--component", NAME)
    assert (version(ggl), version(ggl, "com.example.Other")) == ("1.0.0", "5.0.0")
    ggl("component", "remove", "com.example.Other")


def test_a_document_of_the_cloud_is_deployed(ggl: Ggl, folder: Path) -> None:
    document = {
        "targetArn": "arn:aws:iot:eu-west-1:111122223333:thinggroup/heaters",
        "components": {NAME: {"componentVersion": "1.0.0", "configurationUpdate": {"merge": '{"rate": 7}'}}},
        "deploymentPolicies": {"failureHandlingPolicy": "DO_NOTHING"},
    }
    text = json.dumps(document)
    preview = ggl("deploy", "file", "-", "--dry-run", "--json", stdin=text).json
    assert preview["roots"]["group"] == "thinggroup/heaters"
    done = ggl("deploy", "file", "-", "--json", stdin=text).json
    assert (done["status"], done["group"], done["policy"]) == ("SUCCEEDED", "thinggroup/heaters", "DO_NOTHING")
    assert ggl("config", "get", f"{NAME}/rate").out == "7\n"
    ggl("deploy", "file", "-", stdin=json.dumps({**document, "components": {}}))
    document["components"] = {NAME: {"componentVersion": "latest"}}
    assert "latest" in ggl("deploy", "file", "-", stdin=json.dumps(document), code=5).err


def test_a_deployment_that_waits_is_canceled_and_one_that_changes_things_is_not(ggl: Ggl, tmp_path: Path) -> None:
    name = "com.example.Gated"
    script = f"until test -e {tmp_path}/gate; do sleep 0.05; done"
    gated = write(tmp_path / "gated", script, "1.0.0", name, step="startup")
    first = ggl("deploy", "local", gated, "--no-wait", "--json").json["deployment_id"]
    second = ggl("deploy", "local", "--config", "{}", "-c", f"{name}=1.0.0", "--no-wait", "--json").json
    assert ggl("deploy", "cancel", second["deployment_id"], "--json").json["status"] == "CANCELED"
    wait_until(lambda: ggl("deploy", "show", first, "--json").json["step"], lambda step: step == "wait")
    assert "cannot be canceled" in ggl("deploy", "cancel", first[:13], code=5).err
    (tmp_path / "gate").touch()
    assert ggl("deploy", "wait", first, "--json").json["status"] == "SUCCEEDED"
    ggl("component", "remove", name)


def test_the_time_to_be_up_is_the_deployments_own(ggl: Ggl, tmp_path: Path) -> None:
    slow = write(tmp_path / "slow", "sleep 1000", "1.0.0", "com.example.Slow", step="startup")
    ggl("deploy", "local", slow, "--timeout", "0.5", "--policy", "ROLLBACK", code=8)
    assert version(ggl, "com.example.Slow") == ""


def test_watch_deploys_what_is_saved_until_ctrl_c(ggl: Ggl, folder: Path, shared: Runtime) -> None:
    with ggl.begin("deploy", "local", folder, "--watch", "--json") as watching:
        assert watching.stdout
        assert json.loads(watching.stdout.readline())["deployment"]["status"] == "SUCCEEDED"
        save(folder / "main.sh", "echo saved; exec sleep 1000\n")
        saved = json.loads(watching.stdout.readline())
        assert saved["changed"] == [str(folder / "main.sh")]
        assert saved["deployment"]["changed"] == [NAME]
        save(folder / "recipe.yaml", "}")
        assert json.loads(watching.stdout.readline())["error"]["code"] == "INVALID"
        watching.send_signal(signal.SIGINT)
        _, error = watching.communicate()
    assert (watching.returncode, error) == (130, "")
    wait_until(lambda: "saved" in shared.log(NAME))


def test_there_is_no_such_generation(ggl: Ggl, folder: Path) -> None:
    assert ggl("rollback", "--to", "999999", code=4).err.count("\n") == 1
    assert ggl("rollback", "--component", "com.example.None", code=4).err.count("\n") == 1
    assert ggl("rollback", "--to", "999999", "--dry-run", "--json", code=4).error["code"] == "NOENTRY"
