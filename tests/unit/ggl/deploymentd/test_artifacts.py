"""The artifacts of a component: there, genuine, unpacked, with the right permissions."""

from __future__ import annotations

import base64
import hashlib
import io
import stat
import zipfile
from pathlib import Path

import pytest

from ggl.deploymentd.artifacts import prepare
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.store import Store
from tests.unit.ggl.deploymentd.conftest import Workshop


def zipped(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def ready(workshop: Workshop, artifacts: str, name: str = "d") -> dict[str, str]:
    workshop.recipe("A", artifacts=artifacts)
    store = Store(workshop.root)
    staging = workshop.stage(name)
    store.ingest(staging)
    staging.remove()
    recipe = store.recipe("A", "1.0.0")
    return dict(prepare(workshop.root, recipe, recipe.manifests[0], None))


def refusal(workshop: Workshop, artifacts: str) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(DeploymentError) as caught:
        ready(workshop, artifacts)
    return caught.value.message, caught.value.codes


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def unpacked(workshop: Workshop) -> Path:
    return workshop.root.artifacts_unarchived / "A" / "1.0.0"


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        ("", "0o550"),
        ("Permission: {}", "0o550"),
        ("Permission: {Read: OWNER}", "0o440"),
        ("Permission: {Read: OWNER, Execute: OWNER}", "0o550"),
        ("Permission: {Read: ALL}", "0o444"),
        ("Permission: {Read: ALL, Execute: ALL}", "0o555"),
        ("Permission: {Read: NONE}", "0o400"),
    ],
)
def test_permissions_become_the_mode_of_the_file_and_of_what_is_unpacked(
    workshop: Workshop, permission: str, expected: str
) -> None:
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"1"))
    ready(workshop, f"{{URI: 's3://b/k/app.zip', Unarchive: ZIP, {permission}}}")
    assert mode(workshop.root.artifacts / "A/1.0.0/app.zip") == expected
    assert mode(unpacked(workshop) / "app/main") == expected
    assert mode(unpacked(workshop) / "app") == "0o755"


def test_every_file_counts_by_its_content_also_those_the_recipe_does_not_list(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/listed", b"1")
    workshop.artifact("A/1.0.0/bin/helper", b"2")
    digests = ready(workshop, "{URI: 's3://b/listed'}")
    assert digests == {"listed": hashlib.sha256(b"1").hexdigest(), "bin/helper": hashlib.sha256(b"2").hexdigest()}
    assert mode(workshop.root.artifacts / "A/1.0.0/bin/helper") == "0o550"
    workshop.artifact("A/1.0.0/bin/helper", b"3")
    assert ready(workshop, "{URI: 's3://b/listed'}", "again") != digests


def test_a_missing_artifact_names_the_file_and_what_to_do(workshop: Workshop) -> None:
    message, codes = refusal(workshop, "{URI: 's3://bucket/some/key/app.zip'}")
    assert "s3://bucket/some/key/app.zip is missing" in message
    assert "Put it into the artifacts folder as A/1.0.0/app.zip and deploy again" in message
    assert codes[0] == "ARTIFACT_DOWNLOAD_ERROR"


def test_a_digest_in_the_recipe_is_held_against_the_file(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/f", b"genuine")
    good = base64.b64encode(hashlib.sha256(b"genuine").digest()).decode()
    ready(workshop, f"{{URI: 's3://b/f', Digest: '{good}', Algorithm: SHA-256}}")
    workshop.artifact("A/1.0.0/f", b"forged")
    for wrong in (good, "x", "!!!"):
        _, codes = refusal(workshop, f"{{URI: 's3://b/f', Digest: '{wrong}', Algorithm: SHA-256}}")
        assert codes == ("ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH")
    for unknown in ("CRC-7", "SHAKE-128", '"\\0"'):
        _, codes = refusal(workshop, f"{{URI: 's3://b/f', Digest: '{good}', Algorithm: {unknown}}}")
        assert codes == ("ARTIFACT_DOWNLOAD_ERROR", "HASHING_ALGORITHM_UNAVAILABLE")


def test_an_archive_is_unpacked_again_only_when_it_changed(workshop: Workshop) -> None:
    uri = "{URI: 's3://b/app.tar.zip', Unarchive: ZIP}"
    workshop.artifact("A/1.0.0/app.tar.zip", zipped(main=b"1", old=b""))
    ready(workshop, uri, "one")
    directory = unpacked(workshop) / "app.tar"
    first = (directory / "main").stat().st_ino
    ready(workshop, uri, "two")
    assert (directory / "main").stat().st_ino == first
    workshop.artifact("A/1.0.0/app.tar.zip", zipped(main=b"2"))
    ready(workshop, uri, "three")
    assert sorted(path.name for path in directory.iterdir()) == ["main"]
    assert (directory / "main").read_bytes() == b"2"


def test_an_archive_that_cannot_be_trusted_fails_with_its_name(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/app.zip", zipped(**{"../../evil": b""}))
    message, codes = refusal(workshop, "{URI: 's3://b/app.zip', Unarchive: ZIP}")
    assert "cannot unpack s3://b/app.zip" in message
    assert codes == ("COMPONENT_PACKAGE_LOADING_ERROR", "IO_UNZIP_ERROR")


def test_a_docker_image_is_refused(workshop: Workshop) -> None:
    assert "is a Docker image" in refusal(workshop, "{URI: 'docker:alpine:3'}")[0]
