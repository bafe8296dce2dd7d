"""Why a deployment fails: a text for people, and the codes that the cloud and its console know.

The stack of a failure begins with DEPLOYMENT_FAILURE (DEPLOYMENT_REJECTED for one that is out of date) and goes from
general to specific; the types say whose fault each code is. Names are Greengrass', so that a report reads the same
whatever nucleus made it.
"""

from __future__ import annotations

from collections.abc import Iterable

DEPLOYMENT_FAILURE = "DEPLOYMENT_FAILURE"
DEPLOYMENT_REJECTED = "DEPLOYMENT_REJECTED"
REJECTED_STALE = "REJECTED_STALE_DEPLOYMENT"
PACKAGE_LOADING = "COMPONENT_PACKAGE_LOADING_ERROR"

_TYPES = {
    "REQUEST_ERROR": """NUCLEUS_MISSING_REQUIRED_CAPABILITIES COMPONENT_CIRCULAR_DEPENDENCY_ERROR
        UNAUTHORIZED_NUCLEUS_MINOR_VERSION_UPDATE MISSING_DOCKER_APPLICATION_MANAGER MISSING_TOKEN_EXCHANGE_SERVICE
        COMPONENT_VERSION_REQUIREMENTS_NOT_MET MULTIPLE_NUCLEUS_RESOLVED_ERROR THROTTLING_ERROR CONFLICTED_REQUEST
        RESOURCE_NOT_FOUND RUN_WITH_CONFIG_NOT_VALID UNSUPPORTED_REGION IOT_CRED_ENDPOINT_FORMAT_NOT_VALID
        IOT_DATA_ENDPOINT_FORMAT_NOT_VALID S3_HEAD_OBJECT_RESOURCE_NOT_FOUND S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND
        S3_GET_OBJECT_RESOURCE_NOT_FOUND""",
    "PERMISSION_ERROR": """ACCESS_DENIED GET_DEPLOYMENT_CONFIGURATION_ACCESS_DENIED
        GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED
        MISSING_MQTT_CONNECT_POLICY CREDENTIAL_ENDPOINT_AUTH_FAILURE GET_ECR_CREDENTIAL_ERROR
        USER_NOT_AUTHORIZED_FOR_DOCKER S3_ACCESS_DENIED S3_HEAD_OBJECT_ACCESS_DENIED
        S3_GET_BUCKET_LOCATION_ACCESS_DENIED S3_GET_OBJECT_ACCESS_DENIED""",
    "SERVER_ERROR": "SERVER_ERROR CREDENTIAL_ENDPOINT_SERVER_ERROR S3_SERVER_ERROR",
    "NETWORK_ERROR": "NETWORK_ERROR MQTT_CONNECTION_FAILED TLS_HANDSHAKE_FAILURE",
    "HTTP_ERROR": """HTTP_REQUEST_ERROR DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR GET_GREENGRASS_ARTIFACT_SIZE_ERROR
        DOWNLOAD_GREENGRASS_ARTIFACT_ERROR""",
    "DEVICE_ERROR": """IO_WRITE_ERROR IO_READ_ERROR DISK_SPACE_CRITICAL IO_FILE_ATTRIBUTE_ERROR SET_PERMISSION_ERROR
        IO_UNZIP_ERROR LOCAL_RECIPE_NOT_FOUND LOCAL_RECIPE_CORRUPTED LOCAL_RECIPE_METADATA_NOT_FOUND
        HASHING_ALGORITHM_UNAVAILABLE LAUNCH_DIRECTORY_CORRUPTED DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD""",
    "COMPONENT_RECIPE_ERROR": """RECIPE_PARSE_ERROR RECIPE_METADATA_PARSE_ERROR ARTIFACT_URI_NOT_VALID
        S3_ARTIFACT_URI_NOT_VALID DOCKER_ARTIFACT_URI_NOT_VALID EMPTY_ARTIFACT_URI EMPTY_ARTIFACT_SCHEME
        UNSUPPORTED_ARTIFACT_SCHEME RECIPE_MISSING_MANIFEST RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM
        ARTIFACT_CHECKSUM_MISMATCH COMPONENT_DEPENDENCY_NOT_VALID CONFIG_INTERPOLATE_ERROR
        COMPONENT_VERSION_NOT_VALID""",
    "DEPENDENCY_ERROR": """DOCKER_ERROR DOCKER_SERVICE_UNAVAILABLE DOCKER_IMAGE_QUERY_ERROR DOCKER_LOGIN_ERROR
        DOCKER_PULL_ERROR DOCKER_IMAGE_NOT_VALID S3_ERROR S3_RESOURCE_NOT_FOUND S3_BAD_REQUEST""",
    "CLOUD_SERVICE_ERROR": """RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED
        GREENGRASS_ARTIFACT_SIZE_NOT_FOUND""",
    "NUCLEUS_ERROR": "BAD_REQUEST NUCLEUS_VERSION_NOT_FOUND NUCLEUS_RESTART_FAILURE COMPONENT_LOAD_FAILURE",
    "UNKNOWN_ERROR": "DEPLOYMENT_TYPE_NOT_VALID",
    "USER_COMPONENT_ERROR": "CUSTOM_PLUGIN_NOT_SUPPORTED",
}
_TYPE_OF = {code: kind for kind, codes in _TYPES.items() for code in codes.split()}

_OF_THE_DOCUMENT = frozenset(
    (
        "DEPLOYMENT_DOCUMENT_NOT_VALID",
        "EMPTY_DEPLOYMENT_REQUEST",
        "DEPLOYMENT_DOCUMENT_PARSE_ERROR",
        "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT",
    )
)
"""The sender's fault: the nucleus' for a local deployment, the service's for one from the cloud."""
_OF_AN_ARTIFACT_URI = frozenset(
    (
        "EMPTY_ARTIFACT_URI",
        "EMPTY_ARTIFACT_SCHEME",
        "UNSUPPORTED_ARTIFACT_SCHEME",
        "S3_ARTIFACT_URI_NOT_VALID",
        "DOCKER_ARTIFACT_URI_NOT_VALID",
    )
)
_OF_A_COMPONENT = frozenset(
    (
        "COMPONENT_UPDATE_ERROR",
        "COMPONENT_BROKEN",
        "REMOVE_COMPONENT_ERROR",
        "COMPONENT_BOOTSTRAP_TIMEOUT",
        "COMPONENT_BOOTSTRAP_ERROR",
        "COMPONENT_CONFIGURATION_NOT_VALID",
    )
)


class DeploymentError(Exception):
    """The deployment cannot go on. ``codes`` go from general to specific, without DEPLOYMENT_FAILURE."""

    def __init__(self, message: str, *codes: str, broken: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.codes = codes
        self.broken = tuple(broken)


class Rejected(DeploymentError):
    """The deployment is out of date: its group has had a newer one."""


def recipe_codes(code: str) -> tuple[str, ...]:
    """The codes, from general to specific, of a recipe that cannot be used for a reason whose own code is ``code``."""
    if code == "COMPONENT_VERSION_REQUIREMENTS_NOT_MET":
        return "NO_AVAILABLE_COMPONENT_VERSION", code
    if code in _OF_AN_ARTIFACT_URI:
        return PACKAGE_LOADING, "ARTIFACT_URI_NOT_VALID", code
    if code.startswith("IO_"):
        return PACKAGE_LOADING, "IO_ERROR", code
    # What is wrong with a step has a code for the status of components, which deployments do not know.
    return PACKAGE_LOADING, code if code in _TYPE_OF else "RECIPE_PARSE_ERROR"


def error_stack(codes: Iterable[str], first: str = DEPLOYMENT_FAILURE) -> tuple[str, ...]:
    return tuple(dict.fromkeys((first, *codes)))


def error_types(codes: Iterable[str], *, local: bool = True, arns: Iterable[str] = ()) -> tuple[str, ...]:
    """The types of ``codes``, without those that only contain others. ``local``: the deployment was made here; ``arns``
    are those of the components that failed, where they come from the cloud."""
    kinds = ["USER_COMPONENT_ERROR"] if local else [_owner(arn) for arn in arns] or ["COMPONENT_ERROR"]
    found: list[str] = []
    for code in codes:
        if code in _OF_A_COMPONENT:
            found += kinds
        elif code in _OF_THE_DOCUMENT:
            found.append("NUCLEUS_ERROR" if local else "CLOUD_SERVICE_ERROR")
        elif code in _TYPE_OF:
            found.append(_TYPE_OF[code])
    return tuple(dict.fromkeys(found))


def _owner(arn: str) -> str:
    """Whose component has ``arn``; its fifth part is the account."""
    account = arn.split(":")[4:5]
    if account == ["aws"]:
        return "AWS_COMPONENT_ERROR"
    return "USER_COMPONENT_ERROR" if account and account[0].isdigit() else "COMPONENT_ERROR"
