"""The IPC operations for local deployments: requesting, cancelling and looking at them.

Components see local deployments only, as with every nucleus: what the cloud deploys, and going back to a generation, is
not theirs. A request is the one of ``create_local_deployment`` under the names of the IPC model. Where the nuclei that
exist differ, both spellings are taken: ``rootComponentsToRemove`` and ``rootComponentVersionsToRemove``; ``MERGE`` and
``merge``; maps and their JSON text.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Protocol

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd.local import decode_request
from ggl.deploymentd.record import (
    FAILED,
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_COMPLETE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    LOCAL,
    REJECTED,
    SUCCESSFUL,
)
from ggl.ipc.errors import IpcError, invalid_arguments, not_found, service_error
from ggl.ipc.handler import ipc_method
from ggl.ipc.model import PREFIX
from ggl.log import get_logger
from ggl.values import InvalidValue, get_dict, get_str, get_str_list

if TYPE_CHECKING:
    from ggl.bus.request import Method, Request
    from ggl.deploymentd.record import Deployment

_NAMES = {
    "root_component_versions_to_add": "rootComponentVersionsToAdd",
    "component_to_configuration": "componentToConfiguration",
    "component_to_run_with_info": "componentToRunWithInfo",
    "recipe_directory_path": "recipeDirectoryPath",
    "artifacts_directory_path": "artifactsDirectoryPath",
    "failure_handling_policy": "failureHandlingPolicy",
}
"""What the members of a request are called on the bus and in IPC. Those of other names need more than renaming."""
_PATH_ERRORS = {
    "recipeDirectoryPath": "InvalidRecipeDirectoryPathError",
    "artifactsDirectoryPath": "InvalidArtifactsDirectoryPathError",
}
_DETAILED = (
    SUCCESSFUL,
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    FAILED_ROLLBACK_COMPLETE,
    REJECTED,
)
"""The values of the model; some clients cannot read an answer with another one."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_log = get_logger("deployments")


class Deployments(Protocol):
    """What the service offers. Each may wait, so none is called on the loop."""

    def submit_local(self, params: dict[str, Any], trail: str) -> str:
        """Queue a request of ``create_local_deployment``; its id. Raises ``InvalidValue`` and ``BusError``."""

    def cancel(self, deployment_id: str) -> dict[str, Any]:
        """What the bus method of that name returns."""

    def known(self, deployment_id: str) -> Deployment | None: ...

    def all(self) -> list[Deployment]:
        """Oldest first."""


def methods(deployments: Deployments) -> dict[str, Method]:
    def create(component: str, request: dict[str, Any], bus_request: Request) -> dict[str, Any]:
        return create_local_deployment(deployments, component, request, bus_request.trail)

    served = {
        "CreateLocalDeployment": create,
        "CancelLocalDeployment": lambda _component, request, _: cancel_local_deployment(deployments, request),
        "GetLocalDeploymentStatus": lambda _component, request, _: get_local_deployment_status(deployments, request),
        "ListLocalDeployments": lambda _component, _request, _: list_local_deployments(deployments),
    }
    return {PREFIX + name: ipc_method(serve, blocking=True) for name, serve in served.items()}


def create_local_deployment(
    deployments: Deployments, component: str, request: dict[str, Any], trail: str
) -> dict[str, Any]:
    """Answers with the id as soon as the request is queued; by then the folders have been copied."""
    params: dict[str, Any] = {name: request[member] for name, member in _NAMES.items() if request.get(member)}
    group = get_str(request, "groupName", "")
    if ":" in group:
        raise invalid_arguments(f"A group name cannot contain ':', as {group[:140]!r} does")
    configuration = get_dict(request, "componentToConfiguration", {})
    try:
        decode_request({"component_to_configuration": configuration})
    except InvalidValue as error:
        raise service_error(f"Invalid componentToConfiguration value. {error}") from None
    params["group_name"] = group
    params["requested_by"] = component
    params["root_components_to_remove"] = [
        name
        for member in ("rootComponentsToRemove", "rootComponentVersionsToRemove")
        for name in get_str_list(request, member, [])
    ]
    try:
        deployment_id = deployments.submit_local(params, trail)
    except InvalidValue as error:
        raise _refusal(str(error)) from None
    except BusError as error:
        raise _failure("CreateLocalDeployment", error) from None
    _log.info("%s requested the local deployment %s", component, deployment_id)
    return {"deploymentId": deployment_id}


def cancel_local_deployment(deployments: Deployments, request: dict[str, Any]) -> dict[str, Any]:
    deployment_id = _deployment_id(request)
    deployment = _find(deployments, deployment_id)
    try:
        result = deployments.cancel(deployment_id)
    except BusError as error:
        if error.code == ErrorCode.NOENTRY:
            raise _unknown(deployment_id) from None
        raise _failure("CancelLocalDeployment", error) from None
    if result.get("canceled"):
        return {"message": f"Cancel request submitted. Deployment ID: {deployment_id}"}
    deployment = deployments.known(deployment_id) or deployment
    if deployment.is_over:
        return {"message": "Cancellation request is not processed because deployment is already finished"}
    return {"message": f"Cancellation request is not processed: {result.get('message') or 'it is too late'}"}


def get_local_deployment_status(deployments: Deployments, request: dict[str, Any]) -> dict[str, Any]:
    deployment = _find(deployments, _deployment_id(request))
    shown = _summary(deployment)
    if deployment.is_over and deployment.detailed_status:
        shown["deploymentStatusDetails"] = _details(deployment)
    return {"deployment": shown}


def list_local_deployments(deployments: Deployments) -> dict[str, Any]:
    return {"localDeployments": [_summary(each) for each in deployments.all() if each.type == LOCAL]}


def _summary(deployment: Deployment) -> dict[str, Any]:
    return {
        "deploymentId": deployment.deployment_id,
        "status": FAILED if deployment.status == REJECTED else deployment.status,
        "createdOn": time.strftime("%d-%m-%Y %H:%M:%S UTC", time.gmtime(deployment.created // 1000)),
    }


def _details(deployment: Deployment) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if deployment.detailed_status in _DETAILED:
        details["detailedDeploymentStatus"] = deployment.detailed_status
    if deployment.error_stack:
        details["deploymentErrorStack"] = list(deployment.error_stack)
        details["deploymentErrorTypes"] = list(deployment.error_types)
    if deployment.cause:
        details["deploymentFailureCause"] = deployment.cause
    return details


def _find(deployments: Deployments, deployment_id: str) -> Deployment:
    deployment = deployments.known(deployment_id)
    if deployment is None or deployment.type != LOCAL:
        raise _unknown(deployment_id)
    return deployment


def _unknown(deployment_id: str) -> IpcError:
    return not_found(f"There is no local deployment {deployment_id}", "LocalDeployment", deployment_id)


def _deployment_id(request: dict[str, Any]) -> str:
    deployment_id = get_str(request, "deploymentId", "")
    if not _UUID.fullmatch(deployment_id):
        raise invalid_arguments("Invalid deploymentId format received. DeploymentId is a UUID")
    return deployment_id


def _refusal(text: str) -> IpcError:
    """The error for a request that is not as it should be; ``text`` names members as they are called on the bus."""
    for name, member in _NAMES.items():
        text = text.replace(f"'{name}'", f"'{member}'")
    for member, shape in _PATH_ERRORS.items():
        if f"'{member}'" in text:
            return IpcError(shape, text)
    return invalid_arguments(text)


def _failure(operation: str, error: BusError) -> IpcError:
    _log.error("%s failed: %s", operation, error)
    return _refusal(error.message) if error.code == ErrorCode.INVALID else service_error(error.message)
