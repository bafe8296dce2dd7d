"""Artifacts from the cloud: to a real runtime, from S3 and Greengrass as the stand-in has them, over a bad network."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import wait_until
from tests.unit.ggl.deploymentd.docker_stub import DockerStub

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud.aws import Cloud
    from tests.cloud.web import Request
    from tests.integration.conftest import Runtime
    from tests.integration.device import Device

pytestmark = pytest.mark.process_host

BIG = os.urandom(3_000_000)
KEY = "/bucket/big.bin"
COMPONENT = "com.example.Big"


def recipe(device: Device, *artifacts: str, depends: str = "{}") -> None:
    (device.recipes / "big.yaml").write_text(
        f"RecipeFormatVersion: '2020-01-25'\nComponentName: {COMPONENT}\nComponentVersion: 1.0.0\n"
        f"ComponentDependencies: {depends}\n"
        f"Manifests: [{{Artifacts: [{', '.join(artifacts)}], Lifecycle: {{run: 'exec sleep 1000'}}}}]\n"
    )


def listed(uri: str, content: bytes | None = None) -> str:
    if content is None:
        return f"{{URI: '{uri}'}}"
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return f"{{URI: '{uri}', Digest: '{digest}', Algorithm: SHA-256}}"


@pytest.fixture
def big(aws: Cloud, cloud_device: Device) -> str:
    """A large object, and a component that needs it."""
    uri = aws.s3.put("bucket", "big.bin", BIG).uri
    recipe(cloud_device, listed(uri, BIG))
    return uri


def asked_for(aws: Cloud, path: str = KEY) -> list[Request]:
    return [each for each in aws.services.requests if each.path == path and each.method == "GET"]


def stored(runtime: Runtime, file: str = "big.bin") -> Path:
    return runtime.root.artifacts / COMPONENT / "1.0.0" / file


def from_the_cloud(device: Device, deployment_id: str = "job") -> str:
    """As a job would have it: it waits for the network for as long as it takes."""
    document = {
        "deploymentId": deployment_id,
        "groupName": "thing/Thing1",
        "creationTimestamp": 2_000_000_000_000,
        "componentUpdatePolicy": {"action": "SKIP_NOTIFY_COMPONENTS"},
        "components": {COMPONENT: {"version": "1.0.0"}},
    }
    params = {"document": document, "type": "IOT_JOBS", "recipe_directory_path": str(device.recipes)}
    identifier: str = device.runtime.call("gg_deployment", "create_deployment", params)["deployment_id"]
    return identifier


def part_size(device: Device) -> int:
    return sum(path.stat().st_size for folder in device.staged() for path in folder.rglob(".big.bin.part"))


def test_a_local_deployment_takes_from_s3_what_was_not_given(aws: Cloud, cloud_device: Device) -> None:
    one, two = (aws.s3.put("bucket", f"folder/{name}", name.encode()).uri for name in ("one", "two"))
    recipe(cloud_device, listed(one), listed(two))
    cloud_device.artifact(COMPONENT, "two", "given")
    cloud_device.succeed({COMPONENT: "1.0.0"})
    assert stored(cloud_device.runtime, "one").read_bytes() == b"one"
    assert stored(cloud_device.runtime, "two").read_bytes() == b"given"
    assert asked_for(aws, "/bucket/folder/two") == []


def test_the_rest_is_fetched_after_a_cut(aws: Cloud, cloud_device: Device, big: str) -> None:
    aws.network.cut_after(1_500_000, "services")
    outcome = cloud_device.outcome(from_the_cloud(cloud_device))
    assert outcome["status"] == "SUCCEEDED", outcome
    assert stored(cloud_device.runtime).read_bytes() == BIG
    first, *others = (each.headers.get("range", "all") for each in asked_for(aws))
    assert first == "all"
    assert others
    assert "all" not in others
    assert "bytes=0-" not in others


def test_a_killed_daemon_goes_on_where_it_was(aws: Cloud, cloud_device: Device, big: str) -> None:
    runtime = cloud_device.runtime
    aws.network.limit(300_000, "services")
    deployment = from_the_cloud(cloud_device)
    wait_until(lambda: part_size(cloud_device), lambda size: size > 300_000)
    aws.network.cut("services", silently=True)  # the next one shall not have more of it before this is looked at
    runtime.kill(runtime.pid_of("deploymentd"))
    before = part_size(cloud_device)
    aws.network.limit(0, "services")
    aws.network.restore("services")
    assert cloud_device.outcome_after_all(deployment, 300)["status"] == "SUCCEEDED"
    assert stored(runtime).read_bytes() == BIG
    assert asked_for(aws)[-1].headers["range"] == f"bytes={before}-"


def test_a_download_ends_when_it_is_canceled(aws: Cloud, cloud_device: Device, big: str) -> None:
    aws.network.limit(100_000, "services")
    deployment = from_the_cloud(cloud_device)
    wait_until(lambda: cloud_device.get(deployment), lambda seen: "downloading big.bin" in seen["message"])
    assert cloud_device.cancel(deployment)["canceled"]
    assert cloud_device.outcome(deployment)["status"] == "CANCELED"
    wait_until(cloud_device.staged, lambda found: found == [])
    wait_until(lambda: aws.network.connections("services"), lambda count: count == 0)


def test_a_deployment_from_the_cloud_waits_for_the_network(aws: Cloud, cloud_device: Device, big: str) -> None:
    aws.network.cut("services")
    deployment = from_the_cloud(cloud_device)
    wait_until(lambda: cloud_device.get(deployment)["message"], lambda text: "trying again" in text)
    aws.network.restore("services")
    assert cloud_device.outcome(deployment)["status"] == "SUCCEEDED"


def test_somebody_who_waits_is_told_that_there_is_no_network(aws: Cloud, cloud_device: Device, big: str) -> None:
    aws.network.cut("services")
    outcome = cloud_device.deploy({COMPONENT: "1.0.0"})
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "ARTIFACT_DOWNLOAD_ERROR", "NETWORK_ERROR"]
    assert "(tried 3 times)" in outcome["cause"]


@pytest.mark.parametrize("why", ["missing", "forged", "denied"])
def test_what_cannot_be_had(aws: Cloud, cloud_device: Device, big: str, why: str) -> None:
    if why == "missing":
        aws.s3.client.delete_object(Bucket="bucket", Key="big.bin")
    elif why == "forged":
        aws.s3.put("bucket", "big.bin", b"something else")
    else:
        aws.faults.http(KEY, status=403, body="<Error><Code>AccessDenied</Code></Error>", times=None)
    codes = {
        "missing": ["S3_ERROR", "S3_RESOURCE_NOT_FOUND", "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND"],
        "forged": ["ARTIFACT_CHECKSUM_MISMATCH"],
        "denied": ["S3_ERROR", "S3_ACCESS_DENIED", "S3_HEAD_OBJECT_ACCESS_DENIED"],
    }
    outcome = cloud_device.outcome(from_the_cloud(cloud_device))
    assert outcome["detailed_status"] == "FAILED_NO_STATE_CHANGE"
    assert outcome["error_stack"] == ["DEPLOYMENT_FAILURE", "ARTIFACT_DOWNLOAD_ERROR", *codes[why]]
    wait_until(cloud_device.staged, lambda found: found == [])
    assert not stored(cloud_device.runtime).exists()


def test_the_store_has_a_limit(aws: Cloud, cloud_device: Device, big: str) -> None:
    nucleus = ("aws.greengrass.NucleusLite", "configuration", "componentStoreMaxSizeBytes")
    cloud_device.set_config(2_000_000, *nucleus)
    outcome = cloud_device.outcome(from_the_cloud(cloud_device))
    assert outcome["error_stack"][-1] == "DISK_SPACE_CRITICAL"
    assert asked_for(aws) == []


def test_greengrass_keeps_artifacts_itself(aws: Cloud, cloud_device: Device) -> None:
    aws.components.put(COMPONENT, artifacts={"big.bin": BIG})
    aws.faults.http("/files/", truncate=1_000_000, method="GET", times=2)  # the first one asks for the size
    outcome = cloud_device.outcome(from_the_cloud(cloud_device))
    assert outcome["status"] == "SUCCEEDED", outcome
    assert stored(cloud_device.runtime).read_bytes() == BIG
    assert [each.headers["range"] for each in aws.files.requests if "range" in each.headers][-1] == "bytes=1000000-"


def test_images_come_and_go_with_their_components(
    aws: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    docker = DockerStub(tmp_path / "docker")
    monkeypatch.setenv("PATH", f"{docker.path.parent}:{os.environ['PATH']}")
    device: Device = request.getfixturevalue("cloud_device")
    ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:1"
    needs = {name: {"VersionRequirement": "*"} for name in ("DockerApplicationManager", "TokenExchangeService")}
    depends = ", ".join(f"aws.greengrass.{name}: {entry}" for name, entry in needs.items())
    recipe(device, listed(f"docker:{ecr}"), listed("docker:alpine:3"), depends=f"{{{depends}}}")
    device.succeed({COMPONENT: "1.0.0"})
    assert docker.images() == {ecr.replace("/", "_").replace(":", "-"), "alpine-3"}
    assert (docker.folder / "password").read_text()
    generations: Any = ("aws.greengrass.NucleusLite", "configuration", "generationsToKeep")
    device.set_config(1, *generations)
    device.succeed({}, (COMPONENT,))
    wait_until(docker.images, lambda found: found == set())
