"""The artifacts of a component: there, genuine, unpacked, with the right permissions."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ggl.cloud.settings import Settings
from ggl.deploymentd import artifacts
from ggl.deploymentd.artifacts import content_digest, prepare
from ggl.deploymentd.contents import Contents, File
from ggl.deploymentd.dataplane import DataPlane
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch import FETCHERS, Context
from ggl.deploymentd.patience import Patience
from ggl.deploymentd.placing import place
from ggl.deploymentd.staging import Staging, staging_of
from ggl.deploymentd.store import Store
from ggl.recipe.model import Artifact
from tests.unit.ggl.deploymentd.conftest import Workshop


def zipped(**entries: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def prepared(workshop: Workshop, uris: str, name: str = "d", **more: Any) -> tuple[Contents, Staging]:
    workshop.recipe("A", artifacts=uris)
    staging = workshop.stage(name)
    store = Store(workshop.root, staging)
    store.check()
    recipe = store.recipe("A", "1.0.0")
    return prepare(workshop.root, staging, recipe, recipe.manifests[0], None, store, **more), staging


def ready(workshop: Workshop, uris: str, name: str = "d", **more: Any) -> Contents:
    """Deploy, as far as the store is concerned."""
    contents, staging = prepared(workshop, uris, name, **more)
    place(workshop.root, staging, contents)
    staging.remove()
    return contents


def refusal(workshop: Workshop, uris: str, **more: Any) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(DeploymentError) as caught:
        prepared(workshop, uris, **more)
    staging_of(workshop.root, "d").remove()
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


def test_nothing_outside_the_staging_area_changes(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"1"))
    _, staging = prepared(workshop, "{URI: 's3://b/app.zip', Unarchive: ZIP}")
    assert not workshop.root.packages.exists()
    assert (staging.unarchived / "A/1.0.0/app/main").read_bytes() == b"1"
    assert mode(staging.unarchived / "A/1.0.0/app/main") == "0o550"


def test_every_file_counts_by_its_content_also_those_the_recipe_does_not_list(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/listed", b"1")
    workshop.artifact("A/1.0.0/bin/helper", b"2")
    contents = ready(workshop, "{URI: 's3://b/listed', Permission: {Read: ALL}}")
    assert contents.files["artifacts/A/1.0.0/listed"] == File(hashlib.sha256(b"1").hexdigest(), 0o444, None)
    assert contents.files["artifacts/A/1.0.0/bin/helper"] == File(hashlib.sha256(b"2").hexdigest(), 0o550, None)
    assert set(contents.files) == {"recipes/A-1.0.0.yaml", "artifacts/A/1.0.0/listed", "artifacts/A/1.0.0/bin/helper"}
    assert mode(workshop.root.artifacts / "A/1.0.0/bin/helper") == "0o550"
    other_mode = ready(workshop, "{URI: 's3://b/listed'}", "mode")
    assert content_digest(other_mode) == content_digest(contents)
    workshop.artifact("A/1.0.0/bin/helper", b"3")
    assert content_digest(ready(workshop, "{URI: 's3://b/listed'}", "again")) != content_digest(contents)


def test_a_file_that_is_not_sent_again_stays_unless_a_folder_takes_its_place(workshop: Workshop) -> None:
    for name in ("stays", "becomes", "folder/inside"):
        workshop.artifact(f"A/1.0.0/{name}")
    ready(workshop, "")
    shutil.rmtree(workshop.artifacts / "A/1.0.0")
    workshop.artifact("A/1.0.0/becomes/a-folder")
    workshop.artifact("A/1.0.0/folder")
    names = {"stays", "becomes/a-folder", "folder"}
    assert set(ready(workshop, "", "two").files) == {"recipes/A-1.0.0.yaml", *(f"artifacts/A/1.0.0/{n}" for n in names)}


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
        assert codes == ("COMPONENT_PACKAGE_LOADING_ERROR", "HASHING_ALGORITHM_UNAVAILABLE")


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
    assert codes == ("ARTIFACT_DOWNLOAD_ERROR", "IO_ERROR", "IO_UNZIP_ERROR")


def test_a_tar_archive_is_unpacked_like_a_zip(workshop: Workshop) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        entry = tarfile.TarInfo("bin/run")
        entry.size, entry.mode, entry.uid = 1, 0o6777, 12345
        file.addfile(entry, io.BytesIO(b"1"))
    workshop.artifact("A/1.0.0/app.tar.gz", buffer.getvalue())
    ready(workshop, "{URI: 's3://b/app.tar.gz', Unarchive: TAR}")
    assert mode(unpacked(workshop) / "app/bin/run") == "0o550"
    assert (unpacked(workshop) / "app/bin/run").stat().st_uid == os.geteuid()


def test_two_archives_for_one_directory_are_refused(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/app.zip", zipped(main=b"1"))
    workshop.artifact("A/1.0.0/app.jar", zipped(main=b"2"))
    uris = "{URI: 's3://b/app.zip', Unarchive: ZIP}, {URI: 's3://b/app.jar', Unarchive: ZIP}"
    assert "would be unpacked to where another one is" in refusal(workshop, uris)[0]


def test_what_would_fill_the_disk_is_refused_while_it_is_unpacked(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.artifact("A/1.0.0/app.zip", zipped(main=bytes(3000)))
    monkeypatch.setattr(artifacts, "room", lambda _: 2000)
    message, codes = refusal(workshop, "{URI: 's3://b/app.zip', Unarchive: ZIP}")
    assert "what is in app.zip takes more than" in message
    assert codes == ("ARTIFACT_DOWNLOAD_ERROR", "DISK_SPACE_CRITICAL")


def test_the_limit_of_the_store_counts_what_is_new(workshop: Workshop) -> None:
    workshop.artifact("A/1.0.0/model", bytes(6000))
    ready(workshop, "")
    prepared(workshop, "", "same", limit=7000)
    workshop.artifact("A/1.0.0/other", bytes(6000))
    with pytest.raises(DeploymentError, match=r"needs 6\.0 kB in the component store, which holds 6\.\d kB"):
        prepared(workshop, "", "other", limit=7000)


GENUINE = base64.b64encode(hashlib.sha256(b"genuine").digest()).decode()
FETCHED: list[str] = []


CLOUD = DataPlane(Settings())
LOCAL, REMOTE = Patience(tries=3, cloud=CLOUD), Patience(tries=0, cloud=CLOUD)


def fetch_genuine(artifact: Artifact, target: Path, context: Context) -> None:
    context.reserve(7)
    FETCHED.append(f"{context.component} {context.version} {artifact.uri}")
    part = target.read_bytes() if target.exists() else b""
    target.write_bytes(part + b"genuine"[len(part) :])


def fetch_forged(_artifact: Artifact, target: Path, _context: Context) -> None:
    FETCHED.append("forged")
    target.write_bytes(b"forged")


@pytest.fixture(autouse=True)
def nothing_fetched() -> None:
    FETCHED.clear()


def test_what_is_not_there_is_fetched_by_the_scheme_of_its_uri(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{{URI: 's3://b/f', Digest: '{GENUINE}', Algorithm: SHA-256}}"
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_genuine")
    contents = ready(workshop, uri, patience=REMOTE)
    assert FETCHED == ["A 1.0.0 s3://b/f"]
    assert contents.files["artifacts/A/1.0.0/f"].digest == hashlib.sha256(b"genuine").hexdigest()
    ready(workshop, uri, patience=REMOTE)  # it is in the store now
    assert len(FETCHED) == 1
    workshop.artifact("A/1.0.0/f", b"given with the deployment")
    assert refusal(workshop, uri, patience=REMOTE)[1] == ("ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH")


def test_what_was_downloaded_and_is_not_genuine_does_not_stay(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_forged")
    with pytest.raises(DeploymentError) as caught:
        prepared(workshop, f"{{URI: 's3://b/f', Digest: '{GENUINE}', Algorithm: SHA-256}}", patience=REMOTE)
    assert caught.value.codes == ("ARTIFACT_DOWNLOAD_ERROR", "ARTIFACT_CHECKSUM_MISMATCH")
    assert len(FETCHED) == 2  # what came in pieces may have been put together wrongly
    assert list((staging_of(workshop.root, "d").artifacts / "A/1.0.0").iterdir()) == []


def test_without_a_digest_only_somebody_on_the_device_has_it_fetched(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_genuine")
    message, codes = refusal(workshop, "{URI: 's3://b/f'}", patience=REMOTE)
    assert codes == ("ARTIFACT_DOWNLOAD_ERROR", "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM")
    assert "without a Digest" in message
    assert FETCHED == []
    workshop.artifact("A/1.0.0/given", b"1")
    contents = ready(workshop, "{URI: 's3://b/f'}, {URI: 's3://b/given'}", patience=LOCAL)
    assert FETCHED == ["A 1.0.0 s3://b/f"]
    assert contents.files["artifacts/A/1.0.0/given"].digest == hashlib.sha256(b"1").hexdigest()


def test_a_device_that_is_not_provisioned_fetches_nothing(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_genuine")
    for digest, code in (
        (f", Digest: '{GENUINE}', Algorithm: SHA-256", "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD"),
        ("", "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM"),
    ):
        message, codes = refusal(workshop, f"{{URI: 's3://b/f'{digest}}}")
        assert codes == ("ARTIFACT_DOWNLOAD_ERROR", code)
        assert "a device that is not provisioned cannot download it" in message
    assert FETCHED == []


def test_a_stored_file_that_is_not_genuine_any_more_is_fetched_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_genuine")
    stored = workshop.root.artifacts / "A/1.0.0/f"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"damaged")
    ready(workshop, f"{{URI: 's3://b/f', Digest: '{GENUINE}', Algorithm: SHA-256}}", patience=REMOTE)
    assert stored.read_bytes() == b"genuine"


def test_what_was_fetched_before_counts_with_what_is_fetched_now(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FETCHERS, "s3", f"{__name__}:fetch_genuine")
    uris = "{URI: 's3://b/one'}, {URI: 's3://b/two'}"
    contents, staging = prepared(workshop, uris, patience=LOCAL, limit=14)
    assert len(contents.files) == 3
    staging.remove()
    assert refusal(workshop, uris, patience=LOCAL, limit=13)[1][-1] == "DISK_SPACE_CRITICAL"


def test_an_image_is_named_beside_the_files(workshop: Workshop) -> None:
    contents = ready(workshop, "{URI: 'docker:alpine:3'}")
    assert (contents.images, len(contents.files)) == (("alpine:3",), 1)
    other = ready(workshop, "{URI: 'docker:alpine:4'}", "other")
    assert content_digest(contents) != content_digest(other)
    assert Contents.from_dict(contents.to_dict()) == contents
