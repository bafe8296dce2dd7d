"""Container images: pulled when they are needed, removed when they are not, with a program that stands for docker."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ggl.cloud.settings import Settings
from ggl.cloud.signing import Credentials
from ggl.deploymentd import images
from ggl.deploymentd.dataplane import DataPlane
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_account import Account
from ggl.deploymentd.patience import Patience
from ggl.deploymentd.queue import Canceled
from ggl.paths import Root, find_root
from ggl.recipe.model import Artifact, Dependency, Manifest, Recipe
from tests.cloud.web import Faults, Request, Response, Server, as_json
from tests.unit.ggl.deploymentd.docker_stub import DockerStub

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
MANAGER, TOKENS = "aws.greengrass.DockerApplicationManager", "aws.greengrass.TokenExchangeService"


def target(*references: str, depends: tuple[str, ...] = ()) -> Any:
    artifacts = tuple(Artifact(f"docker:{reference}") for reference in references)
    recipe = Recipe("A", "1.0.0", dependencies=tuple(Dependency(name, "*") for name in depends))
    return SimpleNamespace(name="A", recipe=recipe, manifest=Manifest(0, artifacts=artifacts))


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DockerStub:
    stub = DockerStub(tmp_path / "docker")
    monkeypatch.setenv("PATH", f"{stub.path.parent}:{os.environ['PATH']}")
    return stub


@pytest.fixture
def root(tmp_path: Path) -> Root:
    found = find_root(str(tmp_path / "root"))
    found.packages.mkdir(parents=True)
    return found


def patience(waits: list[str], tries: int = 0, **more: Any) -> Patience:
    return Patience(wait=lambda _, text: waits.append(text), tries=tries, **more)


def pull(root: Root, *references: str, **more: Any) -> list[str]:
    waits: list[str] = []
    images.pull(root, [target(*references)], patience(waits, **more))
    return waits


def refusal(root: Root, *references: str, **more: Any) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(DeploymentError) as caught:
        pull(root, *references, **more)
    return caught.value.message, caught.value.codes[1:]


# -- what they need ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "depends", "roots", "code"),
    [
        ("a:1", (), (), "MISSING_DOCKER_APPLICATION_MANAGER"),
        ("a:1", (MANAGER,), (), ""),
        ("a:1", (), (MANAGER,), ""),
        (f"{ECR}/a:1", (MANAGER,), (), "MISSING_TOKEN_EXCHANGE_SERVICE"),
        (f"{ECR}/a:1", (MANAGER,), (TOKENS,), ""),
        ("public.ecr.aws/a/a:1", (MANAGER,), (), ""),
    ],
)
def test_the_deployment_has_what_images_need(
    reference: str, depends: tuple[str, ...], roots: tuple[str, ...], code: str
) -> None:
    targets = [target(reference, depends=depends)]
    if not code:
        images.check(targets, roots)
        return
    with pytest.raises(DeploymentError, match="add it to the dependencies of A") as caught:
        images.check(targets, roots)
    assert caught.value.codes == (code,)


# -- pulling ----------------------------------------------------------------------------------------------------------


def test_an_image_is_pulled_once(root: Root, docker: DockerStub) -> None:
    assert pull(root, "a/b:1", "c@sha256:" + "0" * 64) == []
    assert docker.called("pull") == ["a/b:1", "c@sha256:" + "0" * 64]
    pull(root, "a/b:1")
    assert len(docker.called("pull")) == 2


def test_without_images_no_program_is_needed(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    images.pull(root, [target()], Patience())
    message, codes = refusal(root, "a:1")
    assert "neither docker nor podman" in message
    assert codes == ("DOCKER_ERROR", "DOCKER_SERVICE_UNAVAILABLE")


def test_podman_does_as_well(root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = DockerStub(tmp_path / "podman", "podman")
    monkeypatch.setenv("PATH", f"{stub.path.parent}:/usr/bin:/bin")
    pull(root, "a:1")
    assert stub.called("pull") == ["a:1"]


@pytest.mark.parametrize(("online", "pulls"), [(True, 1), (False, 0)])
def test_the_latest_is_pulled_again_where_that_is_possible(
    root: Root, docker: DockerStub, online: bool, pulls: int
) -> None:
    docker.has("a")
    assert pull(root, "a", online=online) == []
    assert len(docker.called("pull")) == pulls


def test_the_latest_stays_as_it_is_while_its_registry_is_away(root: Root, docker: DockerStub) -> None:
    docker.has("a:latest")
    docker.fail("pull", "dial tcp: lookup registry-1.docker.io: no such host", always=True)
    assert pull(root, "a:latest") == []
    assert "no such host" in refusal(root, "b:latest", tries=3)[0]


@pytest.mark.parametrize(
    ("word", "text", "codes"),
    [
        ("image", "what?", ("DOCKER_IMAGE_QUERY_ERROR",)),
        ("image", "Cannot connect to the Docker daemon at unix:///var/run/x", ("DOCKER_SERVICE_UNAVAILABLE",)),
        ("image", "permission denied while trying to connect to", ("USER_NOT_AUTHORIZED_FOR_DOCKER",)),
        ("pull", "manifest for a:1 not found: manifest unknown", ("DOCKER_PULL_ERROR", "DOCKER_IMAGE_NOT_VALID")),
        (
            "pull",
            "pull access denied, repository does not exist",
            ("DOCKER_PULL_ERROR", "DOCKER_IMAGE_NOT_VALID"),
        ),
        ("pull", "write /var/lib/docker/x: no space left on device", ("DOCKER_PULL_ERROR", "DISK_SPACE_CRITICAL")),
        ("pull", "net/http: TLS handshake timeout", ("DOCKER_PULL_ERROR", "NETWORK_ERROR")),
        ("pull", "toomanyrequests: You have reached your pull rate limit", ("DOCKER_PULL_ERROR", "NETWORK_ERROR")),
        ("pull", "something else", ("DOCKER_PULL_ERROR",)),
    ],
)
def test_what_the_program_says_becomes_a_code(
    root: Root, docker: DockerStub, word: str, text: str, codes: tuple[str, ...]
) -> None:
    docker.fail(word, text, always=True)
    message, found = refusal(root, "a:1", tries=2)
    assert found == ("DOCKER_ERROR", *codes)
    assert text in message


def test_what_may_pass_is_tried_again(root: Root, docker: DockerStub) -> None:
    docker.fail("pull", "Cannot connect to the Docker daemon. Is the docker daemon running?")
    assert len(pull(root, "a:1")) == 1
    assert docker.images() == {"a-1"}


def test_a_program_that_only_ever_fails_is_given_up(root: Root, docker: DockerStub) -> None:
    docker.fail("pull", "mystery", always=True)
    refusal(root, "a:1")
    assert len(docker.called("pull")) == 30


def test_a_pull_ends_when_the_deployment_does(root: Root, docker: DockerStub) -> None:
    (docker.folder / "hang").touch()

    def check() -> None:
        if (docker.folder / "hangs").exists():
            raise Canceled

    with pytest.raises(Canceled):
        images.pull(root, [target("a:1")], Patience(check=check))
    # It is gone, not left behind: nothing else holds its output open.
    assert docker.images() == set()


# -- private registries -----------------------------------------------------------------------------------------------


class Registry:
    """The administration of ECR, and a device that may ask it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults = Faults()
        self.server = Server("ecr", None, self.faults)
        self.token = base64.b64encode(b"AWS:pass:word").decode()
        self.cloud = DataPlane(Settings())
        self.server.route("POST", "/", self._answer)
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{self.server.port}")
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        monkeypatch.setattr(Account, "credentials", lambda _account: Credentials("AKID", "secret", "token"))

    def _answer(self, request: Request, _: Any) -> Response:
        return as_json({"authorizationData": [{"authorizationToken": self.token, "proxyEndpoint": f"https://{ECR}"}]})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    found = Registry(monkeypatch)
    yield found
    found.server.close()


@pytest.mark.parametrize("slow", [False, True])
def test_a_private_registry_is_logged_in_to_for_one_pull(
    root: Root, docker: DockerStub, registry: Registry, slow: bool
) -> None:
    if slow:
        (docker.folder / "slow").touch()
    pull(root, f"{ECR}/a:1", cloud=registry.cloud)
    (request,) = registry.server.requests
    assert request.headers["x-amz-target"] == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    assert "/eu-west-1/ecr/aws4_request" in request.headers["authorization"]
    assert (docker.folder / "password").read_text() == "pass:word"
    assert "pass:word" not in "".join(docker.calls)
    where, mode = (docker.folder / "where").read_text().split()
    assert Path(where).is_relative_to(root.state)
    assert mode == "700"
    assert (docker.folder / "login-at-pull").read_text() == "secret\n"
    assert not Path(where).exists()
    assert [each.split()[0] for each in docker.calls] == ["image", "login", "pull", "image"]


def test_nothing_of_a_login_stays_when_it_fails(root: Root, docker: DockerStub, registry: Registry) -> None:
    docker.fail("login", "Error response from daemon: unauthorized", always=True)
    assert refusal(root, f"{ECR}/a:1", cloud=registry.cloud, tries=1)[1] == ("DOCKER_ERROR", "DOCKER_LOGIN_ERROR")
    assert not images.login_folder(root).exists()
    images.login_folder(root).mkdir()  # the process was killed
    images.remove_others(root, [])
    assert not images.login_folder(root).exists()


def test_the_token_may_be_refused(root: Root, docker: DockerStub, registry: Registry) -> None:
    body = json.dumps({"__type": "com.amazonaws#AccessDeniedException", "message": "not you"})
    registry.faults.http("/", status=400, body=body, times=None)
    message, codes = refusal(root, f"{ECR}/a:1", cloud=registry.cloud)
    assert codes == ("DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")
    assert "AccessDeniedException (not you): allow ecr:GetAuthorizationToken" in message
    assert docker.called("login") == []
    assert refusal(root, f"{ECR}/a:1")[1] == ("DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")  # not provisioned


def test_the_token_may_come_later(root: Root, docker: DockerStub, registry: Registry) -> None:
    registry.faults.http("/", status=503)
    registry.faults.http("/", status=200, body="{}")
    assert len(pull(root, f"{ECR}/a:1", cloud=registry.cloud)) == 2
    assert docker.called("pull") == [f"{ECR}/a:1"]


# -- removing ---------------------------------------------------------------------------------------------------------


def test_only_what_was_pulled_here_is_removed(root: Root, docker: DockerStub) -> None:
    docker.has("theirs:1")
    pull(root, "theirs:1", "mine:1", "mine:2")
    assert images.remove_others(root, ["mine:2"]) == ["mine:1"]
    assert docker.images() == {"theirs-1", "mine-2"}
    assert images.remove_others(root, ["mine:2"]) == []
    assert docker.called("rmi") == ["mine:1"]


def test_what_a_container_uses_is_removed_later(root: Root, docker: DockerStub) -> None:
    pull(root, "a:1")
    (docker.folder / "in-use").touch()
    assert images.remove_others(root, []) == []
    (docker.folder / "in-use").unlink()
    assert images.remove_others(root, []) == ["a:1"]


def test_an_image_whose_pull_was_interrupted_is_known(root: Root, docker: DockerStub) -> None:
    docker.fail("pull", "pull access denied")
    refusal(root, "a:1")
    docker.has("a:1")  # the program went on with it
    assert images.remove_others(root, []) == ["a:1"]
    assert docker.images() == set()


def test_what_the_latest_was_before_goes_by_its_id(root: Root, docker: DockerStub) -> None:
    pull(root, "a")
    (docker.folder / "next").write_text("2")
    pull(root, "a")
    docker.has("sha256:1", "1")
    assert images.remove_others(root, ["a"]) == ["sha256:1"]
    assert docker.images() == {"a"}
