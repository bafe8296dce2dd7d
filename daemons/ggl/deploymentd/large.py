"""Deployment documents that are too large for a job: the cloud keeps the rest of them (GetDeploymentConfiguration).

What the job brings is then short of configuration. The whole document lies where a presigned URL of the cloud points
to, with a digest; its components take the place of the job's.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.dataplane import BAD, MISSING, REFUSED, CloudError, presigned_url
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.patience import wait_seconds
from ggl.deploymentd.update import fields

if TYPE_CHECKING:
    from ggl.deploymentd.dataplane import DataPlane
    from ggl.deploymentd.patience import Patience

CAPABILITY = "LARGE_CONFIGURATION"
"""What a document requires that is to be completed so."""
MAX_SIZE = 10 * 1024 * 1024
MAX_BAD_ANSWERS = 10
"""The cloud may not know yet what it has announced; an answer that is wrong so often will not get better."""
_DOWNLOAD = "DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR"


def completed(document: Mapping[str, Any], deployment_id: str, patience: Patience) -> dict[str, Any]:
    """``document`` with the components that the cloud has for it.

    Raises ``DeploymentError``, and what ``Patience.check`` raises.
    """
    cloud = patience.cloud
    if cloud is None:
        raise DeploymentError(
            "the deployment document is in the cloud, and this device is not provisioned", "NETWORK_ERROR"
        )
    for attempt in range(1, MAX_BAD_ANSWERS + 1):
        try:
            text = patience.insist(lambda: _fetch(cloud, deployment_id), "the deployment document")
            break
        except CloudError as error:
            if error.kind != MISSING or attempt == MAX_BAD_ANSWERS:
                raise _failure(error) from None
            patience.wait(wait_seconds(attempt), f"waiting for the deployment document: {error.text}")
    return {**_without(document, "components"), "components": _components(text)}


def _fetch(cloud: DataPlane, deployment_id: str) -> bytes:
    """The text of the document; an error of the kind MISSING for what may be better the next time."""
    from urllib.parse import quote

    thing = quote(cloud.thing_name, safe="")
    path = f"/greengrass/v2/coreDevices/{thing}/deployments/{quote(deployment_id, safe='')}/configuration"
    answer = cloud.call("GET", path, {"s3EndpointType": cloud.settings.s3_endpoint_type})
    check = answer.get("integrityCheck")
    url = presigned_url(answer)
    if not isinstance(check, dict):
        raise CloudError(BAD, "the cloud's answer has no digest of the document", 200)
    text = cloud.download(url, MAX_SIZE)
    if not _is_genuine(text, check.get("algorithm"), check.get("digest")):
        raise CloudError(MISSING, "the document that came is not the one that was announced", 0, _DOWNLOAD)
    return text


def _is_genuine(text: bytes, algorithm: Any, digest: Any) -> bool:
    import hashlib

    try:
        found = hashlib.new(str(algorithm).lower().replace("-", ""), text).digest()
        return hmac.compare_digest(found, b64decode(str(digest)))
    except (ValueError, TypeError):
        what = f"the digest of the deployment document is none: {str(algorithm)[:40]} {str(digest)[:80]}"
        raise CloudError(BAD, what, 0, _DOWNLOAD, "HASHING_ALGORITHM_UNAVAILABLE") from None


def _components(text: bytes) -> Any:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    components = fields(whole, "components").get("components") if isinstance(whole, dict) else None
    if not isinstance(components, dict):
        what = "the deployment document that the cloud keeps is no JSON object with components"
        raise DeploymentError(what, "DEPLOYMENT_DOCUMENT_PARSE_ERROR")
    return components


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key.lower() != name}


def _failure(error: CloudError) -> DeploymentError:
    text = f"the deployment document cannot be had: {error.text}"
    if error.kind == REFUSED:
        text += ". The policy of the device's certificate must allow greengrass:GetDeploymentConfiguration"
        return DeploymentError(text, *error.codes(), "GET_DEPLOYMENT_CONFIGURATION_ACCESS_DENIED")
    return DeploymentError(text, *error.codes())
