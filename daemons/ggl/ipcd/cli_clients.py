"""Clients of the command line tool (``greengrass-cli`` and programs made like it): no components, but people's.

The user that the runtime runs as is always one; members of the groups in ``AuthorizedPosixGroups`` of the component
``aws.greengrass.Cli`` are others. Their files (``ggl.ipcd.cli_files``) must be there before they connect. So this
daemon is started with the runtime and whenever that setting changes (``ggl.catalog``), makes them, and may leave again:
nothing has to stay, or to be asked, for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Loop, Remote
from ggl.catalog import CLI_GROUPS
from ggl.ipc.model import CLI
from ggl.ipcd import cli_files
from ggl.ipcd.cli_files import USER, CliClient
from ggl.ipcd.identity import Identity, Refused
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.peer import Peer
    from ggl.ipcd.identity import Groups, Identified
    from ggl.paths import Root

NAME = "greengrass-cli#"
AGAIN_SECONDS = 5.0
"""When the setting could not be read, it is tried again after so long."""

_log = get_logger("ipc")


class CliClients:
    def __init__(self, loop: Loop, root: Root) -> None:
        self._loop = loop
        self._root = root
        self._directory = root.state / cli_files.DIRECTORY
        self._user = CliClient(USER, os.geteuid())
        self._tokens: dict[str, CliClient] = {}
        self._reading: Remote | None = None
        self._changed = False
        self._known = False
        """The setting has been read."""
        self._waiting: list[Callable[[], None]] = []

    def start(self) -> None:
        """Make the file of the runtime's own user at once, and those of the groups when the setting is read."""
        self._tokens = cli_files.read(self._directory, [self._user])
        if not self._tokens:
            self._write([self._user])
        self.refresh()

    def refresh(self) -> None:
        """Read the setting (again), and bring the files in line with it."""
        if self._reading is not None:
            self._changed = True
            return
        # A connection of its own, given up at once: one that stays would keep the configuration daemon running.
        self._reading = Remote(self._loop, "gg_config", self._root)
        self._changed = False
        self._reading.call("read", {"key_path": list(CLI_GROUPS)}, self._read, self._not_read)

    def _read(self, setting: Any) -> None:
        self._finish()
        self._write([self._user, *cli_files.groups(setting, lambda text: _log.error("%s", text))])
        self._decide()
        if self._changed:
            self.refresh()

    def _not_read(self, error: BusError) -> None:
        if error.code is ErrorCode.NOENTRY:
            self._read(None)
            return
        self._finish()
        _log.warning("cannot read who may use the command line tool: %s", error)
        self._loop.call_later(AGAIN_SECONDS, self.refresh)
        self._decide()

    def _finish(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            self._loop.call_soon(reading.close)

    def _decide(self) -> None:
        self._known = True
        waiting, self._waiting = self._waiting, []
        for decide in waiting:
            decide()

    def _write(self, clients: list[CliClient]) -> None:
        try:
            self._tokens = cli_files.write(
                self._directory, str(self._root.ipc_socket), clients, lambda text: _log.warning("%s", text)
            )
        except OSError as error:
            _log.error("the command line tool cannot connect: %s: %s", error.strerror, self._directory)

    def identify(self, token: str, component: str | None, peer: Peer, groups: Groups, done: Identified) -> None:
        """Who shows ``token``, which is no component's."""
        if token not in self._tokens and not self._known:
            # It may be the token of a group, on the connection that has just started this daemon.
            self._waiting.append(lambda: done(self._identity(token, component, peer, groups)))
        else:
            done(self._identity(token, component, peer, groups))

    def _identity(self, token: str, component: str | None, peer: Peer, groups: Groups) -> Identity | Refused:
        client = self._tokens.get(token)
        if client is None:
            return Refused("its token is nobody's")
        if component is not None:
            return Refused(f"it says it is {component[:128]!r}, but its token belongs to {NAME}{client.name}")
        if not _is_allowed(client, peer, groups):
            return Refused(f"it has the token of {NAME}{client.name}, and is somebody else")
        return Identity(NAME + client.name, CLI, is_cli=True)


def _is_allowed(client: CliClient, peer: Peer, groups: Groups) -> bool:
    if peer.uid in (0, os.geteuid()):
        return True
    if client.kind == USER:
        return peer.uid == client.number
    try:
        return client.number in (peer.gid, *groups())
    except OSError:
        return False  # too many to be told
