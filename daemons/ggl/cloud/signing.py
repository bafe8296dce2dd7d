"""Requests to AWS services in the name of AWS credentials: Signature Version 4, in the form of request headers.

The SDK for Python does this too, for 15 MB of memory (``botocore.auth``) as long as a download takes.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """Temporary credentials, as the credential provider of AWS IoT gives them."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)


def signed(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    service: str,
    region: str,
    credentials: Credentials,
    now: float | None = None,
) -> dict[str, str]:
    """The headers to send: ``headers``, all of which are signed, and what makes AWS believe them.

    ``host``: as in the Host header. ``path``: encoded by ``encoded``, as it is sent; ``/`` for every
    service but S3 (the others want it in another form). ``query``: encoded and sorted, as
    it is sent, each name with its ``=``. ``now``: seconds since the epoch.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    digest = sha256(body).hexdigest()
    to_sign = {
        **{name.lower(): " ".join(value.split()) for name, value in headers.items()},
        "host": host,
        "x-amz-content-sha256": digest,
        "x-amz-date": stamp,
        **({"x-amz-security-token": credentials.token} if credentials.token else {}),
    }
    names = ";".join(sorted(to_sign))
    lines = "".join(f"{name}:{to_sign[name]}\n" for name in sorted(to_sign))
    request = "\n".join((method, path, query, lines, names, digest))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {**to_sign, "authorization": authorization}


def encoded(text: str) -> str:
    """``text`` (a path, or a part of one) as AWS has it in URLs."""
    return quote(text, safe="/-_.~")
