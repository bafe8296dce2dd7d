"""The tokens by which components show who they are (the environment variable ``SVCUID``), and who may show them.

A component has one token, made when it is first asked for, and good for the users that its steps run as. Both are in a
file only the runtime's user can read, in the run directory: components keep running, and keep their tokens, while the
IPC daemon is restarted. The file has a line ``<token> <component>`` for each component, and after it lines
``<token> <component> <phase> <uid>[,<uid>...]``, of which the last counts for each phase. A line is appended with one
write, so that a killed daemon leaves at worst an unfinished last one. A token is never logged.
"""

from __future__ import annotations

import os
from _operator import _compare_digest  # hmac, which has it too, would load OpenSSL
from collections.abc import Iterable
from errno import EPERM
from pathlib import Path

from ggl.log import get_logger

LENGTH = 16
MAX_COMPONENTS = 4096
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_log = get_logger("ipcd")


class TooManyComponents(Exception):
    """More components asked for tokens than any device runs."""


class Tokens:
    """The tokens of a runtime, kept in the file ``path``. Raises ``OSError`` when there can be no such file.

    One that is another user's, or no file, is not believed, and replaced: the daemon must come up. Components that ran
    with its tokens need to be started again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_component: dict[str, str] = {}
        self._components: dict[str, str] = {}
        self._users: dict[str, dict[str, frozenset[int]]] = {}
        self._load()

    def token_of(self, component: str) -> str:
        """The token of ``component``, a new one if it has none. Raises ``OSError``, ``TooManyComponents``."""
        token = self._by_component.get(component)
        if token is None:
            if len(self._by_component) >= MAX_COMPONENTS:
                raise TooManyComponents(f"{MAX_COMPONENTS} components have tokens already")
            token = new_token()
            self._append(f"{token} {component}\n")
            self._add(token, component)
        return token

    def component_of(self, token: str) -> str | None:
        """Whose token it is; ``None`` when nobody's."""
        return self._components.get(token)

    def shown(self, token: str) -> str | None:
        """The same for one that came from outside: how long it takes tells nothing of how much of it is right."""
        owner = None
        for known, component in self._components.items():
            if _compare_digest(known, token):
                owner = component
        return owner

    def runs_as(self, component: str, phase: str, users: Iterable[int]) -> None:
        """The steps of ``component`` in ``phase`` (a word) run as ``users`` (uids) from now on, and as nobody else.

        No users: there are no such steps any more. Raises like ``token_of``.
        """
        users = frozenset(users)
        token = self.token_of(component)
        phases = self._users.setdefault(component, {})
        if phases.get(phase, frozenset()) != users:
            self._append(f"{token} {component} {phase} {','.join(str(uid) for uid in sorted(users))}\n")
            phases[phase] = users

    def users_of(self, component: str) -> set[int]:
        """The users that the steps of ``component`` run as, in any phase."""
        return set().union(*self._users.get(component, {}).values())

    def _add(self, token: str, component: str) -> None:
        self._by_component[component] = token
        self._components[token] = component

    def _append(self, line: str) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(fd, 0o600)
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                line = "\n" + line  # whoever wrote before was killed in the middle
            os.write(fd, line.encode())
        finally:
            os.close(fd)

    def _load(self) -> None:
        try:
            content = self._read()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.error("the tokens in %s are not used: %s", self._path, error.strerror)
            self._path.unlink()
            return
        for line in content.split(b"\n")[:-1]:
            token, _, rest = line.decode("utf-8", "replace").partition(" ")
            component, _, users = rest.partition(" ")
            if is_token(token) and component:
                self._add(token, component)
                phase, _, uids = users.partition(" ")
                if phase:
                    numbers = frozenset(int(uid) for uid in uids.split(",") if uid.isdecimal())
                    self._users.setdefault(component, {})[phase] = numbers

    def _read(self) -> bytes:
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(fd, "rb") as file:
            if os.fstat(fd).st_uid != os.geteuid():
                raise PermissionError(EPERM, "they belong to another user")
            return file.read()


def is_token(text: str) -> bool:
    """Whether it looks like one."""
    return len(text) == LENGTH and set(text) <= set(_ALPHABET)


def new_token() -> str:
    """A token no one can guess. The kernel's random bytes, directly: the module made for it would load OpenSSL."""
    token = ""
    while len(token) < LENGTH:
        # 252 = 7 * 36: every character is equally likely.
        token += "".join(_ALPHABET[byte % 36] for byte in os.urandom(LENGTH) if byte < 252)
    return token[:LENGTH]
