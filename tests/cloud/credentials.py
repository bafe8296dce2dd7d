"""The credentials provider of AWS IoT: role alias and device certificate in, temporary credentials out."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta

from tests.cloud.faults import Faults, Request, Response
from tests.cloud.web import HttpError, Server, as_json

PREFIX = "/role-aliases/"


class Credentials:
    """``lifetime``: seconds that new credentials are valid; negative ones are expired when they come.
    ``next_lifetimes``: the same for the next ones alone, in their order."""

    def __init__(self, server: Server, faults: Faults, role_alias: str) -> None:
        self.lifetime: float = 3600.0
        self.next_lifetimes: list[float] = []
        self.role_aliases = {role_alias}
        self.issued: list[str] = []
        """The access key ids that have been handed out."""
        self._numbers = itertools.count(1)
        self._server = server
        self._faults = faults
        server.route("GET", f"{PREFIX}([^/]+)/credentials", self._issue)

    @property
    def requests(self) -> list[Request]:
        """Every request so far, also those that were refused."""
        return self._server.asked(PREFIX)

    @property
    def count(self) -> int:
        return len(self.requests)

    def fail(self, status: int, times: int | None = 1, message: str = "told to") -> None:
        """Answer the next requests with an error."""
        self._faults.http(PREFIX, status=status, times=times, body=f'{{"message":"{message}"}}')

    def _issue(self, request: Request, match: re.Match[str]) -> Response:
        if match[1] not in self.role_aliases:
            raise HttpError(404, f"Role alias does not exist: {match[1]}")
        named = request.headers.get("x-amzn-iot-thingname")
        if named is not None and named != request.thing:
            raise HttpError(403, f"the certificate is not attached to thing {named}")
        identifier = f"ASIASTANDIN{next(self._numbers):09d}"
        self.issued.append(identifier)
        lifetime = self.next_lifetimes.pop(0) if self.next_lifetimes else self.lifetime
        expiration = datetime.now(UTC) + timedelta(seconds=lifetime)
        return as_json(
            {
                "credentials": {
                    "accessKeyId": identifier,
                    "secretAccessKey": f"secret/of+{identifier}",
                    "sessionToken": f"token/of+{identifier}==",
                    "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            }
        )
