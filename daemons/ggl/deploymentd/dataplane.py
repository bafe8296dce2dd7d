"""The Greengrass data plane: what a core device asks of the cloud over HTTPS, with its certificate.

``ssl`` and the HTTP client are imported at the first call: most deployments need neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.values import InvalidValue

if TYPE_CHECKING:
    import ssl

    from ggl.cloud.settings import Settings

TIMEOUT = 30.0
"""Seconds for the connection, for each wait, and for the whole answer."""
NETWORK = "network"
"""No answer."""
BUSY = "busy"
"""The cloud asks to come back later, or has a fault of its own."""
REFUSED = "refused"
"""The device may not do that."""
MISSING = "missing"
BAD = "bad"
"""Whatever else was not as it should be; trying again does not help."""
PRESIGNED = "https://"
"""What every presigned URL begins with: it is a secret, and what is there is only known afterwards to be genuine."""
_TEXT_LIMIT = 300
_STATUS_CODES = {
    400: ("BAD_REQUEST",),
    403: ("ACCESS_DENIED",),
    404: ("RESOURCE_NOT_FOUND",),
    409: ("CONFLICTED_REQUEST",),
    429: ("THROTTLING_ERROR",),
}
_KINDS = {403: REFUSED, 404: MISSING, 429: BUSY}


class CloudError(Exception):
    """The cloud did not do what it was asked. ``kind`` is one of the above, ``status`` that of HTTP (0: no answer)."""

    def __init__(self, kind: str, text: str, status: int = 0, *codes: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.status = status
        self._codes = codes

    @property
    def is_passing(self) -> bool:
        """Whether the same may be answered later."""
        return self.kind in (NETWORK, BUSY)

    def codes(self) -> tuple[str, ...]:
        """The deployment error codes that say this, from general to specific."""
        if self._codes:
            return self._codes
        if not self.status:
            return ("NETWORK_ERROR",)
        return "CLOUD_API_ERROR", *_STATUS_CODES.get(self.status, ("SERVER_ERROR",) if self.status >= 500 else ())


class DataPlane:
    """Calls of one device. Belongs to one thread. ``load`` gives the settings of now, which are looked at again after a
    call without an answer: somebody may have mended them."""

    def __init__(
        self, settings: Settings, load: Callable[[], Settings] | None = None, timeout: float = TIMEOUT
    ) -> None:
        self.settings = settings
        self._load = load
        self._timeout = timeout
        self._base = ""
        self._context: ssl.SSLContext | None = None

    @property
    def thing_name(self) -> str:
        return self.settings.identity.thing_name

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer, which is a JSON object. Raises ``CloudError``."""
        from urllib.parse import urlencode

        from ggl.cloud import https

        base, context = self._prepared()
        url = base + path + (f"?{urlencode(query)}" if query else "")
        sent = {"Accept": "application/json", **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body, separators=(",", ":")).encode()
            sent["Content-Type"] = "application/json"
        try:
            response = https.request(method, url, context, self.settings.proxy, sent, data, self._timeout)
        except https.TooLarge as error:
            raise CloudError(BAD, str(error)) from None
        except https.NoAnswer as error:
            self._context = None
            raise CloudError(NETWORK, str(error)) from None
        if response.status != 200:
            raise failure(response.status, response.text)
        try:
            answer = json.loads(response.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise CloudError(BAD, f"the answer of {base} is no JSON object", response.status)
        return answer

    def download(self, url: str, limit: int) -> bytes:
        """What is at a presigned ``url``, of at most ``limit`` bytes. Raises ``CloudError``: of the kind MISSING when
        the URL is not accepted (it may have expired: ask for another one)."""
        from ggl.cloud import https
        from ggl.cloud.services import public_trust
        from ggl.cloud.tls import BadCredentials

        try:
            context = public_trust() if url.startswith("https:") else None
            response = https.request("GET", url, context, self.settings.proxy, timeout=self._timeout, limit=limit)
        except https.TooLarge as error:
            raise CloudError(BAD, str(error), 0, "DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED") from None
        except https.NoAnswer as error:
            raise CloudError(NETWORK, str(error), 0, "HTTP_REQUEST_ERROR") from None
        except BadCredentials as error:
            raise CloudError(BAD, str(error), 0, "NETWORK_ERROR", "TLS_HANDSHAKE_FAILURE") from None
        if response.status == 200:
            return response.body
        failed = failure(response.status, response.text)
        if not failed.is_passing:
            raise CloudError(MISSING, failed.text, response.status, "DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR")
        raise failed

    def _prepared(self) -> tuple[str, ssl.SSLContext]:
        from ggl.cloud import endpoints
        from ggl.cloud.tls import BadCredentials, client_context

        if self._context is None:
            try:
                if self._base and self._load is not None:
                    self.settings = self._load()
                host, port = endpoints.data_plane(self.settings)
                self._context = client_context(self.settings.identity, endpoints.https_alpn(port))
            except InvalidValue as error:
                raise CloudError(BAD, str(error)) from None
            except BadCredentials as error:
                raise CloudError(BAD, str(error), 0, "NETWORK_ERROR", "TLS_HANDSHAKE_FAILURE") from None
            self._base = f"https://{endpoints.host_port(host, port)}"
        return self._base, self._context


def presigned_url(answer: Mapping[str, Any]) -> str:
    """The URL at which something can be had, says the cloud. Raises ``CloudError`` for one that is not to be used."""
    url = answer.get("preSignedUrl")
    if not isinstance(url, str):
        raise CloudError(BAD, "the cloud's answer has no URL", 200)
    if not url.startswith(PRESIGNED):
        raise CloudError(BAD, f"the cloud's answer has an URL that is not one of HTTPS: {url[:40]!r}", 200)
    return url


def failure(status: int, text: str) -> CloudError:
    """The error that an HTTP answer of ``status`` is."""
    kind = _KINDS.get(status, BUSY if status >= 500 else BAD)
    return CloudError(kind, f"{_message(text)} (HTTP {status})", status)


def _message(text: str) -> str:
    """What the cloud says about a failure; it is there to be shown, and no more."""
    try:
        data = json.loads(text)
        found = data.get("message") or data.get("Message") if isinstance(data, dict) else None
    except (ValueError, RecursionError):
        found = None
    words = " ".join(str(found or text).split())
    return words[:_TEXT_LIMIT] or "the cloud gave no reason"
