"""Deployments of many components: how long they take, and what each component adds to the runtime's memory."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import Any

from ggl.bus import connect
from ggl.paths import Root
from tests.bench import PATIENCE, footprint

COUNT = 200


def figures(root: Root, folder: Path) -> tuple[list[tuple[str, float]], list[tuple[str, float]]]:
    """Seconds by what was done, and KiB of PSS by what was looked at, on a runtime at ``root`` without components."""
    _become_nobodys_root(root)
    empty = _settled(root)
    names = [f"com.example.Small{number:03d}" for number in range(COUNT)]
    for name in names:
        _component(folder, name, "1.0.0", "1")
    first = _deploy(root, folder, dict.fromkeys(names, "1.0.0"))
    during = _sum(root)
    again = _deploy(root, folder, {})
    _component(folder, names[0], "1.0.0", "2")
    one = _deploy(root, folder, {})
    for name in names:
        _component(folder, name, "2.0.0", "1")
    update = _deploy(root, folder, dict.fromkeys(names, "2.0.0"))
    full = _settled(root)
    back = _finish(root, "rollback", {"timeout": 3600})
    removal = _deploy(root, folder, {}, names)
    return [
        (f"{COUNT} new components, to RUNNING", first),
        ("the same again, nothing changed", again),
        (f"a changed file of one of {COUNT}", one),
        (f"another version of all {COUNT}", update),
        ("back to the generation before", back),
        (f"removal of all {COUNT}", removal),
    ], [
        ("runtime without components, settled", empty),
        (f"right after the deployment of {COUNT}", during),
        (f"with {COUNT} components, settled", full),
        ("added by each component", (full - empty) / COUNT),
    ]


def _component(folder: Path, name: str, version: str, content: str) -> None:
    recipes, artifacts = folder / "recipes", folder / "artifacts" / name / version
    recipes.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(parents=True, exist_ok=True)
    (artifacts / "run.sh").write_text(f"# {content}\nexec sleep 1000000\n")
    (recipes / f"{name}.yaml").write_text(
        f"RecipeFormatVersion: '2020-01-25'\nComponentName: {name}\nComponentVersion: {version}\n"
        "ComponentConfiguration: {DefaultConfiguration: {rate: 5, name: small}}\n"
        "Manifests:\n  - Artifacts: [{URI: 's3://bucket/run.sh'}]\n"
        "    Lifecycle: {run: 'exec sh {artifacts:path}/run.sh'}\n"
    )


def _become_nobodys_root(root: Root) -> None:
    """A runtime that is root wants to be told whom components run as."""
    if os.geteuid() == 0:
        path = ["services", "aws.greengrass.NucleusLite", "configuration", "runWithDefault", "posixUser"]
        with connect("gg_config", root, PATIENCE) as client:
            client.call("write", {"key_path": path, "value": pwd.getpwuid(os.geteuid()).pw_name})


def _deploy(root: Root, folder: Path, add: dict[str, str], remove: list[str] | None = None) -> float:
    params = {
        "recipe_directory_path": str(folder / "recipes"),
        "artifacts_directory_path": str(folder / "artifacts"),
        "root_component_versions_to_add": add,
        "root_components_to_remove": remove or [],
    }
    return _finish(root, "create_local_deployment", params)


def _finish(root: Root, method: str, params: dict[str, Any]) -> float:
    """The seconds from the request to the end of the deployment, which must succeed."""
    began = time.perf_counter()
    with connect("gg_deployment", root, 1200.0) as client:
        created = client.call(method, params)
        stream = client.subscribe("subscribe", {"deployment_id": created["deployment_id"]})
        last = [stream.result, *stream][-1]
    assert last["status"] == "SUCCEEDED", last["cause"]
    return time.perf_counter() - began


def _settled(root: Root) -> float:
    return float(sum(pss for _, pss, _ in footprint.at_rest(root)))


def _sum(root: Root) -> float:
    return float(sum(pss for _, pss, _ in footprint.pss(root)))
