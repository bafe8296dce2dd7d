"""S3, CloudWatch Logs, IoT, IAM, STS and ECR: moto's server, behind TLS and the faults of the stand-in.

Moto takes seconds to start, so that it is started by the first request, once for all stand-ins of this process; each
one begins with an empty account.
"""

from __future__ import annotations

import atexit
import http.client
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.components import Components, digest
from tests.cloud.documents import REGION
from tests.cloud.faults import Request, Response
from tests.cloud.processes import bound, spawn
from tests.cloud.web import HttpError, Server

START_SECONDS = 180.0
ANSWER_SECONDS = 120.0
_NOT_PASSED_ON = ("connection", "transfer-encoding", "keep-alive", "server", "date")
_lock = threading.Lock()
_moto: tuple[subprocess.Popen[bytes], socket.socket] | None = None
"""And what holds its port."""


def _running_moto() -> int:
    """The port of moto's server, which is started if need be."""
    global _moto
    with _lock:
        if _moto is None or _moto[0].poll() is not None:
            holder = bound()
            port: int = holder.getsockname()[1]
            log = Path(tempfile.gettempdir()) / f"moto-{port}.log"
            process = spawn([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], log)
            atexit.register(process.kill)
            atexit.register(log.unlink, missing_ok=True)
            _moto = process, holder
            deadline = time.monotonic() + START_SECONDS
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"moto did not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
        found: int = _moto[1].getsockname()[1]
        return found


def _answers(port: int) -> bool:
    try:
        return _ask(port, "GET", "/moto-api/data.json").status == 200
    except OSError:
        return False


def _ask(port: int, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Response:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _NOT_PASSED_ON}
        return Response(answer.status, answer.read(), kept)
    finally:
        connection.close()


class Services:
    """What the SDKs talk to. ``client("logs")`` is a boto3 client for tests, which goes past network and faults."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._begun = threading.Lock()
        self._port = 0
        server.route("", "/.*", self._pass_on)

    @property
    def requests(self) -> list[Request]:
        """What devices have asked so far."""
        return list(self._server.requests)

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self.port()}",
            aws_access_key_id="operator",
            aws_secret_access_key="operator",
        )

    def port(self) -> int:
        """Where moto is, as plain HTTP."""
        with self._begun:
            if not self._port:
                port = _running_moto()
                _ask(port, "POST", "/moto-api/reset")
                self._port = port
        return self._port

    def _pass_on(self, request: Request, _: re.Match[str]) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        for name in ("content-length", "expect", "host"):  # in a host's name, moto looks for that of a bucket
            headers.pop(name, None)
        try:
            return _ask(self.port(), request.method, request.target, request.body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise HttpError(502, f"moto: {error}") from error


@dataclass(frozen=True)
class Stored:
    """An object in S3: ``s3://bucket/key``, and its SHA-256 in base64 as recipes have it."""

    uri: str
    digest: str


class S3:
    """Buckets and objects, for tests."""

    def __init__(self, services: Services, components: Components) -> None:
        self._services = services
        self._components = components
        self._client: Any = None

    @property
    def client(self) -> Any:
        """A boto3 client, past network and faults."""
        if self._client is None:
            self._client = self._services.client("s3")
        return self._client

    def put(self, bucket: str, key: str, content: bytes) -> Stored:
        """Store an object; the bucket is made if need be. Recipes that name it get its digest."""
        self.client.create_bucket(Bucket=bucket)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)
        uri = f"s3://{bucket}/{key}"
        self._components.known_digest(uri, content)
        return Stored(uri, digest(content))

    def get(self, bucket: str, key: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return content

    def keys(self, bucket: str) -> list[str]:
        return [each["Key"] for each in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]
