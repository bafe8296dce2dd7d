"""Why a deployment fails: a text for people, and the codes that the cloud and its console know.

The stack of a failure begins with DEPLOYMENT_FAILURE and goes from general to specific; the types say whose fault each
code is. Code names are Greengrass', so that a report reads the same whatever nucleus made it.
"""

from __future__ import annotations

from collections.abc import Iterable

DEPLOYMENT_FAILURE = "DEPLOYMENT_FAILURE"

FAILED_NO_STATE_CHANGE = "FAILED_NO_STATE_CHANGE"
FAILED_ROLLBACK_NOT_REQUESTED = "FAILED_ROLLBACK_NOT_REQUESTED"
SUCCESSFUL = "SUCCESSFUL"

_TYPES = {
    "REQUEST_ERROR": (
        "NUCLEUS_MISSING_REQUIRED_CAPABILITIES",
        "COMPONENT_CIRCULAR_DEPENDENCY_ERROR",
        "COMPONENT_VERSION_REQUIREMENTS_NOT_MET",
        "RUN_WITH_CONFIG_NOT_VALID",
        "MISSING_DOCKER_APPLICATION_MANAGER",
    ),
    "DEVICE_ERROR": (
        "IO_WRITE_ERROR",
        "IO_READ_ERROR",
        "DISK_SPACE_CRITICAL",
        "IO_FILE_ATTRIBUTE_ERROR",
        "SET_PERMISSION_ERROR",
        "IO_UNZIP_ERROR",
        "LOCAL_RECIPE_NOT_FOUND",
        "LOCAL_RECIPE_CORRUPTED",
        "HASHING_ALGORITHM_UNAVAILABLE",
        "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD",
    ),
    "COMPONENT_RECIPE_ERROR": (
        "RECIPE_PARSE_ERROR",
        "ARTIFACT_URI_NOT_VALID",
        "EMPTY_ARTIFACT_URI",
        "EMPTY_ARTIFACT_SCHEME",
        "UNSUPPORTED_ARTIFACT_SCHEME",
        "RECIPE_MISSING_MANIFEST",
        "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM",
        "ARTIFACT_CHECKSUM_MISMATCH",
        "COMPONENT_DEPENDENCY_NOT_VALID",
        "COMPONENT_VERSION_NOT_VALID",
    ),
    "NUCLEUS_ERROR": (
        "BAD_REQUEST",
        "COMPONENT_LOAD_FAILURE",
        "DEPLOYMENT_DOCUMENT_NOT_VALID",
        "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT",
    ),
    "USER_COMPONENT_ERROR": (
        "COMPONENT_UPDATE_ERROR",
        "COMPONENT_BOOTSTRAP_ERROR",
        "COMPONENT_BROKEN",
        "REMOVE_COMPONENT_ERROR",
        "CUSTOM_PLUGIN_NOT_SUPPORTED",
    ),
}
_TYPE_OF = {code: kind for kind, codes in _TYPES.items() for code in codes}


class DeploymentError(Exception):
    """The deployment cannot go on. ``codes`` go from general to specific, without DEPLOYMENT_FAILURE."""

    def __init__(self, message: str, *codes: str, broken: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.codes = codes
        self.broken = tuple(broken)


def error_stack(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((DEPLOYMENT_FAILURE, *codes)))


def error_types(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_TYPE_OF[code] for code in codes if code in _TYPE_OF))
