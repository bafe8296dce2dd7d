"""Artifacts that AWS IoT Greengrass keeps: it gives a URL at which the file can be had for some minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ggl.cloud.https import NoAnswer, Response, request
from ggl.cloud.signing import encoded
from ggl.deploymentd.dataplane import REFUSED, CloudError, presigned_url
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_account import Account
from ggl.deploymentd.fetch_part import STALLED, Part, Source, go_on
from ggl.deploymentd.fetch_retry import DOWNLOAD, Passing, persist

if TYPE_CHECKING:
    from ggl.deploymentd.fetch import Context
    from ggl.recipe.model import Artifact

SIZE, GET = "GET_GREENGRASS_ARTIFACT_SIZE_ERROR", "DOWNLOAD_GREENGRASS_ARTIFACT_ERROR"
"""The codes of the two things that are asked of the URL."""
_MAX_BODY = 65536


def fetch(artifact: Artifact, target: Path, context: Context) -> None:
    """``greengrass:name/of/file``"""
    what = context.what(artifact)
    if not context.arn:
        text = f"{what} is kept by AWS IoT Greengrass, which knows only components that were deployed from the cloud"
        raise DeploymentError(f"{text}: put it into the artifacts folder", DOWNLOAD, "ARTIFACT_URI_NOT_VALID")
    part, account = Part(target), Account(context.root, context.cloud.settings)
    persist(context.patience, what, lambda: _save(artifact, part, account, context), part.size)
    part.forget()


def _save(artifact: Artifact, part: Part, account: Account, context: Context) -> None:
    url = _url(artifact, account, context)
    source = Source(artifact.uri, *_size_and_tag(url, account, context))
    headers = {"If-Match": source.tag} if source.tag else {}
    answer = go_on(part, source, url, headers, account.trust, account.settings.proxy, context)
    if answer is not None:
        raise _refusal(answer, GET)


def _url(artifact: Artifact, account: Account, context: Context) -> str:
    name = artifact.uri.partition(":")[2]
    settings = account.settings
    try:
        answer = context.cloud.call(
            "GET",
            f"/greengrass/v2/components/{context.arn}/artifacts/{encoded(name)}",
            # It knows two of the three kinds.
            query={"s3EndpointType": "GLOBAL" if settings.s3_endpoint_type.upper() == "GLOBAL" else "REGIONAL"},
            headers={"x-amz-iot-endpoint-type": "fips" if settings.fips else "standard"},
        )
        return presigned_url(answer)
    except CloudError as error:
        if error.is_passing:
            raise Passing(str(error), *error.codes()) from None
        codes = [*error.codes(), *(["GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED"] if error.kind == REFUSED else [])]
        raise DeploymentError(f"{context.what(artifact)}: {error}", DOWNLOAD, *codes) from None


def _size_and_tag(url: str, account: Account, context: Context) -> tuple[int, str]:
    """What is at ``url``, which may be asked for by GET only: of that, the first byte."""
    context.patience.check()
    try:
        answer = request(
            "GET",
            url,
            account.trust,
            account.settings.proxy,
            {"Range": "bytes=0-0"},
            timeout=STALLED,
            limit=_MAX_BODY,
        )
    except NoAnswer as error:
        raise Passing(str(error), "NETWORK_ERROR") from None
    if answer.status not in (200, 206, 416):
        raise _refusal(answer, SIZE)
    size = answer.headers.get("content-range", "").rpartition("/")[2]
    if answer.status == 200:
        size = answer.headers.get("content-length", "")
    if not size.isdecimal():
        text = f"{context.component}: Greengrass does not say how large the artifact is"
        raise DeploymentError(text, DOWNLOAD, "GREENGRASS_ARTIFACT_SIZE_NOT_FOUND")
    return int(size), answer.headers.get("etag", "")


def _refusal(answer: Response, code: str) -> Exception:
    """Every try has an URL of its own: that one has expired, or shows what has just been replaced, is no reason to give
    up."""
    text = f"the server of the file answers with status {answer.status}"
    if answer.status in (403, 412, 429) or answer.status >= 500:
        return Passing(text, "HTTP_REQUEST_ERROR", code)
    return DeploymentError(text, DOWNLOAD, "HTTP_REQUEST_ERROR", code)
