"""Artifacts from S3 and from Greengrass: in one go, in pieces, and not at all."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud.settings import ProxySettings, Settings
from ggl.cloud.signing import Credentials
from ggl.deploymentd import dataplane, fetch_account, fetch_greengrass, fetch_part, fetch_s3
from ggl.deploymentd.dataplane import DataPlane, failure
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch import Context
from ggl.deploymentd.fetch_account import Account
from ggl.deploymentd.fetch_part import Part, Source, go_on
from ggl.deploymentd.fetch_retry import Passing
from ggl.deploymentd.patience import Patience
from ggl.deploymentd.queue import Canceled
from ggl.paths import find_root
from ggl.recipe.model import Artifact
from tests.cloud.web import Faults, Request, Response, Server, ranged

CONTENT = bytes(range(256)) * 1000
OBJECT = "/bucket/a%20key/app.zip"
ARTIFACT = Artifact("s3://bucket/a key/app.zip", digest="x")
XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message>{}</Error>"


class Place:
    """A server that is S3 (and whatever else), and a device that fetches from it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults = Faults()
        self.server = Server("s3", None, self.faults)
        self.url = f"http://127.0.0.1:{self.server.port}"
        self.content, self.tag, self.region = CONTENT, '"one"', "eu-west-1"
        self.target = folder / ".app.zip.part"
        self.keys: list[str] = []
        self.waits: list[str] = []
        self.told: list[str] = []
        self.reserved: list[int] = []
        self.check: Callable[[], None] = lambda: None
        self.cloud = DataPlane(Settings(region="us-east-1"))
        self.server.route("GET", "/bucket", self._location)
        self.server.route("", OBJECT.replace(".", r"\."), self._object)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", self.url)
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        monkeypatch.setattr(fetch_s3, "_regions", {})
        monkeypatch.setattr(Account, "credentials", lambda _account: Credentials("AKID", "secret", "token"))
        monkeypatch.setattr(Account, "forget", lambda _account: self.keys.append("forgotten"))

    def _location(self, request: Request, _: Any) -> Response:
        assert request.target == "/bucket?location="
        return Response(200, f"<LocationConstraint xmlns='x'>{self.region}</LocationConstraint>".encode())

    def _object(self, request: Request, _: Any) -> Response:
        if request.headers.get("if-match", self.tag) != self.tag:
            return Response(412)
        return ranged(request, self.content, {"ETag": self.tag})

    def context(self, tries: int = 0, arn: str = "") -> Context:
        root = find_root(str(self.target.parent))
        patience = Patience(
            lambda: self.check(), lambda _, text: self.waits.append(text), self.told.append, tries, self.cloud
        )
        return Context(root, "A", "1.0.0", self.reserved.append, arn, patience)

    def fetch(self, tries: int = 0) -> bytes:
        fetch_s3.fetch(ARTIFACT, self.target, self.context(tries))
        return self.target.read_bytes()

    def refusal(self, tries: int = 0) -> tuple[str, tuple[str, ...]]:
        with pytest.raises(DeploymentError) as caught:
            self.fetch(tries)
        return caught.value.message, caught.value.codes[1:]

    def asked(self, method: str = "GET", prefix: str = OBJECT) -> list[Request]:
        return self.server.asked(prefix, method)

    def ranges(self) -> list[str]:
        return [each.headers.get("range", "all") for each in self.asked()]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Place(tmp_path, monkeypatch)
    yield found
    found.server.close()


def scope(request: Request) -> str:
    return request.headers["authorization"].partition("/")[2].partition(",")[0].partition("/")[2]


def test_an_object_is_fetched_from_the_region_of_its_bucket(place: Place) -> None:
    assert place.fetch() == CONTENT
    assert place.reserved == [len(CONTENT)]
    assert scope(place.server.requests[0]) == "us-east-1/s3/aws4_request"
    assert [scope(each) for each in place.asked("")] == ["eu-west-1/s3/aws4_request"] * 2
    assert place.asked()[0].headers["x-amz-security-token"] == "token"
    assert place.fetch() == CONTENT
    assert len(place.server.requests) == 5  # the region is known the second time
    assert list(place.target.parent.iterdir()) == [place.target]


@pytest.mark.parametrize(
    ("found", "region"), [("", "us-east-1"), ("EU", "eu-west-1"), ("a.b/c", "us-east-1"), ("x" * 400, "us-east-1")]
)
def test_regions_that_have_no_name_or_an_old_one(place: Place, found: str, region: str) -> None:
    place.region = found
    assert place.fetch() == CONTENT
    assert scope(place.asked()[0]) == f"{region}/s3/aws4_request"


def test_the_rest_is_fetched_after_the_connection_was_lost(place: Place) -> None:
    place.faults.http(OBJECT, method="GET", truncate=100_000)
    assert place.fetch() == CONTENT
    assert place.ranges() == ["all", "bytes=100000-"]
    assert place.asked()[1].headers["if-match"] == '"one"'
    assert place.reserved == [len(CONTENT), len(CONTENT) - 100_000]
    assert any("the connection to 127.0.0.1 ended" in text for text in place.waits)


def test_tries_do_not_count_while_it_gets_on(place: Place) -> None:
    for _ in range(5):
        place.faults.http(OBJECT, method="GET", truncate=40_000)
    assert place.fetch(tries=2) == CONTENT
    assert place.ranges()[1:] == [f"bytes={number}-" for number in range(40_000, 240_000, 40_000)]


def test_what_another_process_began_is_gone_on_with_if_it_is_the_same(place: Place) -> None:
    def stop() -> None:
        if place.target.exists() and place.target.stat().st_size > 100_000:
            raise Canceled

    place.check = stop
    with pytest.raises(Canceled):
        place.fetch()
    size = place.target.stat().st_size
    assert 100_000 < size < len(CONTENT)
    place.check = lambda: None
    assert place.fetch() == CONTENT
    assert place.ranges()[-1] == f"bytes={size}-"


@pytest.mark.parametrize("change", ["content", "size", "no tag", "info", "longer"])
def test_it_is_begun_anew_when_it_is_not_the_same(place: Place, change: str) -> None:
    place.target.write_bytes(b"x" * 1000)
    info = {"name": ARTIFACT.uri, "size": len(CONTENT), "tag": '"one"'}
    if change == "content":
        info["tag"] = '"other"'
    elif change == "size":
        info["size"] = 1
    elif change == "no tag":
        place.tag = info["tag"] = ""
    elif change == "longer":
        place.target.write_bytes(b"x" * (len(CONTENT) + 1))
    place.target.with_name(f"{place.target.name}.new").write_text("{" if change == "info" else json.dumps(info))
    assert place.fetch() == CONTENT
    assert place.ranges() == ["all"]


def test_an_object_that_is_replaced_meanwhile_is_fetched_anew(place: Place) -> None:
    place.faults.http(OBJECT, method="GET", truncate=100_000)

    def replace() -> None:
        if place.target.exists():
            place.content, place.tag = b"new" * 1000, '"two"'

    place.check = replace
    assert place.fetch() == b"new" * 1000
    # The rest is asked for only of what it was.
    assert [each.headers.get("if-match") for each in place.asked()][-1] == '"two"'
    assert place.ranges()[-1] == "all"


def test_a_server_that_does_not_know_ranges_sends_everything(place: Place) -> None:
    place.faults.http(OBJECT, method="GET", truncate=100_000)
    place.faults.http(OBJECT, method="GET", status=200, body=CONTENT)
    assert place.fetch() == CONTENT


def test_a_server_that_sends_more_than_it_announced_is_not_followed(place: Place) -> None:
    place.faults.http(OBJECT, method="GET", status=200, body=CONTENT + b"more")
    assert place.fetch() == CONTENT
    assert any("more than" in text for text in place.waits)


def test_a_server_that_sends_less_than_it_announced(place: Place) -> None:
    place.faults.http(OBJECT, method="GET", status=200, body=CONTENT[:10])
    assert place.fetch() == CONTENT
    assert place.ranges() == ["all", "bytes=10-"]


@pytest.mark.parametrize(
    ("status", "code", "extra", "headers"),
    [
        (301, "PermanentRedirect", "", {"x-amz-bucket-region": "ap-south-1"}),
        (307, "TemporaryRedirect", "", {"x-amz-bucket-region": "ap-south-1", "Location": "https://elsewhere.invalid/"}),
        (400, "AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>", {}),
        (403, "AccessDenied", "", {"x-amz-bucket-region": "ap-south-1"}),
    ],
)
def test_s3_says_in_which_region_the_bucket_is(
    place: Place, status: int, code: str, extra: str, headers: Mapping[str, str]
) -> None:
    times = 2 if status in (400, 403) else 1  # the reason is asked for
    place.faults.http(OBJECT, status=status, body=XML.format(code, "", extra), headers=headers, times=times)
    assert place.fetch() == CONTENT
    assert scope(place.asked("HEAD")[-1]) == "ap-south-1/s3/aws4_request"
    assert place.waits == ["downloading app.zip for A"]


def test_the_region_is_found_without_the_right_to_ask_for_it(place: Place) -> None:
    place.faults.http("/bucket", method="GET", status=403, body=XML.format("AccessDenied", "", ""))
    assert place.fetch() == CONTENT
    assert scope(place.asked()[0]) == "us-east-1/s3/aws4_request"


@pytest.mark.parametrize(
    ("prefix", "method", "status", "code", "codes"),
    [
        ("/bucket", "GET", 404, "NoSuchBucket", ("S3_RESOURCE_NOT_FOUND", "S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND")),
        (OBJECT, "", 403, "AccessDenied", ("S3_ACCESS_DENIED", "S3_HEAD_OBJECT_ACCESS_DENIED")),
        (OBJECT, "HEAD", 404, "", ("S3_RESOURCE_NOT_FOUND", "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND")),
        (OBJECT, "GET", 403, "AccessDenied", ("S3_ACCESS_DENIED", "S3_GET_OBJECT_ACCESS_DENIED")),
        (OBJECT, "GET", 404, "NoSuchKey", ("S3_RESOURCE_NOT_FOUND", "S3_GET_OBJECT_RESOURCE_NOT_FOUND")),
        (OBJECT, "", 400, "InvalidRequest", ("S3_BAD_REQUEST",)),
        (OBJECT, "GET", 405, "MethodNotAllowed", ()),
    ],
)
def test_what_s3_refuses_is_not_asked_for_again(
    place: Place, prefix: str, method: str, status: int, code: str, codes: tuple[str, ...]
) -> None:
    place.faults.http(prefix, method=method, status=status, body=XML.format(code, "because", ""), times=None)
    message, found = place.refusal()
    assert found == ("S3_ERROR", *codes)
    assert f"{ARTIFACT.uri}: S3 answers {code or status}" in message
    assert place.waits == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalError"), (503, "SlowDown"), (429, ""), (403, "RequestTimeTooSkewed"), (400, "ExpiredToken")],
)
def test_what_may_pass_is_waited_for(place: Place, status: int, code: str) -> None:
    place.faults.http(OBJECT, status=status, body=XML.format(code, "", ""), times=4)
    assert place.fetch() == CONTENT
    assert len(place.waits) >= 2
    assert ("forgotten" in place.keys) == (code == "ExpiredToken")


def test_a_bucket_that_cannot_be_is_not_asked_for(place: Place) -> None:
    for bucket in ("my bucket", "..", "b", "evil.example.com#", "a?b=c", "a\nb"):
        with pytest.raises(DeploymentError) as caught:
            fetch_s3.fetch(Artifact(f"s3://{bucket}/app.zip", digest="x"), place.target, place.context())
        assert caught.value.codes[-1] == "S3_ARTIFACT_URI_NOT_VALID"
    assert place.server.requests == []


def test_somebody_who_waits_is_told_after_some_tries(place: Place) -> None:
    place.faults.http(OBJECT, status=503, times=None)
    message, codes = place.refusal(tries=3)
    assert "S3 answers 503 (tried 3 times)" in message
    assert codes == ("S3_ERROR", "S3_SERVER_ERROR")
    place.server.close()
    assert place.refusal(tries=1)[1] == ("NETWORK_ERROR",)


def test_it_goes_through_the_proxy_of_the_device(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
    place.cloud = DataPlane(Settings(proxy=ProxySettings(url=place.url)))
    message, codes = place.refusal(tries=1)  # our server is none
    assert "proxy" in message
    assert codes == ("NETWORK_ERROR",)


def test_a_full_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch_part, "download", full)
    message, codes = place.refusal()
    assert codes == ("DISK_SPACE_CRITICAL",)
    assert "app.zip" in message


def test_what_does_not_fit_is_not_downloaded(place: Place) -> None:
    def refuse(needed: int) -> None:
        raise DeploymentError("full", "ARTIFACT_DOWNLOAD_ERROR", "DISK_SPACE_CRITICAL")

    place.reserved = type("", (), {"append": staticmethod(refuse)})()  # type: ignore[assignment]
    assert place.refusal()[1] == ("DISK_SPACE_CRITICAL",)
    assert place.asked() == []


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that sends the beginning of a file, and then nothing."""
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + CONTENT[:1000])
                over.wait(60)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_falls_silent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    part, source, trust = Part(place.target), Source("s3://b/f", 5000, '"one"'), ssl.create_default_context()
    with silent_server() as url:
        monkeypatch.setattr(fetch_part, "STALLED", 3)  # as long may the beginning take
        with pytest.raises(Passing, match=r"has sent nothing for 3 s"):
            go_on(part, source, url, {}, trust, ProxySettings(), place.context())
    assert part.size() == 1000


def test_a_download_from_a_server_that_falls_silent_can_be_canceled(place: Place) -> None:
    part, source, trust = Part(place.target), Source("s3://b/f", 5000, '"one"'), ssl.create_default_context()
    checks: list[int] = []

    def check() -> None:
        checks.append(part.size())
        if checks.count(1000) == 2:
            raise Canceled

    place.check = check
    with silent_server() as url, pytest.raises(Canceled):
        go_on(part, source, url, {}, trust, ProxySettings(), place.context())


@pytest.mark.parametrize("code", [ErrorCode.CONFIG, ErrorCode.NOCONN, ErrorCode.REMOTE, ErrorCode.TIMEOUT])
def test_only_a_configuration_that_does_not_do_is_no_reason_to_wait_for_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: ErrorCode
) -> None:
    def refuse(*_: Any) -> None:
        raise BusError(code, "the reason")

    monkeypatch.setattr(fetch_account, "connect", refuse)
    with pytest.raises(DeploymentError if code is ErrorCode.CONFIG else Passing, match="the reason"):
        Account(find_root(str(tmp_path)), Settings()).credentials()


def test_a_file_without_content(place: Place) -> None:
    place.content = b""
    assert place.fetch() == b""


# -- Greengrass -------------------------------------------------------------------------------------------------------


class Vault:
    """The data plane, whose URLs lead to the server of ``place``."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.asked: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = []
        self.failures: list[Exception] = []
        self.address: Any = f"{place.url}/file"
        self.settings = Settings(s3_endpoint_type="DUALSTACK", fips=True)
        place.cloud = self  # type: ignore[assignment]
        place.server.route("GET", "/file", lambda request, _: ranged(request, place.content, {"ETag": place.tag}))

    def call(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append((path, query, headers))
        if self.failures:
            raise self.failures.pop(0)
        return {"preSignedUrl": self.address and f"{self.address}?signature={len(self.asked)}"}

    def fetch(self, arn: str = "arn:aws:greengrass:r:aws:components:A:versions:1.0.0") -> bytes:
        artifact = Artifact("greengrass:id/a file.jar", digest="x")
        fetch_greengrass.fetch(artifact, self.place.target, self.place.context(arn=arn))
        return self.place.target.read_bytes()

    def refusal(self) -> tuple[str, ...]:
        with pytest.raises(DeploymentError) as caught:
            self.fetch()
        return caught.value.codes[1:]


@pytest.fixture
def vault(place: Place, monkeypatch: pytest.MonkeyPatch) -> Vault:
    monkeypatch.setattr(dataplane, "PRESIGNED", f"{place.url}/")
    return Vault(place)


def test_greengrass_gives_the_address_of_a_file(vault: Vault, place: Place) -> None:
    assert vault.fetch() == CONTENT
    ((path, query, headers),) = vault.asked
    assert path.endswith("/components/arn:aws:greengrass:r:aws:components:A:versions:1.0.0/artifacts/id/a%20file.jar")
    assert (query, headers) == ({"s3EndpointType": "REGIONAL"}, {"x-amz-iot-endpoint-type": "fips"})
    assert place.reserved == [len(CONTENT)]
    assert all("authorization" not in each.headers for each in place.server.requests)


def test_another_address_is_asked_for_when_one_has_expired(vault: Vault, place: Place) -> None:
    place.faults.http("/file")  # nothing happens to the first one, which is for the size
    place.faults.http("/file", truncate=1000)
    place.faults.http("/file", status=403, times=2)
    assert vault.fetch() == CONTENT
    assert len(vault.asked) == 4
    assert place.server.requests[-1].headers["range"] == "bytes=1000-"


def test_a_redirect_to_another_host_is_followed_without_what_was_for_the_first(vault: Vault, place: Place) -> None:
    other = Server("other", None, Faults())
    try:
        other.route("GET", "/there", lambda request, _: ranged(request, CONTENT, {"ETag": place.tag}))
        there = f"http://127.0.0.1:{other.port}/there"
        place.server.route("GET", "/elsewhere", lambda *_: Response(302, b"", {"Location": there}))
        place.faults.http("/file")
        place.faults.http("/file", status=307, headers={"Location": f"{place.url}/elsewhere"})
        assert vault.fetch() == CONTENT
        assert [each.path for each in other.requests] == ["/there"]
    finally:
        other.close()


def test_what_greengrass_refuses(vault: Vault, place: Place) -> None:
    vault.failures = [failure(403, '{"message": "no"}')]
    assert vault.refusal() == ("CLOUD_API_ERROR", "ACCESS_DENIED", "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED")
    vault.failures = [failure(404, "")]
    assert vault.refusal() == ("CLOUD_API_ERROR", "RESOURCE_NOT_FOUND")
    place.faults.http("/file", status=404)
    assert vault.refusal() == ("HTTP_REQUEST_ERROR", "GET_GREENGRASS_ARTIFACT_SIZE_ERROR")
    assert place.waits == []
    vault.failures = [failure(503, ""), failure(429, "")]
    assert vault.fetch() == CONTENT


@pytest.mark.parametrize("address", [None, "file:///etc/passwd", "ftp://127.0.0.1/file", "http://127.0.0.1/file"])
def test_an_address_that_is_none_is_not_asked(vault: Vault, place: Place, address: str | None) -> None:
    vault.address = address
    assert vault.refusal() == ("CLOUD_API_ERROR",)
    assert place.waits == []
    assert place.server.requests == []


def test_a_file_whose_size_nobody_says(vault: Vault, place: Place) -> None:
    place.faults.http("/file", status=206, headers={"Content-Range": "bytes 0-0/*"}, body=b"x")
    assert vault.refusal() == ("GREENGRASS_ARTIFACT_SIZE_NOT_FOUND",)


def test_a_component_that_the_cloud_does_not_know_has_nothing_there(vault: Vault) -> None:
    with pytest.raises(DeploymentError, match="put it into the artifacts folder"):
        vault.fetch(arn="")
    assert vault.asked == []
