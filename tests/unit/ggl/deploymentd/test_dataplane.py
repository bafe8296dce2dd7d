"""Calls of the Greengrass data plane."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ggl.cloud import https, tls
from ggl.cloud.settings import Settings
from ggl.deploymentd.dataplane import BAD, BUSY, MISSING, NETWORK, REFUSED, CloudError, DataPlane


class Wire:
    """What is sent, and what comes back: answers in their order; an error is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self.alpn: list[tuple[str, ...]] = []
        self.answers = list(answers)
        monkeypatch.setattr(https, "request", self._request)
        monkeypatch.setattr(tls, "client_context", self._context)

    def _request(self, method: str, url: str, context: Any, proxy: Any = None, *more: Any, **named: Any) -> Any:
        self.sent.append((method, url, *more))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _context(self, _identity: Any, alpn: tuple[str, ...]) -> Any:
        self.alpn.append(tuple(alpn))
        return object()


def answer(content: Any, status: int = 200) -> https.Response:
    return https.Response(status, {}, content if isinstance(content, bytes) else json.dumps(content).encode())


def test_a_call_is_json_over_the_devices_own_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, answer({"a": 1}), answer({}))
    cloud = DataPlane(Settings(region="eu-west-1", data_plane_port=443))
    assert cloud.call("POST", "/path", body={"b": [2]}) == {"a": 1}
    assert cloud.call("GET", "/path", {"q": "x y"}) == {}
    (_, url, headers, body, _), (_, other, _, nothing, _) = wire.sent
    assert url == "https://greengrass-ats.iot.eu-west-1.amazonaws.com:443/path"
    assert (headers["Content-Type"], json.loads(body)) == ("application/json", {"b": [2]})
    assert other.endswith("/path?q=x+y")
    assert nothing is None
    assert wire.alpn == [("x-amzn-http-ca",)]


@pytest.mark.parametrize(
    ("given", "kind", "codes"),
    [
        (answer({"message": "no"}, 403), REFUSED, ("CLOUD_API_ERROR", "ACCESS_DENIED")),
        (answer({}, 404), MISSING, ("CLOUD_API_ERROR", "RESOURCE_NOT_FOUND")),
        (answer(b"", 500), BUSY, ("CLOUD_API_ERROR", "SERVER_ERROR")),
        (answer(b"", 302), BAD, ("CLOUD_API_ERROR",)),
        (answer(b"{"), BAD, ("CLOUD_API_ERROR",)),
        (answer([]), BAD, ("CLOUD_API_ERROR",)),
        (https.NoAnswer("away"), NETWORK, ("NETWORK_ERROR",)),
    ],
)
def test_what_is_no_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch, given: Any, kind: str, codes: tuple[str, ...]
) -> None:
    Wire(monkeypatch, given)
    with pytest.raises(CloudError) as caught:
        DataPlane(Settings(region="eu-west-1")).call("GET", "/")
    assert (caught.value.kind, caught.value.codes()) == (kind, codes)


def test_what_was_mended_while_there_was_no_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, answer({}), https.NoAnswer("away"), answer({}))
    cloud = DataPlane(Settings(data_plane_endpoint="wrong"), lambda: Settings(data_plane_endpoint="right"))
    cloud.call("GET", "/")
    with pytest.raises(CloudError):
        cloud.call("GET", "/")
    cloud.call("GET", "/")
    assert [url for _, url, *_ in wire.sent] == [f"https://{host}:8443/" for host in ("wrong", "wrong", "right")]


def test_a_device_without_endpoint_or_certificate_says_so() -> None:
    with pytest.raises(CloudError, match="awsRegion is not set"):
        DataPlane(Settings()).call("GET", "/")
    with pytest.raises(CloudError, match="rootCaPath") as caught:
        DataPlane(Settings(region="eu-west-1")).call("GET", "/")
    assert caught.value.codes() == ("NETWORK_ERROR", "TLS_HANDSHAKE_FAILURE")


def test_a_presigned_url_that_is_not_accepted_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    Wire(monkeypatch, answer(b"content"), answer(b"expired", 403), answer(b"", 503), https.TooLarge("too large"))
    cloud = DataPlane(Settings())
    assert cloud.download("https://bucket/x?signature", 10) == b"content"
    for kind, codes in (
        (MISSING, ("DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR",)),
        (BUSY, ("CLOUD_API_ERROR", "SERVER_ERROR")),
        (BAD, ("DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED",)),
    ):
        with pytest.raises(CloudError) as caught:
            cloud.download("https://bucket/x?signature", 10)
        assert (caught.value.kind, caught.value.codes()) == (kind, codes)
