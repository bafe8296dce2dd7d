"""Container images: pulled before their components are started, removed when no generation needs them.

Which images were pulled here, and are not somebody else's, is written down before that happens, in ``packages``. Only
those are ever removed, and by the names by which they were pulled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.space import check_free
from ggl.durable import write_json
from ggl.log import get_logger
from ggl.recipe.model import DOCKER, DOCKER_COMPONENT, TOKEN_COMPONENT

if TYPE_CHECKING:
    from pathlib import Path

    from ggl.deploymentd.docker import Docker
    from ggl.deploymentd.fetch_account import Account
    from ggl.deploymentd.patience import Patience
    from ggl.deploymentd.targets import Target
    from ggl.paths import Root
    from ggl.recipe.image import Image

FIRST, LAST = 10.0, 1920.0
"""Seconds between two tries: registries count how often they are asked."""
_DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"

_log = get_logger("deployment-images")


def check(targets: Iterable[Target], asked_for: Iterable[str]) -> None:
    """Whether the deployment has the components that container images need: ``asked_for`` are roots, the dependencies
    of its components count as well. Raises ``DeploymentError``."""
    targets = tuple(targets)
    present = {*asked_for, *(each.name for target in targets for each in target.recipe.dependencies)}
    for target in targets:
        for image in _images(target):
            needs = [(DOCKER_COMPONENT, "MISSING_DOCKER_APPLICATION_MANAGER")]
            needs += [(TOKEN_COMPONENT, "MISSING_TOKEN_EXCHANGE_SERVICE")] if image.ecr_region else []
            for name, code in needs:
                if name not in present:
                    text = f"{target.name} needs the image {image.reference}, and for that the deployment needs {name}"
                    raise DeploymentError(f"{text}: add it to the dependencies of {target.name}", code)


def pull(root: Root, targets: Iterable[Target], patience: Patience) -> None:
    """Pull what ``targets`` need and this device does not have. Raises ``DeploymentError``, and like ``patience``."""
    wanted = {image.reference: image for target in targets for image in _images(target)}
    if not wanted:
        return
    from ggl.deploymentd import docker
    from ggl.deploymentd.fetch_retry import persist

    program = docker.find(patience.check)
    if program is None:
        text = f"there is neither docker nor podman to pull {next(iter(wanted))} with: install one of them"
        raise DeploymentError(text, _DOWNLOAD, "DOCKER_ERROR", "DOCKER_SERVICE_UNAVAILABLE")
    pulls = _Pulls(root, program, patience)
    for image in wanted.values():
        persist(
            patience,
            f"the image {image.reference}",
            lambda image=image: pulls.have(image),  # type: ignore[misc]
            first=FIRST,
            last=LAST,
        )


class _Pulls:
    def __init__(self, root: Root, program: Docker, patience: Patience) -> None:
        self._root = root
        self._program = program
        self._patience = patience
        self._account: Account | None = None

    def have(self, image: Image) -> None:
        """Raises ``Passing`` and ``DeploymentError``."""
        from ggl.deploymentd.docker import Unreachable

        name = image.reference
        before = self._program.image_id(name)
        if before and not (image.is_floating and self._patience.online):
            return
        check_free(self._root.packages, 1)
        if not before:
            # Before it is pulled: afterwards nobody could tell whose it is.
            _write(self._root, {**_read(self._root), name: ""})
        self._patience.tell(f"pulling the image {name}")
        try:
            self._pull(image)
        except Unreachable as error:
            if not before:
                raise
            _log.warning("the image %s stays as it is: %s", name, error)
            return
        after, known = self._program.image_id(name), _read(self._root)
        if name in known:
            # What the name stood for until now has only its id left.
            old = {before: before} if before and before != after and known[name] == before else {}
            _write(self._root, {**known, **old, name: after})

    def _pull(self, image: Image) -> None:
        if not image.ecr_region:
            self._program.pull(image.reference)
            return
        from ggl.deploymentd.docker_login import logged_in
        from ggl.deploymentd.fetch_account import Account

        if self._account is None:
            if self._patience.cloud is None:
                text = f"the image {image.reference} needs AWS credentials, which only a provisioned device has"
                raise DeploymentError(text, _DOWNLOAD, "DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")
            self._account = Account(self._root, self._patience.cloud.settings)
        with logged_in(self._root, self._program, image, self._account) as program:
            program.pull(image.reference)


def remove_others(root: Root, keep: Iterable[str]) -> list[str]:
    """Remove the images that were pulled here and are not in ``keep``; returns the names of those that were removed.

    Best effort: one that a container uses stays, and is tried again the next time. What a login left that was
    interrupted goes as well.
    """
    forget_login(root)
    known = _read(root)
    needless = sorted(known.keys() - set(keep))
    if not needless:
        return []
    from ggl.deploymentd import docker
    from ggl.deploymentd.fetch_retry import Passing

    program = docker.find()
    if program is None:
        _log.warning("%s: not needed any more, but docker and podman are gone", ", ".join(needless))
        return []
    removed = []
    for name in needless:
        try:
            problem = program.remove(name)
        except (Passing, DeploymentError) as error:
            problem = str(error)
        if problem:
            _log.warning("the image %s is not needed any more, and cannot be removed: %s", name, problem)
        else:
            removed.append(name)
    if removed:
        _write(root, {name: image for name, image in known.items() if name not in removed})
    return removed


def login_folder(root: Root) -> Path:
    """Where a login lies while it is needed: see ``docker_login``."""
    return root.state / "docker-login"


def forget_login(root: Root) -> None:
    shutil.rmtree(login_folder(root), ignore_errors=True)


def _images(target: Target) -> list[Image]:
    from ggl.recipe.image import parse_image

    references = (artifact.image for artifact in target.manifest.artifacts if artifact.scheme == DOCKER)
    found = (parse_image(reference) for reference in references)
    return [image for image in found if image is not None]  # every one: a recipe with another cannot be loaded


def _file(root: Root) -> Path:
    return root.packages / ".images.json"


def _read(root: Root) -> dict[str, str]:
    """The images that were pulled here: their ids (empty: it was not finished) by the names they were pulled by."""
    try:
        data = json.loads(_file(root).read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(image) for name, image in data.items()} if isinstance(data, dict) else {}


def _write(root: Root, images: Mapping[str, str]) -> None:
    root.packages.mkdir(parents=True, exist_ok=True)
    write_json(_file(root), dict(images))
