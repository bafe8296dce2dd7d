"""The way into a private registry of Amazon ECR, for the time of one pull.

What the program remembers of the login lies in a directory that only the runtime reads, and goes with it. A login of
the same user elsewhere on the device is left alone.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ggl.cloud import services
from ggl.cloud.https import NoAnswer, Response, request
from ggl.cloud.signing import signed
from ggl.deploymentd.docker import Unreachable
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_retry import DOWNLOAD, Passing
from ggl.deploymentd.images import forget_login, login_folder

if TYPE_CHECKING:
    from ggl.deploymentd.docker import Docker
    from ggl.deploymentd.fetch_account import Account
    from ggl.paths import Root
    from ggl.recipe.image import Image

_TARGET = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
_TIMEOUT = 20.0
_TEXT_LIMIT = 300
_PASSING = ("ThrottlingException", "ServerException", "ServiceUnavailable", "InternalFailure", "RequestExpired")
_OUTDATED = ("ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId")


@contextmanager
def logged_in(root: Root, program: Docker, image: Image, account: Account) -> Iterator[Docker]:
    """``program`` with a login at the registry of ``image``. Raises ``Passing`` and ``DeploymentError``."""
    user, password = _token(image, account)
    directory = login_folder(root)
    forget_login(root)
    directory.mkdir(mode=0o700)
    try:
        # The first is docker's, the second podman's name for it.
        environment = {"DOCKER_CONFIG": str(directory), "REGISTRY_AUTH_FILE": str(directory / "config.json")}
        inside = replace(program, environment={**program.environment, **environment})
        inside.log_in(image.registry, user, password)
        yield inside
    finally:
        forget_login(root)


def _token(image: Image, account: Account) -> tuple[str, str]:
    """User name and password, good for half a day.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
    """
    region, body = image.ecr_region, b"{}"
    place = services.ecr(account.settings, region)
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": _TARGET}
    path = f"{place.path}/"
    headers = signed("POST", place.host, path, "", headers, body, "ecr", region, account.credentials())
    try:
        answer = request(
            "POST", place.url(path), account.trust, account.settings.proxy, headers, body, timeout=_TIMEOUT
        )
    except NoAnswer as error:
        raise Unreachable(f"Amazon ECR cannot be asked: {error}", "DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR") from None
    if answer.status != 200:
        raise _refusal(answer, image, account)
    try:
        (given, *_) = json.loads(answer.body)["authorizationData"]
        user, colon, password = b64decode(given["authorizationToken"], validate=True).decode().partition(":")
    except (ValueError, LookupError, TypeError):
        user = colon = password = ""
    if not (user and colon and password):
        raise Passing("Amazon ECR gave no token", "DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")
    return user, password


def _refusal(answer: Response, image: Image, account: Account) -> Exception:
    try:
        said = json.loads(answer.body)
        kind, message = str(said.get("__type", "")).rpartition("#")[2], said.get("message") or said.get("Message")
    except (ValueError, AttributeError):
        kind, message = "", None
    text = f"Amazon ECR answers {kind or answer.status} ({' '.join(str(message or '').split())[:_TEXT_LIMIT]})"
    if kind in _OUTDATED:
        account.forget()
    if kind in (*_PASSING, *_OUTDATED) or answer.status == 429 or answer.status >= 500:
        return Unreachable(text, "DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")
    text = f"{image.reference}: {text}: allow ecr:GetAuthorizationToken to the role of iotRoleAlias"
    return DeploymentError(text, DOWNLOAD, "DOCKER_ERROR", "GET_ECR_CREDENTIAL_ERROR")
