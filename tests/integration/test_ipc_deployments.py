"""Components that request, follow and cancel local deployments with the official SDK, and those that are asked before
deployments touch them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    ConfigurationValidityReport,
    ConfigurationValidityStatus,
    DeploymentStatus,
    DetailedDeploymentStatus,
    FailureHandlingPolicy,
    InvalidArgumentsError,
    InvalidArtifactsDirectoryPathError,
    InvalidRecipeDirectoryPathError,
    LocalDeployment,
    ResourceNotFoundError,
    RunWithInfo,
    ServiceError,
    SystemResourceLimits,
    UnauthorizedError,
)

from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.ipc_clients import Components, Events, wait_until_left

OPERATOR, METER = "com.example.Operator", "com.example.Meter"
FINAL = (DeploymentStatus.SUCCEEDED, DeploymentStatus.FAILED, DeploymentStatus.CANCELED)
SECONDS = 120.0
"""How long a deployment may take; 600 seconds are given to components that are asked."""


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture
def components(runtime: Runtime) -> Iterator[Components]:
    with Components(runtime) as components:
        yield components
    wait_until_left(runtime)


@pytest.fixture
def operator(runtime: Runtime, components: Components) -> GreengrassCoreIPCClientV2:
    policy = {"operations": ["*"], "resources": ["*"]}
    configuration = {"accessControl": {"aws.greengrass.Cli": {"p": policy}}}
    value = {"configuration": configuration}
    runtime.call("gg_config", "write", {"key_path": ["services", OPERATOR], "value": value})
    return connect(runtime, components, OPERATOR)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Write a recipe and an artifact; the result are members of a request."""

    def write(name: str, version: str, lifecycle: dict[str, Any], **recipe: Any) -> dict[str, str]:
        recipes, artifacts = tmp_path / "recipes", tmp_path / "artifacts" / name / version
        recipes.mkdir(exist_ok=True)
        artifacts.mkdir(parents=True)
        (artifacts / "data.txt").write_text(f"data of {version}\n")
        manifest = {"Lifecycle": lifecycle, "Artifacts": [{"URI": "s3://b/data.txt"}]}
        text = {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "Manifests": [manifest],
            **recipe,
        }
        (recipes / f"{name}-{version}.json").write_text(json.dumps(text))
        return {"recipe_directory_path": str(recipes), "artifacts_directory_path": str(tmp_path / "artifacts")}

    return write


def connect(runtime: Runtime, components: Components, name: str) -> GreengrassCoreIPCClientV2:
    return components.connect(runtime.call("gg_ipc", "token", {"component": name}))


def status(operator: GreengrassCoreIPCClientV2, deployment_id: str) -> LocalDeployment:
    deployment = operator.get_local_deployment_status(deployment_id=deployment_id).deployment
    assert deployment is not None
    return deployment


def outcome(operator: GreengrassCoreIPCClientV2, deployment_id: str | None) -> LocalDeployment:
    assert deployment_id is not None
    return wait_until(lambda: status(operator, deployment_id), lambda deployment: deployment.status in FINAL, SECONDS)


def deployed(runtime: Runtime, name: str) -> Any:
    return runtime.call("gg_config", "read", {"key_path": ["services", name]})


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_component_is_deployed_configured_and_removed(
    runtime: Runtime, operator: GreengrassCoreIPCClientV2, project: Callable[..., dict[str, str]]
) -> None:
    folders = project(
        METER,
        "1.0.0",
        {"run": "cat {artifacts:path}/data.txt; exec sleep 1000"},
        ComponentConfiguration={"DefaultConfiguration": {"a": 1, "b": 1}},
    )
    answer = operator.create_local_deployment(
        root_component_versions_to_add={METER: "1.0.0"},
        component_to_configuration={METER: {"MERGE": {"c": 1}, "RESET": ["/b"]}},
        component_to_run_with_info={METER: RunWithInfo(system_resource_limits=SystemResourceLimits(memory=1 << 20))},
        **folders,
    )
    done = outcome(operator, answer.deployment_id)
    assert (done.deployment_id, done.status) == (answer.deployment_id, DeploymentStatus.SUCCEEDED)
    assert re.fullmatch(r"\d\d-\d\d-\d{4} \d\d:\d\d:\d\d UTC", done.created_on or "")
    details = done.deployment_status_details
    assert details is not None
    assert details.detailed_deployment_status == DetailedDeploymentStatus.SUCCESSFUL
    assert deployed(runtime, METER)["configuration"] == {"a": 1, "b": 1, "c": 1}
    wait_until(lambda: runtime.log(METER), lambda log: "data of 1.0.0" in log)

    # The C runtime reads values that are JSON text, too; an empty request changes nothing.
    answer = operator.create_local_deployment(component_to_configuration={METER: '{"merge": {"a": 2}}'})  # type: ignore[dict-item]
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED
    answer = operator.create_local_deployment()
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED
    assert deployed(runtime, METER)["configuration"]["a"] == 2

    answer = operator.create_local_deployment(root_components_to_remove=[METER])
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED
    assert METER not in runtime.call("gg_config", "list", {"key_path": ["services"]})
    listed = (operator.list_local_deployments().local_deployments or [])[-4:]
    assert [each.status for each in listed] == [DeploymentStatus.SUCCEEDED] * 4
    assert listed[-1].deployment_id == answer.deployment_id
    assert all(each.created_on and each.deployment_status_details is None for each in listed)
    requested = runtime.call("gg_deployment", "get", {"deployment_id": answer.deployment_id})
    assert requested["requested_by"] == OPERATOR


@pytest.mark.parametrize(
    ("policy", "expected", "left"),
    [
        (None, DetailedDeploymentStatus.FAILED_ROLLBACK_NOT_REQUESTED, "2.0.0"),
        (FailureHandlingPolicy.ROLLBACK, DetailedDeploymentStatus.FAILED_ROLLBACK_COMPLETE, "1.0.0"),
    ],
)
def test_a_deployment_that_fails(
    runtime: Runtime,
    operator: GreengrassCoreIPCClientV2,
    project: Callable[..., dict[str, str]],
    policy: str | None,
    expected: str,
    left: str,
) -> None:
    good = project(METER, "1.0.0", {"run": "exec sleep 1000"})
    answer = operator.create_local_deployment(root_component_versions_to_add={METER: "1.0.0"}, **good)
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED
    bad = project(METER, "2.0.0", {"startup": "exit 3"})
    answer = operator.create_local_deployment(
        root_component_versions_to_add={METER: "2.0.0"}, failure_handling_policy=policy, **bad
    )
    failed = outcome(operator, answer.deployment_id)
    details = failed.deployment_status_details
    assert failed.status == DeploymentStatus.FAILED
    assert details is not None
    assert details.detailed_deployment_status == expected
    assert (details.deployment_error_stack or [])[0] == "DEPLOYMENT_FAILURE"
    assert details.deployment_error_types
    assert METER in (details.deployment_failure_cause or "")
    assert deployed(runtime, METER)["version"] == left
    answer = operator.create_local_deployment(root_components_to_remove=[METER])
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED


def test_requests_that_cannot_be(runtime: Runtime, operator: GreengrassCoreIPCClientV2, tmp_path: Path) -> None:
    create = operator.create_local_deployment
    before = len(operator.list_local_deployments().local_deployments or [])
    with pytest.raises(InvalidArgumentsError):
        create(group_name="a:b")
    with pytest.raises(InvalidArgumentsError):
        create(root_component_versions_to_add={"../up": "1.0.0"})
    with pytest.raises(InvalidArgumentsError):
        create(failure_handling_policy="PANIC")
    with pytest.raises(ServiceError) as caught:
        create(component_to_configuration={METER: {"MERGE": 1}})
    assert (caught.value.message or "").startswith("Invalid componentToConfiguration value.")
    for path in "relative", str(tmp_path / "nowhere"):
        with pytest.raises(InvalidRecipeDirectoryPathError):
            create(recipe_directory_path=path)
    for path in "relative", str(tmp_path / "nowhere"), str(runtime.root.state), str(runtime.root.artifacts):
        with pytest.raises(InvalidArtifactsDirectoryPathError):
            create(artifacts_directory_path=path)
    assert len(operator.list_local_deployments().local_deployments or []) == before


def test_ids_that_are_none(operator: GreengrassCoreIPCClientV2) -> None:
    for call in operator.get_local_deployment_status, operator.cancel_local_deployment:
        with pytest.raises(InvalidArgumentsError) as invalid:
            call(deployment_id="latest")
        assert invalid.value.message == "Invalid deploymentId format received. DeploymentId is a UUID"
        unknown_id = str(uuid4())
        with pytest.raises(ResourceNotFoundError) as unknown:
            call(deployment_id=unknown_id)
        assert (unknown.value.resource_type, unknown.value.resource_name) == ("LocalDeployment", unknown_id)


def test_who_is_not_allowed(runtime: Runtime, components: Components) -> None:
    stranger = connect(runtime, components, "com.example.Stranger")
    for call in (
        stranger.create_local_deployment,
        stranger.list_local_deployments,
        lambda: stranger.get_local_deployment_status(deployment_id=str(uuid4())),
        lambda: stranger.cancel_local_deployment(deployment_id=str(uuid4())),
    ):
        with pytest.raises(UnauthorizedError):
            call()


def test_deployments_are_cancelled(
    runtime: Runtime, operator: GreengrassCoreIPCClientV2, project: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    folders = project(METER, "1.0.0", {"startup": f"while ! test -e {go}; do sleep 0.05; done"})
    busy = operator.create_local_deployment(root_component_versions_to_add={METER: "1.0.0"}, **folders).deployment_id
    assert busy is not None
    wait_until(
        lambda: runtime.call("gg_deployment", "get", {"deployment_id": busy}),
        lambda one: one["step"] in ("start", "wait"),
        SECONDS,
    )
    waiting = operator.create_local_deployment().deployment_id
    assert waiting is not None
    assert status(operator, waiting).status == DeploymentStatus.QUEUED
    message = operator.cancel_local_deployment(deployment_id=waiting).message
    assert message == f"Cancel request submitted. Deployment ID: {waiting}"
    assert outcome(operator, waiting).status == DeploymentStatus.CANCELED
    message = operator.cancel_local_deployment(deployment_id=waiting).message
    assert message == "Cancellation request is not processed because deployment is already finished"
    too_late = operator.cancel_local_deployment(deployment_id=busy).message or ""
    assert too_late.startswith("Cancellation request is not processed: ")
    go.touch()
    assert outcome(operator, busy).status == DeploymentStatus.SUCCEEDED
    answer = operator.create_local_deployment(root_components_to_remove=[METER])
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED


# -- being asked -------------------------------------------------------------------------------------------------------


@pytest.fixture
def meter(
    runtime: Runtime,
    components: Components,
    operator: GreengrassCoreIPCClientV2,
    project: Callable[..., dict[str, str]],
) -> Iterator[GreengrassCoreIPCClientV2]:
    """A deployed component; what it does over IPC happens here."""
    defaults = {"ComponentConfiguration": {"DefaultConfiguration": {"a": 1}}}
    folders = project(METER, "1.0.0", {"run": "exec sleep 1000"}, **defaults)
    answer = operator.create_local_deployment(root_component_versions_to_add={METER: "1.0.0"}, **folders)
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED
    yield connect(runtime, components, METER)
    answer = operator.create_local_deployment(root_components_to_remove=[METER])
    assert outcome(operator, answer.deployment_id).status == DeploymentStatus.SUCCEEDED


def request_deployment(runtime: Runtime, merge: dict[str, Any], **policies: Any) -> str:
    """A deployment document, as the cloud sends them, that changes the configuration of the meter."""
    deployment_id = str(uuid4())
    document = {
        "deploymentId": deployment_id,
        "groupName": "LOCAL_DEPLOYMENT",
        "creationTimestamp": runtime.call("gg_host", "info")["started_ms"] + 3_600_000,
        "components": {METER: {"version": "1.0.0", "configurationUpdate": {"merge": merge}}},
        "configurationValidationPolicy": {"timeout": 600},
        **policies,
    }
    answer: dict[str, str] = runtime.call("gg_deployment", "create_deployment", {"document": document})
    return answer["deployment_id"]


def final(runtime: Runtime, deployment_id: str) -> dict[str, Any]:
    return wait_until(
        lambda: runtime.call("gg_deployment", "get", {"deployment_id": deployment_id}),
        lambda deployment: deployment["status"] in (*FINAL, "REJECTED"),
        SECONDS,
    )


def test_a_deployment_waits_until_a_component_agrees(runtime: Runtime, meter: GreengrassCoreIPCClientV2) -> None:
    events = Events()
    meter.subscribe_to_component_updates(**events.handlers())
    deployment_id = request_deployment(
        runtime, {"a": 2}, componentUpdatePolicy={"action": "NOTIFY_COMPONENTS", "timeout": 600}
    )
    for delay in 50, 0:
        event = events.next().pre_update_event
        assert (event.deployment_id, event.is_ggc_restarting) == (deployment_id, False)
        assert deployed(runtime, METER)["configuration"]["a"] == 1
        meter.defer_component_update(deployment_id=deployment_id, recheck_after_ms=delay, message="measuring")
    assert events.next().post_update_event.deployment_id == deployment_id
    assert final(runtime, deployment_id)["status"] == "SUCCEEDED"
    assert deployed(runtime, METER)["configuration"]["a"] == 2


def test_a_deployment_asks_again_when_the_one_who_asks_is_killed(
    runtime: Runtime, meter: GreengrassCoreIPCClientV2
) -> None:
    events = Events()
    meter.subscribe_to_component_updates(**events.handlers())
    deployment_id = request_deployment(
        runtime, {"a": 2}, componentUpdatePolicy={"action": "NOTIFY_COMPONENTS", "timeout": 600}
    )
    for _ in range(3):
        assert events.next().pre_update_event.deployment_id == deployment_id
        runtime.kill(runtime.pid_of("consentd"))
    assert events.next().pre_update_event.deployment_id == deployment_id
    assert deployed(runtime, METER)["configuration"]["a"] == 1
    meter.defer_component_update(deployment_id=deployment_id, recheck_after_ms=0)
    assert final(runtime, deployment_id)["status"] == "SUCCEEDED"
    assert not events.errors


def test_a_component_rejects_and_accepts_a_configuration(runtime: Runtime, meter: GreengrassCoreIPCClientV2) -> None:
    events = Events()
    meter.subscribe_to_validate_configuration_updates(**events.handlers())
    for value, verdict in (
        (7, ConfigurationValidityStatus.REJECTED),
        (3, ConfigurationValidityStatus.ACCEPTED),
    ):
        deployment_id = request_deployment(
            runtime, {"a": value}, componentUpdatePolicy={"action": "SKIP_NOTIFY_COMPONENTS"}
        )
        event = events.next().validate_configuration_update_event
        assert (event.deployment_id, event.configuration) == (deployment_id, {"a": value})
        report = ConfigurationValidityReport(status=verdict, deployment_id=deployment_id, message="7 is too much")
        meter.send_configuration_validity_report(configuration_validity_report=report)
        done = final(runtime, deployment_id)
        if verdict == ConfigurationValidityStatus.ACCEPTED:
            assert done["status"] == "SUCCEEDED"
            assert deployed(runtime, METER)["configuration"]["a"] == 3
        else:
            assert (done["status"], done["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE")
            assert done["error_stack"] == ["DEPLOYMENT_FAILURE", "COMPONENT_CONFIGURATION_NOT_VALID"]
            assert "7 is too much" in done["cause"]
            assert deployed(runtime, METER)["configuration"]["a"] == 1
