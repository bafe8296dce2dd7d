"""A device that is deployed to: a whole runtime, and the folders of a developer beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ggl.bus import BusError, ErrorCode
from tests.integration.conftest import Runtime, wait_until

NUCLEUS = "services", "aws.greengrass.NucleusLite", "configuration"
USER = *NUCLEUS, "runWithDefault", "posixUser"
SLEEP = "{run: 'exec sleep 1000'}"
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")
PATIENCE = 180.0
"""Seconds for what happens by itself, also on a machine that has much else to do."""


class Device:
    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.recipes = folder / "recipes"
        self.artifacts = folder / "artifacts"
        self.recipes.mkdir()
        self.artifacts.mkdir()

    # -- what is deployed --------------------------------------------------------------------------------------------

    def recipe(
        self,
        name: str,
        lifecycle: str,
        version: str = "1.0.0",
        depends: Mapping[str, str] | None = None,
        defaults: str = "{}",
        artifacts: tuple[str, ...] = (),
    ) -> None:
        needs = "".join(f'  {other}: {{VersionRequirement: "{range_}"}}\n' for other, range_ in (depends or {}).items())
        uris = ", ".join(f"{{URI: 's3://bucket/{each}'}}" for each in artifacts)
        (self.recipes / f"{name}.yaml").write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {name}\nComponentVersion: {version}\n"
            f"ComponentConfiguration: {{DefaultConfiguration: {defaults}}}\n"
            + (f"ComponentDependencies:\n{needs}" if needs else "")
            + f"Manifests:\n  - Platform: {{os: linux}}\n    Artifacts: [{uris}]\n    Lifecycle: {lifecycle}\n"
        )

    def artifact(self, name: str, file: str, content: str, version: str = "1.0.0") -> None:
        path = self.artifacts / name / version / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    # -- deployments -------------------------------------------------------------------------------------------------

    def submit(self, add: Mapping[str, str] | None = None, remove: tuple[str, ...] = (), **more: Any) -> str:
        params = {
            "recipe_directory_path": str(self.recipes),
            "artifacts_directory_path": str(self.artifacts),
            "root_component_versions_to_add": dict(add or {}),
            "root_components_to_remove": list(remove),
            **more,
        }
        identifier: str = self.runtime.call("gg_deployment", "create_local_deployment", params)["deployment_id"]
        return identifier

    def submit_document(self, components: Mapping[str, Any], deployment_id: str, **more: Any) -> str:
        """A deployment document for the group of local deployments, with the recipes and artifacts of the folders."""
        document = {
            "deploymentId": deployment_id,
            "groupName": "LOCAL_DEPLOYMENT",
            "creationTimestamp": 2_000_000_000_000,
            "componentUpdatePolicy": {"action": "SKIP_NOTIFY_COMPONENTS"},
            "components": {
                name: {"version": entry} if isinstance(entry, str) else entry for name, entry in components.items()
            },
            **more,
        }
        params = {
            "document": document,
            "recipe_directory_path": str(self.recipes),
            "artifacts_directory_path": str(self.artifacts),
        }
        identifier: str = self.runtime.call("gg_deployment", "create_deployment", params)["deployment_id"]
        return identifier

    def get(self, deployment_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.runtime.call("gg_deployment", "get", {"deployment_id": deployment_id})
        return found

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.runtime.call("gg_deployment", "cancel", {"deployment_id": deployment_id})
        return answer

    def reaches(self, deployment_id: str, *steps: str) -> dict[str, Any]:
        """Wait until the deployment is at one of ``steps``."""
        return wait_until(lambda: self.get(deployment_id), lambda seen: seen["step"] in steps, PATIENCE)

    def outcome(self, deployment_id: str) -> dict[str, Any]:
        """What is said about the deployment when its stream ends."""
        with self.runtime.client("gg_deployment") as client:
            stream = client.subscribe("subscribe", {"deployment_id": deployment_id}, 60.0)
            seen = [stream.result, *stream]
        last: dict[str, Any] = seen[-1]
        return last

    def outcome_after_all(self, deployment_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The same, where daemons go away in the meantime."""

        def look() -> dict[str, Any]:
            try:
                return self.get(deployment_id)
            except BusError as error:
                return {"status": f"unknown: {error}"}

        return wait_until(look, lambda seen: seen["status"] in OVER, seconds)

    def deploy(self, add: Mapping[str, str] | None = None, remove: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
        return self.outcome(self.submit(add, remove, **more))

    def succeed(self, *add_and_remove: Any, **more: Any) -> dict[str, Any]:
        outcome = self.deploy(*add_and_remove, **more)
        assert outcome["status"] == "SUCCEEDED", outcome
        return outcome

    # -- generations -------------------------------------------------------------------------------------------------

    def rollback(self, **params: Any) -> dict[str, Any]:
        identifier: str = self.runtime.call("gg_deployment", "rollback", params)["deployment_id"]
        return self.outcome(identifier)

    def generations(self) -> dict[int, dict[str, Any]]:
        return {each["number"]: each for each in self.runtime.call("gg_deployment", "generations")}

    def generation(self) -> int:
        """The number of the current one."""
        (current,) = (number for number, each in self.generations().items() if each["current"])
        return current

    # -- what came of it ---------------------------------------------------------------------------------------------

    def health(self) -> dict[str, dict[str, Any]]:
        return {each["component"]: each for each in self.runtime.call("gg_health", "list")}

    def state(self, component: str) -> str:
        state: str = self.health()[component]["state"]
        return state

    def pid(self, component: str) -> int:
        pid: int = self.health()[component]["pid"]
        return pid

    def config(self, *path: str) -> Any:
        try:
            return self.runtime.call("gg_config", "read", {"key_path": ["services", *path]})
        except BusError as error:
            if error.code == ErrorCode.NOENTRY:
                return None
            raise

    def set_config(self, value: Any, *path: str, timestamp: int | None = None) -> None:
        """Write below ``services``, as a component would, or whoever sets up the device."""
        when = {} if timestamp is None else {"timestamp": timestamp}
        self.runtime.call("gg_config", "write", {"key_path": ["services", *path], "value": value, **when})

    def staged(self) -> list[Path]:
        return list((self.runtime.root.state / "deployments").glob("*"))

    def work(self, component: str, file: str) -> str:
        path = self.runtime.root.work / component / file
        return path.read_text() if path.exists() else ""
