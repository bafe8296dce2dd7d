"""How a deployment ends: what its record says then."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd.errors import (
    DEPLOYMENT_FAILURE,
    DEPLOYMENT_REJECTED,
    DeploymentError,
    Rejected,
    error_stack,
    error_types,
)
from ggl.deploymentd.record import (
    CANCELED,
    FAILED,
    FAILED_NO_STATE_CHANGE,
    FAILED_ROLLBACK_COMPLETE,
    FAILED_ROLLBACK_NOT_REQUESTED,
    FAILED_UNABLE_TO_ROLLBACK,
    REJECTED,
    SUCCEEDED,
    SUCCESSFUL,
    Deployment,
)
from ggl.log import get_logger
from ggl.values import InvalidValue

_MESSAGES = {
    FAILED_NO_STATE_CHANGE: "failed; nothing was changed",
    FAILED_ROLLBACK_NOT_REQUESTED: "failed",
    FAILED_ROLLBACK_COMPLETE: "failed; what ran before runs again",
    FAILED_UNABLE_TO_ROLLBACK: "failed, and what ran before could not be brought back",
}
_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_NONE: Mapping[str, str] = {}
_LISTS = ("error_stack", "error_types", "broken")
_log = get_logger("deployment")


def success() -> dict[str, Any]:
    return {"status": SUCCEEDED, "detailed_status": SUCCESSFUL, "message": "every component is up"}


def cancellation() -> dict[str, Any]:
    return {"status": CANCELED, "message": "canceled; nothing was changed"}


def failed(detailed_status: str, failure: dict[str, Any]) -> dict[str, Any]:
    """``failure`` comes from ``failure_of``."""
    status = REJECTED if detailed_status == REJECTED else FAILED
    return {
        "status": status,
        "detailed_status": detailed_status,
        "message": _MESSAGES.get(detailed_status, "not done: it is out of date"),
        "cause": failure["cause"],
        **{name: tuple(failure[name]) for name in _LISTS},
    }


def failure_of(error: Exception, deployment: Deployment, arns: Mapping[str, str] = _NONE) -> dict[str, Any]:
    """What the record says about ``error``: cause, error_stack, error_types, broken. Fit for the disk.

    ``arns``: what the cloud calls the components, by name."""
    codes, cause, broken = _read(error)
    known = [arns.get(component, "") for component in broken]
    first = DEPLOYMENT_REJECTED if isinstance(error, Rejected) else DEPLOYMENT_FAILURE
    return {
        "cause": cause,
        "error_stack": list(error_stack(codes, first)),
        "error_types": list(error_types(codes, local=deployment.is_local, arns=known)),
        "broken": list(broken),
    }


def also(failure: dict[str, Any], error: Exception, deployment: Deployment) -> dict[str, Any]:
    """``failure``, and that the way back failed with ``error``."""
    second = failure_of(error, deployment)
    return {
        "cause": f"{failure['cause']}; and the way back failed: {second['cause']}",
        **{name: list(dict.fromkeys((*failure[name], *second[name]))) for name in _LISTS},
    }


def is_passing(error: Exception) -> bool:
    """Whether a part of the runtime was away: no fault of the deployment, which may be tried again."""
    return isinstance(error, BusError) and error.code in (
        ErrorCode.NOCONN,
        ErrorCode.TIMEOUT,
        ErrorCode.BUSY,
        ErrorCode.RETRY,
    )


def is_storage(error: Exception) -> bool:
    """Whether a disk does not take what should be written."""
    if isinstance(error, BusError):
        return error.code == ErrorCode.NOMEM
    if isinstance(error, DeploymentError):
        return "DISK_SPACE_CRITICAL" in error.codes
    return isinstance(error, OSError) and error.errno in _DISK_TROUBLE


def _read(error: Exception) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    if isinstance(error, DeploymentError):
        return error.codes, error.message, error.broken
    if isinstance(error, InvalidValue):
        return ("DEPLOYMENT_DOCUMENT_NOT_VALID",), f"the deployment document is not valid: {error}", ()
    if isinstance(error, OSError):
        return *_disk_failure(error), ()
    if isinstance(error, BusError):
        codes = ("IO_ERROR", "IO_WRITE_ERROR") if error.code == ErrorCode.NOMEM else ("COMPONENT_UPDATE_ERROR",)
        return codes, f"the runtime could not do it: {error.message}", ()
    _log.exception("a deployment failed for a reason that should not exist")
    return (), f"internal error: {type(error).__name__}: {error}", ()


def _disk_failure(error: OSError) -> tuple[tuple[str, ...], str]:
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ("IO_ERROR", "DISK_SPACE_CRITICAL"), f"no space is left on the device{where}"
    return ("IO_ERROR", "IO_WRITE_ERROR"), f"{error.strerror or error}{where}"
