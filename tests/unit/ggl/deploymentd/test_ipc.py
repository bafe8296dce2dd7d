"""Local deployments over IPC: what a request becomes, what is shown, and which errors there are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd.ipc import (
    cancel_local_deployment,
    create_local_deployment,
    get_local_deployment_status,
    list_local_deployments,
)
from ggl.deploymentd.record import CANCELED, FAILED, IOT_JOBS, QUEUED, REJECTED, ROLLBACK_TYPE, SUCCEEDED, Deployment
from ggl.ipc.errors import IpcError
from ggl.values import InvalidValue

ID = "0b6a3a1f-3c55-4f0e-9a63-1f6b7f8e9d10"
QUEUED_ONE = Deployment(ID, created=1_763_773_653_999)


class Service:
    """Stands for the daemon's service."""

    def __init__(self, *deployments: Deployment, refusal: Exception | None = None, canceled: bool = True) -> None:
        self.deployments = list(deployments)
        self.refusal = refusal
        self.canceled = canceled
        self.submitted: dict[str, Any] = {}

    def submit_local(self, params: dict[str, Any], trail: str) -> str:
        assert trail == "t"
        if self.refusal is not None:
            raise self.refusal
        self.submitted = params
        return ID

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        return {"canceled": self.canceled, "status": "", "message": "it is being put in place"}

    def known(self, deployment_id: str) -> Deployment | None:
        return next((each for each in self.deployments if each.deployment_id == deployment_id), None)

    def all(self) -> list[Deployment]:
        return self.deployments


def create(request: dict[str, Any], refusal: Exception | None = None) -> dict[str, Any]:
    service = Service(refusal=refusal)
    assert create_local_deployment(service, "com.example.A", request, "t") == {"deploymentId": ID}
    return service.submitted


def test_an_empty_request_is_valid() -> None:
    assert create({}) == {"group_name": "", "requested_by": "com.example.A", "root_components_to_remove": []}


def test_a_full_request_in_the_words_of_the_bus() -> None:
    configuration = {"X": {"MERGE": {"a": 1}, "RESET": ["/b"]}, "Y": '{"merge": "{\\"a\\": 1}"}'}
    run_with = {"X": {"posixUser": "u", "systemResourceLimits": {"memory": 1, "cpus": 0.5}}}
    assert create(
        {
            "groupName": "g",
            "rootComponentVersionsToAdd": {"X": "1.0.0"},
            "rootComponentsToRemove": ["B"],
            "rootComponentVersionsToRemove": ["C"],
            "componentToConfiguration": configuration,
            "componentToRunWithInfo": run_with,
            "recipeDirectoryPath": "/r",
            "artifactsDirectoryPath": "/a",
            "failureHandlingPolicy": "ROLLBACK",
        }
    ) == {
        "group_name": "g",
        "requested_by": "com.example.A",
        "root_component_versions_to_add": {"X": "1.0.0"},
        "root_components_to_remove": ["B", "C"],
        "component_to_configuration": configuration,
        "component_to_run_with_info": run_with,
        "recipe_directory_path": "/r",
        "artifacts_directory_path": "/a",
        "failure_handling_policy": "ROLLBACK",
    }


@pytest.mark.parametrize(
    ("request_", "refusal", "expected"),
    [
        ({"groupName": "a:b"}, None, "InvalidArgumentsError: A group name cannot contain ':'"),
        ({"componentToConfiguration": {"X": 1}}, None, "ServiceError: Invalid componentToConfiguration value. "),
        ({"componentToConfiguration": {"X": "{"}}, None, "ServiceError: Invalid componentToConfiguration value. "),
        ({}, InvalidValue("a component needs a version"), "InvalidArgumentsError: a component needs a version"),
        (
            {"recipeDirectoryPath": "r"},
            InvalidValue("'recipe_directory_path' must be absolute"),
            "InvalidRecipeDirectoryPathError: 'recipeDirectoryPath' must be absolute",
        ),
        (
            {"artifactsDirectoryPath": "a"},
            BusError(ErrorCode.INVALID, "'artifacts_directory_path' must be absolute"),
            "InvalidArtifactsDirectoryPathError: 'artifactsDirectoryPath' must be absolute",
        ),
        ({}, BusError(ErrorCode.BUSY, "too many are waiting"), "ServiceError: too many are waiting"),
    ],
)
def test_what_is_wrong_with_a_request(request_: dict[str, Any], refusal: Exception | None, expected: str) -> None:
    with pytest.raises(IpcError) as caught:
        create(request_, refusal)
    assert str(caught.value).startswith(expected)


def test_the_status_of_a_deployment() -> None:
    def shown(**values: Any) -> dict[str, Any]:
        service = Service(replace(QUEUED_ONE, **values))
        deployment: dict[str, Any] = get_local_deployment_status(service, {"deploymentId": ID})["deployment"]
        return deployment

    summary = {"deploymentId": ID, "status": QUEUED, "createdOn": "22-11-2025 01:07:33 UTC"}
    assert shown() == summary
    assert shown(status=SUCCEEDED, detailed_status="SUCCESSFUL") == {
        **summary,
        "status": "SUCCEEDED",
        "deploymentStatusDetails": {"detailedDeploymentStatus": "SUCCESSFUL"},
    }
    failed = {"error_stack": ("E", "F"), "error_types": ("T",), "cause": "because"}
    told = {"deploymentErrorStack": ["E", "F"], "deploymentErrorTypes": ["T"], "deploymentFailureCause": "because"}
    assert shown(status=FAILED, detailed_status="FAILED_ROLLBACK_COMPLETE", **failed)["deploymentStatusDetails"] == {
        "detailedDeploymentStatus": "FAILED_ROLLBACK_COMPLETE",
        **told,
    }
    # The model has no words for these.
    assert (
        shown(status=FAILED, detailed_status="FAILED_UNABLE_TO_ROLLBACK", **failed)["deploymentStatusDetails"] == told
    )
    assert shown(status=REJECTED)["status"] == "FAILED"


def test_only_local_deployments_are_shown() -> None:
    other = "1" + ID[1:]
    service = Service(replace(QUEUED_ONE, type=IOT_JOBS, deployment_id=other), QUEUED_ONE)
    assert list_local_deployments(service) == {
        "localDeployments": [{"deploymentId": ID, "status": QUEUED, "createdOn": "22-11-2025 01:07:33 UTC"}]
    }
    for hidden in other, "2" + ID[1:]:
        for operation in get_local_deployment_status, cancel_local_deployment:
            with pytest.raises(IpcError) as caught:
                operation(service, {"deploymentId": hidden})
            assert caught.value.members == {"resourceType": "LocalDeployment", "resourceName": hidden}
    assert list_local_deployments(Service(replace(QUEUED_ONE, type=ROLLBACK_TYPE)))["localDeployments"] == []


@pytest.mark.parametrize("deployment_id", [None, "", "latest", ID[:-1], f"{{{ID}}}"])
def test_an_id_that_cannot_be_one(deployment_id: str | None) -> None:
    for operation in get_local_deployment_status, cancel_local_deployment:
        with pytest.raises(IpcError, match="InvalidArgumentsError: Invalid deploymentId format received"):
            operation(Service(QUEUED_ONE), {"deploymentId": deployment_id})


def test_cancelling() -> None:
    def message(service: Service) -> str:
        text: str = cancel_local_deployment(service, {"deploymentId": ID})["message"]
        return text

    assert message(Service(QUEUED_ONE)) == f"Cancel request submitted. Deployment ID: {ID}"
    over = Service(replace(QUEUED_ONE, status=CANCELED), canceled=False)
    assert message(over) == "Cancellation request is not processed because deployment is already finished"
    late = Service(replace(QUEUED_ONE, status="IN_PROGRESS"), canceled=False)
    assert message(late) == "Cancellation request is not processed: it is being put in place"
    with pytest.raises(IpcError, match="ResourceNotFoundError"):
        message(Service(QUEUED_ONE, refusal=BusError(ErrorCode.NOENTRY, "gone")))
