"""What the record of a failed deployment says: the stack of codes from general to specific, and whose fault it was."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import images, space, unarchived
from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.contents import Contents, File
from ggl.deploymentd.current import Current
from ggl.deploymentd.document import Document
from ggl.deploymentd.errors import DeploymentError, Rejected, error_types
from ggl.deploymentd.forward import check, choose
from ggl.deploymentd.outcome import also, failure_of
from ggl.deploymentd.placing import place
from ggl.deploymentd.record import Deployment
from ggl.deploymentd.store import Store
from ggl.deploymentd.targets import make_targets
from ggl.values import InvalidValue
from tests.unit.ggl.deploymentd.conftest import Workshop

PACKAGE, DOWNLOAD = "COMPONENT_PACKAGE_LOADING_ERROR", "ARTIFACT_DOWNLOAD_ERROR"
UPDATE, NOTHING_FITS = "COMPONENT_UPDATE_ERROR", "NO_AVAILABLE_COMPONENT_VERSION"
NOT_MET = "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"
DIGEST = "Digest: 'AAAA', Algorithm: "


def report(error: Exception, kind: str = "LOCAL") -> tuple[list[str], list[str]]:
    failure = failure_of(error, Deployment("d", created=0, type=kind))
    return failure["error_stack"], failure["error_types"]


def deploy(workshop: Workshop, *roots: str) -> None:
    """Everything that a deployment does before it changes anything."""
    staging = workshop.stage()
    store = Store(workshop.root, staging)
    store.check()
    current = Current()
    document = Document("d", "g", 1, dict(each.split(" ") for each in roots or ("A 1.0.0",)))
    versions = choose(document, current, store)
    recipes = [store.recipe(*each) for each in versions.items()]
    targets = make_targets(workshop.root, recipes, document, current, euid=1000).components
    images.check(targets, document.roots)
    for target in targets:
        prepare(workshop.root, staging, target.recipe, target.manifest, None, store)


def recipe(body: str = "", artifacts: str = "", file: str = "", **more: Any) -> Callable[[Workshop], None]:
    def write(workshop: Workshop) -> None:
        workshop.recipe("A", body=body, artifacts=artifacts)
        if file:
            workshop.artifact(f"A/1.0.0/{file}")

    return write


def raw(text: str) -> Callable[[Workshop], None]:
    def write(workshop: Workshop) -> None:
        (workshop.recipes / "A.yaml").write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: A\nComponentVersion: 1.0.0\n{text}\n"
        )

    return write


def circle(workshop: Workshop) -> None:
    workshop.recipe("A", body="ComponentDependencies: {B: {VersionRequirement: '*'}}")
    workshop.recipe("B", body="ComponentDependencies: {A: {VersionRequirement: '*'}}")


def twice(workshop: Workshop) -> None:
    workshop.recipe("A", file="one.yaml")
    workshop.recipe("A", file="two.yaml", body="ComponentDescription: another")


MISTAKES: dict[str, tuple[Callable[[Workshop], Any], list[str], list[str]]] = {
    "no recipe": (lambda workshop: None, [NOTHING_FITS, NOT_MET], ["REQUEST_ERROR"]),
    "a range that nothing meets": (
        recipe("ComponentDependencies: {A: {VersionRequirement: '^2.0.0'}}"),
        [NOTHING_FITS, NOT_MET],
        ["REQUEST_ERROR"],
    ),
    "for another platform": (
        raw("Manifests: [{Platform: {os: windows}, Lifecycle: {run: dir}}]"),
        [NOTHING_FITS, NOT_MET],
        ["REQUEST_ERROR"],
    ),
    "a circle": (circle, ["COMPONENT_CIRCULAR_DEPENDENCY_ERROR"], ["REQUEST_ERROR"]),
    "no YAML": (raw("Manifests: ["), [PACKAGE, "RECIPE_PARSE_ERROR"], ["COMPONENT_RECIPE_ERROR"]),
    "no manifest": (raw("ComponentDescription: x"), [PACKAGE, "RECIPE_MISSING_MANIFEST"], ["COMPONENT_RECIPE_ERROR"]),
    "two recipes of one version": (twice, [PACKAGE, "RECIPE_PARSE_ERROR"], ["COMPONENT_RECIPE_ERROR"]),
    "a step without a script": (
        raw("Manifests: [{Lifecycle: {run: {}}}]"),
        [PACKAGE, "RECIPE_PARSE_ERROR"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "a dependency that cannot be named so": (
        recipe("ComponentDependencies: {'a/b': {VersionRequirement: '*'}}"),
        [PACKAGE, "COMPONENT_DEPENDENCY_NOT_VALID"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "a range that cannot be read": (
        recipe("ComponentDependencies: {B: {VersionRequirement: 'about 1'}}"),
        [PACKAGE, "COMPONENT_DEPENDENCY_NOT_VALID"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "a plugin": (
        recipe("ComponentType: aws.greengrass.plugin"),
        [PACKAGE, "CUSTOM_PLUGIN_NOT_SUPPORTED"],
        ["USER_COMPONENT_ERROR"],
    ),
    "an artifact without URI": (
        recipe(artifacts="{URI: ''}"),
        [PACKAGE, "ARTIFACT_URI_NOT_VALID", "EMPTY_ARTIFACT_URI"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "an artifact without scheme": (
        recipe(artifacts="{URI: file.zip}"),
        [PACKAGE, "ARTIFACT_URI_NOT_VALID", "EMPTY_ARTIFACT_SCHEME"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "an artifact of another scheme": (
        recipe(artifacts="{URI: 'https://example.com/a'}"),
        [PACKAGE, "ARTIFACT_URI_NOT_VALID", "UNSUPPORTED_ARTIFACT_SCHEME"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "an artifact that names no file in S3": (
        recipe(artifacts="{URI: 's3://bucket'}"),
        [PACKAGE, "ARTIFACT_URI_NOT_VALID", "S3_ARTIFACT_URI_NOT_VALID"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "an image that is none": (
        recipe(artifacts="{URI: 'docker:Alpine:3'}"),
        [PACKAGE, "ARTIFACT_URI_NOT_VALID", "DOCKER_ARTIFACT_URI_NOT_VALID"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "an image without what images need": (
        recipe(artifacts="{URI: 'docker:alpine:3'}"),
        ["MISSING_DOCKER_APPLICATION_MANAGER"],
        ["REQUEST_ERROR"],
    ),
    "a missing artifact": (
        recipe(artifacts="{URI: 's3://b/f'}"),
        [DOWNLOAD, "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "a missing artifact that could be had elsewhere": (
        recipe(artifacts=f"{{URI: 's3://b/f', {DIGEST}SHA-256}}"),
        [DOWNLOAD, "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD"],
        ["DEVICE_ERROR"],
    ),
    "another artifact": (
        recipe(artifacts=f"{{URI: 's3://b/f', {DIGEST}SHA-256}}", file="f"),
        [DOWNLOAD, "ARTIFACT_CHECKSUM_MISMATCH"],
        ["COMPONENT_RECIPE_ERROR"],
    ),
    "a digest that nobody can check": (
        recipe(artifacts=f"{{URI: 's3://b/f', {DIGEST}CRC-7}}", file="f"),
        [PACKAGE, "HASHING_ALGORITHM_UNAVAILABLE"],
        ["DEVICE_ERROR"],
    ),
    "an archive that is none": (
        recipe(artifacts="{URI: 's3://b/f.zip', Unarchive: ZIP}", file="f.zip"),
        [DOWNLOAD, "IO_ERROR", "IO_UNZIP_ERROR"],
        ["DEVICE_ERROR"],
    ),
    "a step that needs root": (
        raw("Manifests: [{Lifecycle: {run: {Script: x, RequiresPrivilege: true}}}]"),
        ["RUN_WITH_CONFIG_NOT_VALID"],
        ["REQUEST_ERROR"],
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_deployment_that_cannot_be_prepared(workshop: Workshop, what: str) -> None:
    make, codes, types = MISTAKES[what]
    make(workshop)
    with pytest.raises(DeploymentError) as caught:
        deploy(workshop)
    assert report(caught.value) == (["DEPLOYMENT_FAILURE", *codes], types)


def test_what_does_not_fit(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.recipe("A", artifacts="{URI: 's3://b/f'}")
    workshop.artifact("A/1.0.0/f", b"x" * 100)
    staging = workshop.stage()
    store = Store(workshop.root, staging)
    parsed = store.recipe("A", "1.0.0")
    with pytest.raises(DeploymentError) as caught:
        prepare(workshop.root, staging, parsed, parsed.manifests[0], None, store, 99)
    assert report(caught.value) == (["DEPLOYMENT_FAILURE", DOWNLOAD, "DISK_SPACE_CRITICAL"], ["DEVICE_ERROR"])
    monkeypatch.setattr(space, "RESERVE", 1 << 60)
    with pytest.raises(DeploymentError) as caught:
        space.check_free(workshop.root.packages, 1)
    assert caught.value.codes == (DOWNLOAD, "DISK_SPACE_CRITICAL")


def test_what_cannot_be_put_in_place(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> list[str]:
        with pytest.raises(DeploymentError) as caught:
            place(workshop.root, None, Contents({path: File("0" * 64, 0o444, None)}, {}))
        return report(caught.value)[0]

    lost = ["DEPLOYMENT_FAILURE", PACKAGE]
    assert missing("artifacts/A/1.0.0/f") == [*lost, "IO_ERROR", "IO_READ_ERROR"]
    assert missing("recipes/A-1.0.0.yaml") == [*lost, "LOCAL_RECIPE_NOT_FOUND"]

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(unarchived.os, "chown", refuse)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DeploymentError) as caught:
        unarchived.hand_over(file, 0o444, (54321, 54321))
    expected = ["DEPLOYMENT_FAILURE", DOWNLOAD, "IO_ERROR", "SET_PERMISSION_ERROR"], ["DEVICE_ERROR"]
    assert report(caught.value) == expected


DOCUMENT = "DEPLOYMENT_DOCUMENT_NOT_VALID"


@pytest.mark.parametrize(
    ("error", "codes", "types"),
    [
        (OSError(errno.ENOSPC, "full"), ["IO_ERROR", "DISK_SPACE_CRITICAL"], ["DEVICE_ERROR"]),
        (OSError(errno.EIO, "broken"), ["IO_ERROR", "IO_WRITE_ERROR"], ["DEVICE_ERROR"]),
        (BusError(ErrorCode.NOMEM, "full"), ["IO_ERROR", "IO_WRITE_ERROR"], ["DEVICE_ERROR"]),
        (BusError(ErrorCode.FAILURE, "no"), [UPDATE], ["USER_COMPONENT_ERROR"]),
        (InvalidValue("wrong"), [DOCUMENT], ["NUCLEUS_ERROR"]),
        (DeploymentError("", "DEPLOYMENT_INTERRUPTED"), ["DEPLOYMENT_INTERRUPTED"], []),
        (ZeroDivisionError(), [], []),
    ],
)
def test_failures_that_are_no_mistake_in_what_is_deployed(error: Exception, codes: list[str], types: list[str]) -> None:
    assert report(error) == (["DEPLOYMENT_FAILURE", *codes], types)


@pytest.mark.parametrize(
    ("kind", "document", "component"),
    [
        ("LOCAL", "NUCLEUS_ERROR", "USER_COMPONENT_ERROR"),
        ("DOCUMENT", "NUCLEUS_ERROR", "USER_COMPONENT_ERROR"),
        ("ROLLBACK", "NUCLEUS_ERROR", "USER_COMPONENT_ERROR"),
        ("IOT_JOBS", "CLOUD_SERVICE_ERROR", "COMPONENT_ERROR"),
        ("SHADOW", "CLOUD_SERVICE_ERROR", "COMPONENT_ERROR"),
    ],
)
def test_whose_fault_it_was_depends_on_who_deploys(kind: str, document: str, component: str) -> None:
    for code in (DOCUMENT, "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT", "EMPTY_DEPLOYMENT_REQUEST"):
        assert report(DeploymentError("", code), kind)[1] == [document], code
    for code in (UPDATE, "COMPONENT_BROKEN", "REMOVE_COMPONENT_ERROR", "COMPONENT_CONFIGURATION_NOT_VALID"):
        assert report(DeploymentError("", code), kind)[1] == [component], code
    for code in ("COMPONENT_BOOTSTRAP_TIMEOUT", "COMPONENT_BOOTSTRAP_ERROR"):
        assert report(DeploymentError("", UPDATE, code), kind) == (["DEPLOYMENT_FAILURE", UPDATE, code], [component])


def test_a_deployment_that_is_out_of_date_is_rejected_whatever_else_is_wrong_with_it() -> None:
    last = {"v": 9, "t": 1}
    services = {"DeploymentService": {"GroupToLastDeployment": {"g": {"timestamp": last}}}}
    document = Document("d", "g", 8, required_capabilities=("FLYING",))
    with pytest.raises(Rejected) as caught:
        check(document, Current(services), from_jobs=True)
    assert report(caught.value, "IOT_JOBS") == (["DEPLOYMENT_REJECTED", "REJECTED_STALE_DEPLOYMENT"], [])
    # Only the cloud delivers deployments in another order than they were made.
    with pytest.raises(DeploymentError) as other:
        check(document, Current(services), from_jobs=False)
    assert report(other.value) == (["DEPLOYMENT_FAILURE", "NUCLEUS_MISSING_REQUIRED_CAPABILITIES"], ["REQUEST_ERROR"])
    check(Document("d", "g", 9), Current(services), from_jobs=True)
    check(Document("d", "other", 1), Current(services), from_jobs=True)


@pytest.mark.parametrize("capability", ["LINUX_RESOURCE_LIMITS", "SUB_DEPLOYMENTS"])
def test_a_capability_that_the_runtime_has(capability: str) -> None:
    check(Document("d", "g", 1, required_capabilities=(capability,)), Current(), from_jobs=True)


def test_a_code_and_a_type_is_said_once() -> None:
    deployment = Deployment("d", created=0)
    broken = DeploymentError("A is broken", UPDATE, "COMPONENT_BROKEN", broken=["A"])
    on_the_way_back = DeploymentError("B is broken", UPDATE, "COMPONENT_BROKEN", broken=["B"])
    failure = also(failure_of(broken, deployment), on_the_way_back, deployment)
    assert failure["error_stack"] == ["DEPLOYMENT_FAILURE", UPDATE, "COMPONENT_BROKEN"]
    assert (failure["error_types"], failure["broken"]) == (["USER_COMPONENT_ERROR"], ["A", "B"])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("THROTTLING_ERROR", "REQUEST_ERROR"),
        ("S3_GET_OBJECT_ACCESS_DENIED", "PERMISSION_ERROR"),
        ("S3_SERVER_ERROR", "SERVER_ERROR"),
        ("TLS_HANDSHAKE_FAILURE", "NETWORK_ERROR"),
        ("HTTP_REQUEST_ERROR", "HTTP_ERROR"),
        ("LOCAL_RECIPE_CORRUPTED", "DEVICE_ERROR"),
        ("CONFIG_INTERPOLATE_ERROR", "COMPONENT_RECIPE_ERROR"),
        ("DOCKER_PULL_ERROR", "DEPENDENCY_ERROR"),
        ("DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED", "CLOUD_SERVICE_ERROR"),
        ("NUCLEUS_RESTART_FAILURE", "NUCLEUS_ERROR"),
        ("DEPLOYMENT_TYPE_NOT_VALID", "UNKNOWN_ERROR"),
    ],
)
def test_every_kind_of_fault(code: str, kind: str) -> None:
    assert error_types(["CLOUD_API_ERROR", code, "IO_ERROR"]) == (kind,)


def test_whose_fault_a_component_is_follows_from_the_account_in_its_arn() -> None:
    def kinds(*arns: str, local: bool = False) -> tuple[str, ...]:
        return error_types(["COMPONENT_UPDATE_ERROR", "COMPONENT_BROKEN"], local=local, arns=arns)

    arn = "arn:aws:greengrass:eu-west-1:{}:components:A:versions:1.0.0"
    assert kinds(arn.format("aws")) == ("AWS_COMPONENT_ERROR",)
    assert kinds(arn.format("123456789012")) == ("USER_COMPONENT_ERROR",)
    assert kinds(arn.format("aws"), "") == ("AWS_COMPONENT_ERROR", "COMPONENT_ERROR")
    assert kinds() == ("COMPONENT_ERROR",)
    assert kinds(arn.format("aws"), local=True) == ("USER_COMPONENT_ERROR",)
