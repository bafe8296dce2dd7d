"""The rest of a deployment document that was too large for its job."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ggl.cloud.settings import Identity, Settings
from ggl.deploymentd.dataplane import BAD, NETWORK, CloudError, DataPlane, failure
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.large import MAX_BAD_ANSWERS, completed
from ggl.deploymentd.patience import Patience

JOB = {
    "deploymentId": "d/1",
    "Components": {"App": {"version": "1.0.0"}},
    "requiredCapabilities": ["LARGE_CONFIGURATION"],
}
WHOLE = json.dumps({"COMPONENTS": {"App": {"version": "1.0.0", "configurationUpdate": {"merge": {"a": 1}}}}}).encode()


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def location(content: bytes = WHOLE, **more: Any) -> dict[str, Any]:
    check = {"algorithm": "SHA-256", "digest": digest(content)}
    return {"preSignedUrl": "https://bucket/url", "integrityCheck": check, **more}


class FakeCloud(DataPlane):
    """``calls`` and ``files`` are answers in their order; an error is raised."""

    def __init__(self, calls: list[Any], files: list[Any]) -> None:
        super().__init__(Settings(Identity(thing_name="T")))
        self.calls, self.files = calls, files
        self.asked: list[tuple[str, dict[str, str]]] = []

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self.asked.append((path, dict(query or {})))
        found: dict[str, Any] = _given(self.calls)
        return found

    def download(self, url: str, limit: int) -> bytes:
        assert url == "https://bucket/url"
        found: bytes = _given(self.files)
        return found


def _given(answers: list[Any]) -> Any:
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


def complete(calls: list[Any], files: list[Any], tries: int = 0) -> tuple[dict[str, Any], FakeCloud, list[str]]:
    cloud, waits = FakeCloud(calls, files), list[str]()
    patience = Patience(wait=lambda _seconds, text: waits.append(text), tries=tries, cloud=cloud)
    return completed(JOB, "d/1", patience), cloud, waits


def codes(calls: list[Any], files: list[Any], tries: int = 0) -> tuple[str, ...]:
    with pytest.raises(DeploymentError) as caught:
        complete(calls, files, tries)
    return caught.value.codes


def test_the_components_of_the_whole_document_take_the_place_of_the_jobs() -> None:
    document, cloud, _ = complete([location()], [WHOLE])
    rest = {key: value for key, value in JOB.items() if key != "Components"}
    assert document == {**rest, "components": json.loads(WHOLE)["COMPONENTS"]}
    path = "/greengrass/v2/coreDevices/T/deployments/d%2F1/configuration"
    assert cloud.asked == [(path, {"s3EndpointType": "GLOBAL"})]


def test_what_may_be_better_the_next_time_is_asked_for_again_with_a_new_url() -> None:
    lost, expired = CloudError(NETWORK, "no network"), CloudError("missing", "expired", 403)
    calls = [failure(404, ""), lost, failure(500, ""), *[location()] * 4]
    _, _, waits = complete(calls, [lost, b"cut sho", expired, WHOLE])
    assert len(waits) == 6


def test_it_is_given_up_in_the_end() -> None:
    unknown = [failure(404, "")] * MAX_BAD_ANSWERS
    assert codes(unknown, []) == ("CLOUD_API_ERROR", "RESOURCE_NOT_FOUND")
    wrong = [b"other"] * MAX_BAD_ANSWERS
    assert codes([location()] * MAX_BAD_ANSWERS, wrong) == ("DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR",)
    assert codes([CloudError(NETWORK, "")] * 3, [], tries=3) == ("NETWORK_ERROR",)


def test_what_will_not_get_better_fails_at_once() -> None:
    denied = ("CLOUD_API_ERROR", "ACCESS_DENIED", "GET_DEPLOYMENT_CONFIGURATION_ACCESS_DENIED")
    assert codes([failure(403, "")], []) == denied
    too_large = CloudError(BAD, "too large", 0, "DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED")
    assert codes([location()], [too_large]) == ("DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED",)
    unknown = {"algorithm": "SHA-0", "digest": digest(WHOLE)}
    assert codes([location(integrityCheck=unknown)], [WHOLE])[-1] == "HASHING_ALGORITHM_UNAVAILABLE"
    for address in (None, "http://bucket/url", "file:///etc/passwd"):
        assert codes([location(preSignedUrl=address)], []) == ("CLOUD_API_ERROR",)
    for text in (b"{", b"[]", b"{}", b'{"components": []}'):
        assert codes([location(text)], [text]) == ("DEPLOYMENT_DOCUMENT_PARSE_ERROR",)
    with pytest.raises(DeploymentError, match="not provisioned"):
        completed(JOB, "d", Patience())
