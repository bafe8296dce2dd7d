"""As whom this device asks AWS for artifacts: its settings, the CAs it trusts, and credentials for its role."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import TYPE_CHECKING

from ggl.bus.client import connect
from ggl.bus.errors import BusError, ErrorCode
from ggl.cloud.services import public_trust
from ggl.cloud.signing import Credentials
from ggl.cloud.tls import BadCredentials
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_retry import DOWNLOAD, Passing
from ggl.values import get_str

if TYPE_CHECKING:
    from ggl.cloud.settings import Settings
    from ggl.paths import Root

TIMEOUT = 90.0
"""Seconds for new credentials: the daemon that gets them has limits of its own."""


class Account:
    """Of the device with ``root``. What it raises: ``Passing``, ``DeploymentError``."""

    def __init__(self, root: Root, settings: Settings) -> None:
        self._root = root
        self.settings = settings
        self._credentials: Credentials | None = None

    @cached_property
    def trust(self) -> ssl.SSLContext:
        try:
            return public_trust()
        except BadCredentials as error:
            raise _unfit(str(error)) from None

    def credentials(self) -> Credentials:
        """They are asked for once; they last longer than what is asked with them, as a rule (see ``forget``)."""
        if self._credentials is None:
            try:
                with connect("aws_iot_tes", self._root, TIMEOUT) as tokens:
                    answer = tokens.call("request_credentials")
            except BusError as error:
                if error.code is ErrorCode.CONFIG:
                    raise _unfit(error.message) from None
                raise Passing(f"there are no AWS credentials: {error.message}") from None
            self._credentials = Credentials(
                get_str(answer, "accessKeyId"), get_str(answer, "secretAccessKey"), get_str(answer, "sessionToken")
            )
        return self._credentials

    def forget(self) -> None:
        """The credentials are not taken any more."""
        self._credentials = None


def _unfit(text: str) -> DeploymentError:
    return DeploymentError(text, DOWNLOAD, "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD")
