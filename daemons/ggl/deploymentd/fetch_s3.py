"""Artifacts in S3, with the credentials that AWS IoT gives the device for its role.

Where the bucket is, how large the object is, then the object: https://docs.aws.amazon.com/AmazonS3/latest/API/.
A signature names the region, and S3 says which one would have been right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ggl.cloud import services
from ggl.cloud.https import NoAnswer, Response, request
from ggl.cloud.signing import encoded, signed
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_account import Account
from ggl.deploymentd.fetch_part import STALLED, Part, Source, go_on
from ggl.deploymentd.fetch_retry import DOWNLOAD, Passing, persist

if TYPE_CHECKING:
    from ggl.deploymentd.fetch import Context
    from ggl.recipe.model import Artifact

T = TypeVar("T")

LOCATION, HEAD, GET = "GET_BUCKET_LOCATION", "HEAD_OBJECT", "GET_OBJECT"
_MAX_BODY = 65536
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
"""Names that old buckets may have are among them."""
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]+")
_OLD_NAMES = {"": services.GLOBAL_REGION, "EU": "eu-west-1"}
"""Of regions, in the answers about buckets that were made before there were more."""
_OUTDATED = ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired")
_TRY_AGAIN = (*_OUTDATED, "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "InternalError", "ServiceUnavailable")
_regions: dict[str, str] = {}
"""The regions of buckets that were asked for."""


def fetch(artifact: Artifact, target: Path, context: Context) -> None:
    """``s3://bucket/key``"""
    bucket, _, key = artifact.uri.partition("://")[2].partition("/")
    if not _BUCKET.fullmatch(bucket):
        text = f"{context.what(artifact)}: {bucket[:80]!r} can be no bucket of S3"
        raise DeploymentError(text, DOWNLOAD, "ARTIFACT_URI_NOT_VALID", "S3_ARTIFACT_URI_NOT_VALID")
    part = Part(target)
    found = _Object(bucket, key, artifact.uri, context)
    persist(context.patience, context.what(artifact), lambda: found.save(part), part.size)
    part.forget()


class _ElsewhereError(Exception):
    """The bucket is in another region than the one asked for it."""


class _Object:
    """One object, and the account of this device to ask for it."""

    def __init__(self, bucket: str, key: str, uri: str, context: Context) -> None:
        self._bucket = bucket
        self._key = key
        self._uri = uri
        self._context = context
        self._account = Account(context.root, context.cloud.settings)

    def save(self, part: Part) -> None:
        """Complete ``part``. Raises ``Passing`` and ``DeploymentError``."""
        if self._bucket not in _regions:
            _regions[self._bucket] = self._locate()
        answer = self._in_its_region(self._head)
        size = answer.headers.get("content-length", "")
        if not size.isdecimal():
            raise Passing("S3 does not say how large it is", "S3_ERROR")
        tag = answer.headers.get("etag", "")
        source = Source(self._uri, int(size), tag)
        self._in_its_region(lambda: self._get(part, source))

    def _in_its_region(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except _ElsewhereError:
            try:
                return ask()
            except _ElsewhereError:
                raise Passing(f"S3 does not agree with itself on the region of {self._bucket}", "S3_ERROR") from None

    def _locate(self) -> str:
        region = self._account.settings.region or services.GLOBAL_REGION
        place = services.s3(self._account.settings, region, self._bucket)
        answer = self._ask("GET", place, place.path or "/", region, query="location=")
        if answer.status == 200:
            found = _element(answer.text, "LocationConstraint")
            return _OLD_NAMES.get(found) or _checked(found) or region
        try:
            self._refuse(answer, LOCATION)
        except _ElsewhereError:
            return _regions[self._bucket]
        except DeploymentError:
            if answer.status != 403:
                raise
        # It need not be allowed: S3 tells, too, when it is asked for the object.
        return region

    def _head(self) -> Response:
        place, path, region = self._place()
        answer = self._ask("HEAD", place, path, region)
        if answer.status == 200:
            return answer
        if answer.status in (400, 403):
            # The answer to HEAD has no text, and these have many reasons.
            because = self._ask("GET", place, path, region, {"Range": "bytes=0-0"})
            answer = because if because.status == answer.status else answer
        self._refuse(answer, HEAD)
        raise Passing(f"S3 answers with status {answer.status}", "S3_ERROR")

    def _get(self, part: Part, source: Source) -> None:
        place, path, region = self._place()
        headers = {"If-Match": source.tag} if source.tag else {}
        headers = signed("GET", place.host, path, "", headers, b"", "s3", region, self._account.credentials())
        account = self._account
        answer = go_on(part, source, place.url(path), headers, account.trust, account.settings.proxy, self._context)
        if answer is not None:
            if answer.status == 412:
                raise Passing("it has just been replaced", "S3_ERROR")
            self._refuse(answer, GET)

    def _place(self) -> tuple[services.Place, str, str]:
        region = _regions[self._bucket]
        place = services.s3(self._account.settings, region, self._bucket)
        return place, f"{place.path}/{encoded(self._key)}", region

    def _ask(
        self,
        method: str,
        place: services.Place,
        path: str,
        region: str,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Response:
        account = self._account
        headers = signed(method, place.host, path, query, headers or {}, b"", "s3", region, account.credentials())
        self._context.patience.check()
        try:
            return request(
                method,
                place.url(path, query),
                account.trust,
                account.settings.proxy,
                headers,
                timeout=STALLED,
                limit=_MAX_BODY,
            )
        except NoAnswer as error:
            raise Passing(str(error), "NETWORK_ERROR") from None

    def _refuse(self, answer: Response, operation: str) -> None:
        """Say why there is nothing but ``answer``. Raises; ``_ElsewhereError`` when the region is known now."""
        code, message = _element(answer.text, "Code"), _element(answer.text, "Message")
        said = f"S3 answers {code or answer.status}{f' ({message})' if message else ''}"
        region = answer.headers.get("x-amz-bucket-region", "") or _element(answer.text, "Region")
        if not region and "expecting '" in message:
            region = message.partition("expecting '")[2].partition("'")[0]
        if answer.status in (301, 307, 400, 403) and _checked(region) and region != _regions.get(self._bucket):
            _regions[self._bucket] = region
            raise _ElsewhereError
        if code in _OUTDATED:
            self._account.forget()
        if code in _TRY_AGAIN:
            raise Passing(said, "S3_ERROR")
        if answer.status == 429 or answer.status >= 500:
            raise Passing(said, "S3_ERROR", "S3_SERVER_ERROR")
        where = f"{self._uri}: {said}"
        if answer.status == 403:
            text = f"{where}: allow s3:GetObject for it to the role of iotRoleAlias"
            raise DeploymentError(text, DOWNLOAD, "S3_ERROR", "S3_ACCESS_DENIED", f"S3_{operation}_ACCESS_DENIED")
        if answer.status == 404:
            text = f"{where}: there is no such {'bucket' if operation == LOCATION else 'object'}, or it is hidden"
            codes = "S3_RESOURCE_NOT_FOUND", f"S3_{operation}_RESOURCE_NOT_FOUND"
            raise DeploymentError(text, DOWNLOAD, "S3_ERROR", *codes)
        raise DeploymentError(where, DOWNLOAD, "S3_ERROR", *(["S3_BAD_REQUEST"] if answer.status == 400 else []))


def _element(text: str, name: str) -> str:
    """The text in the first element ``name``. (A parser of XML would be asked for no more, and believe anything.)"""
    found = re.search(rf"<{name}(?:\s[^>]*)?>([^<]{{0,300}})</{name}>", text)
    return found[1].strip() if found else ""


def _checked(region: str) -> str:
    """``region`` if it can be one: it becomes part of a host name."""
    return region if _REGION.fullmatch(region) else ""
