"""The programs that pull container images: ``docker``, or ``podman``, which takes the same arguments.

What they say when they fail is all there is to tell one reason from another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.fetch_retry import DOWNLOAD, Passing

TRIES = 30
"""What a program that fails for an unknown reason is granted."""
PROGRAMS = ("docker", "podman")
"""The first one on PATH is used."""
QUICK = 60.0
"""Seconds for everything but a pull."""
_LOOK = 0.5
"""Seconds after which a wait for the program looks whether it should go on."""
_STOP = 10.0
"""Seconds after which a program that was asked to stop is killed."""
_TEXT_LIMIT = 300

_NOT_HERE = ("no such image", "image not known")
_DAEMON_AWAY = ("cannot connect to the docker daemon", "is the docker daemon running", "docker daemon is not running")
_NO_PERMISSION = ("permission denied while trying to connect", "connect: permission denied")
_NO_SPACE = ("no space left on device", "disk quota exceeded")
_NO_IMAGE = (
    *("repository does not exist", "manifest unknown", "manifest for", "name unknown", "invalid reference format"),
    *("requested access to the resource is denied", "no basic auth credentials", "pull access denied"),
    *("no matching manifest", "unauthorized", "authentication required", "denied:"),
)
_NO_CONNECTION = (
    *("no such host", "i/o timeout", "connection refused", "connection reset", "network is unreachable", "no route to"),
    *("tls handshake timeout", "request canceled while waiting", "temporary failure in name resolution", "timeout"),
    *("context deadline exceeded", "unexpected eof", "toomanyrequests", "too many requests", "service unavailable"),
)


class Unreachable(Passing):
    """The registry, not the program, is the reason."""


@dataclass(frozen=True)
class Docker:
    """``program``: its path. ``environment``: for all its calls, besides this process' own. ``check``: called about
    twice a second while it runs; when that raises, it is stopped."""

    program: str
    environment: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return os.path.basename(self.program)

    def image_id(self, reference: str) -> str:
        """The id of the image that this device has as ``reference``; empty when it has none."""
        code, output, errors = self._run("image", "inspect", "--format", "{{.Id}}", reference)
        if code == 0 and output.split():
            return output.split()[0]
        if any(each in errors.lower() for each in _NOT_HERE):
            return ""
        raise self._failure(f"{self.name} cannot look for {reference}", errors, "DOCKER_IMAGE_QUERY_ERROR")

    def pull(self, reference: str) -> None:
        code, _, errors = self._run("pull", "--quiet", reference, timeout=None)
        if code != 0:
            raise self._failure(f"{self.name} cannot pull {reference}", errors, "DOCKER_PULL_ERROR")

    def log_in(self, registry: str, user: str, password: str) -> None:
        code, _, errors = self._run("login", "--username", user, "--password-stdin", registry, given=password)
        if code != 0:
            raise self._failure(f"{self.name} cannot log in at {registry}", errors, "DOCKER_LOGIN_ERROR")

    def remove(self, reference: str) -> str:
        """Remove an image that no container uses. Returns why not, or nothing."""
        code, _, errors = self._run("rmi", reference)
        return "" if code == 0 or any(each in errors.lower() for each in _NOT_HERE) else _shortened(errors)

    def _run(self, *arguments: str, given: str = "", timeout: float | None = QUICK) -> tuple[int, str, str]:
        """Exit code and output; output is in English, as far as there is a choice."""
        try:
            process = subprocess.Popen(
                [self.program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self.environment, "LC_ALL": "C"},
                text=True,
                errors="replace",
            )
        except OSError as error:
            text = f"{self.program} cannot be run: {error.strerror}"
            raise DeploymentError(text, DOWNLOAD, "DOCKER_ERROR", "DOCKER_SERVICE_UNAVAILABLE") from None
        waited, rest = 0.0, given or None
        try:
            while True:
                try:
                    output, errors = process.communicate(rest, _LOOK)
                    return process.returncode, output, errors
                except subprocess.TimeoutExpired:
                    rest = None  # it has it, or takes it still
                    self.check()
                    waited += _LOOK
                    if timeout is not None and waited >= timeout:
                        text = f"{self.name} {arguments[0]} does not end"
                        raise _passing(text, "DOCKER_SERVICE_UNAVAILABLE") from None
        finally:
            _stop(process)

    def _failure(self, what: str, errors: str, code: str) -> Exception:
        found = errors.lower()
        text = f"{what}: {_shortened(errors)}"
        if any(each in found for each in _DAEMON_AWAY):
            return _passing(text, "DOCKER_SERVICE_UNAVAILABLE")
        if any(each in found for each in _NO_PERMISSION):
            text = f"{text}: the runtime's user must be in the group of the {self.name} socket"
            return DeploymentError(text, DOWNLOAD, "DOCKER_ERROR", "USER_NOT_AUTHORIZED_FOR_DOCKER")
        if any(each in found for each in _NO_SPACE):
            return DeploymentError(text, DOWNLOAD, "DOCKER_ERROR", code, "DISK_SPACE_CRITICAL")
        if any(each in found for each in _NO_CONNECTION):
            return Unreachable(text, "DOCKER_ERROR", code, "NETWORK_ERROR")
        if code == "DOCKER_PULL_ERROR" and any(each in found for each in _NO_IMAGE):
            return DeploymentError(text, DOWNLOAD, "DOCKER_ERROR", code, "DOCKER_IMAGE_NOT_VALID")
        return _passing(text, code)


def find(check: Callable[[], None] = lambda: None) -> Docker | None:
    """The program that this device has; ``None``: neither."""
    for name in PROGRAMS:
        if program := shutil.which(name):
            return Docker(program, check=check)
    return None


def _passing(text: str, code: str) -> Passing:
    return Passing(text, "DOCKER_ERROR", code, tries=TRIES)


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.communicate(timeout=_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _shortened(text: str) -> str:
    """The end of it: that is where such programs say why."""
    words = " ".join(text.split())
    return f"...{words[-_TEXT_LIMIT:]}" if len(words) > _TEXT_LIMIT else words or "it does not say why"
