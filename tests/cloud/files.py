"""Files behind pre-signed URLs: no client certificate, but a signature that ends, and parts on request."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from dataclasses import dataclass

from tests.cloud.faults import Request, Response
from tests.cloud.web import Server, ranged


@dataclass
class _File:
    content: bytes
    signature: str
    until: float


class Files:
    """``lifetime``: seconds that a new URL can be used."""

    def __init__(self, server: Server) -> None:
        self.address = ""
        """Scheme, host and port by which devices reach it."""
        self.lifetime: float = 900.0
        self._server = server
        self._files: dict[str, _File] = {}
        server.route("", "/files/([^/]+)/.*", self._get)

    @property
    def requests(self) -> list[Request]:
        return self._server.asked("/files/")

    def sign(self, name: str, content: bytes) -> str:
        """A URL for ``content``."""
        identifier, signature = hashlib.sha256(content).hexdigest()[:16], uuid.uuid4().hex
        self._files[f"{identifier}{signature}"] = _File(content, signature, time.monotonic() + self.lifetime)
        return f"{self.address}/files/{identifier}/{name}?X-Amz-Expires=900&X-Amz-Signature={signature}"

    def _get(self, request: Request, match: re.Match[str]) -> Response:
        file = self._files.get(match[1] + request.query.get("X-Amz-Signature", ""))
        if file is None or request.method not in ("GET", "HEAD"):
            return Response(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        if time.monotonic() > file.until:
            return Response(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
        return ranged(request, file.content, {"ETag": f'"{match[1]}"'})
