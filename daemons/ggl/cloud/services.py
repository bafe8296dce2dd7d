"""Where the services of AWS are that know no device certificates (S3, ECR), and whom to trust there.

The variables of AWS' SDKs count: ``AWS_ENDPOINT_URL_<SERVICE>``, ``AWS_ENDPOINT_URL`` and ``AWS_CA_BUNDLE``.
"""

from __future__ import annotations

import os
import re
import ssl
from dataclasses import dataclass

from ggl.cloud.endpoints import dns_suffix
from ggl.cloud.settings import Settings
from ggl.cloud.tls import server_trust

GLOBAL_REGION = "us-east-1"
"""Where S3 is when no region is named."""
_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Place:
    """``host`` as in the Host header, with a port where it is not the usual one. ``path``: what every path of the
    service begins with; it does not end in a slash."""

    scheme: str
    host: str
    path: str = ""

    def url(self, path: str, query: str = "") -> str:
        return f"{self.scheme}://{self.host}{path}{'?' if query else ''}{query}"


def public_trust() -> ssl.SSLContext:
    """The CAs of this system, or those in ``AWS_CA_BUNDLE``. Raises ``tls.BadCredentials``."""
    bundle = os.environ.get("AWS_CA_BUNDLE")
    return server_trust(bundle, "AWS_CA_BUNDLE") if bundle else ssl.create_default_context()


def s3(settings: Settings, region: str, bucket: str) -> Place:
    """Where ``bucket``, which is in ``region``, is found; the path is that of its objects."""
    if named := _named("S3"):
        return Place(named.scheme, named.host, f"{named.path}/{bucket}")
    kind = settings.s3_endpoint_type.upper()
    if kind == "GLOBAL" and region == GLOBAL_REGION and not settings.fips:
        host = "s3.amazonaws.com"
    else:
        dual = ".dualstack" if kind == "DUALSTACK" else ""
        host = f"s3{_fips(settings)}{dual}.{region}.{dns_suffix(region)}"
    # A certificate for *.s3... does not cover a bucket with a dot in its name.
    if _HOST_LABEL.fullmatch(bucket):
        return Place("https", f"{bucket}.{host}")
    return Place("https", host, f"/{bucket}")


def ecr(settings: Settings, region: str) -> Place:
    """Where the private container registries of ``region`` are administered."""
    return _named("ECR") or Place("https", f"api.ecr{_fips(settings)}.{region}.{dns_suffix(region)}")


def _fips(settings: Settings) -> str:
    return "-fips" if settings.fips else ""


def _named(service: str) -> Place | None:
    url = os.environ.get(f"AWS_ENDPOINT_URL_{service}") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return None
    host, _, path = rest.rstrip("/").partition("/")
    return Place(scheme.lower(), host, f"/{path}" if path else "")
