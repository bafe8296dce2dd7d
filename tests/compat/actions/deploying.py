"""Deployments: those that there are, what they ask components, and components that are deployed to try their client."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from tests.compat.actions.messages import json_event, listen
from tests.compat.case import Action, fits
from tests.compat.clients import TIMEOUT
from tests.compat.scene import Scene
from tests.integration.conftest import wait_until


def folders(component: str = "com.example.Deployed", lifecycle: str = "{run: 'exec sleep 1000'}") -> Action:
    """Folders as a developer has them: ``{recipes}`` and ``{artifacts}``; ``{nowhere}`` is none.

    ``lifecycle`` may name them.
    """

    def do(scene: Scene) -> None:
        directory = Path(scene.stack.enter_context(tempfile.TemporaryDirectory(prefix="compat-")))
        for name in "recipes", "artifacts":
            (directory / name).mkdir()
            scene.names[name] = str(directory / name)
        scene.names["nowhere"] = str(directory / "nowhere")
        (directory / "recipes" / f"{component}-1.0.0.yaml").write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {component}\nComponentVersion: 1.0.0\n"
            f"ComponentConfiguration: {{DefaultConfiguration: {{a: 1, b: 1}}}}\n"
            f"Manifests: [{{Platform: {{os: linux}}, Lifecycle: {scene.fill(lifecycle)}}}]\n"
        )

    return do


HELD = "{install: 'while [ -d {artifacts} ] && [ ! -e {artifacts}/go ]; do sleep 0.1; done'}"
"""A lifecycle whose installation is not over before somebody lets it: ``let_go``."""


def let_go(scene: Scene) -> None:
    Path(scene.names["artifacts"], "go").touch()


def a_deployment(over: bool = True) -> Action:
    """A local deployment that does nothing: ``{deployment}``."""

    def do(scene: Scene) -> None:
        deployment_id = scene.bus("gg_deployment", "create_local_deployment")["deployment_id"]
        scene.names["deployment"] = deployment_id
        if over:
            deployment_over("{deployment}", "SUCCEEDED")(scene)

    return do


def deployment_over(deployment: str, status: str) -> Action:
    def read(scene: Scene) -> str:
        found: str = scene.bus("gg_deployment", "get", deployment_id=scene.fill(deployment))["status"]
        return found

    def do(scene: Scene) -> None:
        over = ("SUCCEEDED", "FAILED", "REJECTED", "CANCELED")
        assert wait_until(lambda: read(scene), lambda now: now in over, 2 * TIMEOUT) == status

    return do


def round_of(method: str, keep: str = "round", **params: Any) -> Action:
    """A deployment asks the components that subscribed: ``pre_update`` or ``validate``."""

    def do(scene: Scene) -> None:
        client = scene.stack.enter_context(scene.runtime.client("gg_consent"))
        scene.values[keep] = client.subscribe(method, scene.fill(params))

    return do


def round_result(expected: Any, keep: str = "round") -> Action:
    def do(scene: Scene) -> None:
        found = scene.values[keep].next(TIMEOUT)
        assert fits(scene.fill(expected), found), found

    return do


def as_a_component(by_name: bool = False) -> Action:
    """A component that is written with this client is deployed; it finds the runtime by its environment alone.

    ``by_name``: it shows no token but says its name.
    """

    def do(scene: Scene) -> None:
        name = f"{scene.names['me']}.Probe"
        topic = f"probe/{name}"
        command = f"{scene.client.probe} {topic}" + (f" {name}" if by_name else "")
        listen(topic)(scene)
        folder = Path(scene.stack.enter_context(tempfile.TemporaryDirectory(prefix="compat-")))
        policy = {"operations": ["aws.greengrass#PublishToTopic"], "resources": [topic]}
        recipe = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": "1.0.0",
            "ComponentConfiguration": {
                "DefaultConfiguration": {
                    "greeting": "hello, ü",
                    "accessControl": {"aws.greengrass.ipc.pubsub": {"p": policy}},
                }
            },
            "Manifests": [{"Lifecycle": {"run": command}}],
        }
        (folder / f"{name}-1.0.0.json").write_text(json.dumps(recipe))
        add = {name: "1.0.0"}
        scene.bus(
            "gg_deployment",
            "create_local_deployment",
            recipe_directory_path=str(folder),
            root_component_versions_to_add=add,
        )
        scene.stack.callback(scene.bus, "gg_deployment", "create_local_deployment", root_components_to_remove=[name])
        item = scene.values["listener"].next(2 * TIMEOUT)
        assert item == {"topic": topic, "payload": json_event(topic, {"greeting": "hello, ü"}), "publisher": name}

    return do
