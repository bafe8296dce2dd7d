"""Who is at the other end of a component's connection.

A component shows its token; it is accepted from the users that the component's steps run as, from root and from the
runtime's own user, who could read it anyway. When one of the steps runs as root it is accepted from everybody: root can
become any user.

A component may also say no more than its name. Then its process must be one of the component's, as the host knows them
without asking the process, and it is told its token. That counts only for the users themselves that the steps run as:
they could look at the component's token by other means. Whatever a component runs as somebody else needs the token.

Where systemd runs the components, the kernel knows by its cgroup which of them a process belongs to. There a token is
not accepted from a process of another component, whoever that runs as. Processes of none (in a container, in an
operator's session) are judged by their user alone.

Tokens that are no component's may be those of a client of the command line tool (``ggl.ipcd.cli_clients``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.peer import Peer
from ggl.ipcd.tokens import TooManyComponents
from ggl.privilege import is_run_by_systemd

if TYPE_CHECKING:
    from ggl.ipcd.backends import Backends
    from ggl.ipcd.cli_clients import CliClients
    from ggl.ipcd.tokens import Tokens

_SHOWN = 128
"""Characters of what a client calls itself, in our log."""
_UNITS = ("", ".install", ".bootstrap", ".uninstall")
"""How the names of a component's units end; and how those of the daemons begin (``ggl.host.unit``)."""
_CORE = "ggl.core."


class Refused(Exception):
    """A connect request is not accepted; the text is for our log, the component learns no more than that."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``name`` is what daemons and logs call it; ``principal`` the component whose access control policies count."""

    name: str
    principal: str
    is_cli: bool = False
    """A client of the command line tool: may do all that the service id ``aws.greengrass.Cli`` is about."""
    token: str = ""
    """The token to tell it, when it showed who it is without one."""


Identified = Callable[["Identity | Refused"], None]
Groups = Callable[[], Sequence[int]]
"""The supplementary groups of a peer (``ggl.bus.peer.groups_of``)."""


class Identities:
    def __init__(self, tokens: Tokens, cli_clients: CliClients, backends: Backends) -> None:
        self._tokens = tokens
        self._cli_clients = cli_clients
        self._backends = backends
        self._always = (0, os.geteuid())
        self._by_cgroup = is_run_by_systemd()

    def identify(self, token: str | None, component: str | None, peer: Peer, groups: Groups, done: Identified) -> None:
        """Whose connection this is, from what its connect request says; ``done`` is called at once, or later."""
        if token is None:
            if component is None:
                done(Refused("it has neither a token nor the name of a component"))
            else:
                self._by_process(component, peer, done)
            return
        if self._tokens.component_of(token) is None:
            self._cli_clients.identify(token, component, peer, groups, done)
            return
        try:
            owner = self.owner(token, peer)
        except Refused as refused:
            done(refused)
            return
        if component is not None and component != owner:
            done(Refused(f"it says it is {component[:_SHOWN]!r}, but its token belongs to {owner}"))
        else:
            done(Identity(owner, owner))

    def owner(self, token: str, peer: Peer) -> str:
        """The component whose token ``peer`` shows. Raises ``Refused`` when it is none's, or not for that user."""
        owner = self._tokens.component_of(token)
        if owner is None:
            raise Refused("its token is nobody's")
        users = self._tokens.users_of(owner)
        if peer.uid not in self._always and peer.uid not in users and 0 not in users:
            raise Refused(f"it has the token of {owner}, which does not run as the user {peer.uid}")
        if self._by_cgroup and peer.pid > 0:
            self._check_cgroup(owner, peer)
        return owner

    def _check_cgroup(self, owner: str, peer: Peer) -> None:
        from ggl.host.systemd.membership import service_of

        service = service_of(peer.pid)
        if not self._is_still(peer):
            raise Refused(f"it has the token of {owner}, and its process is gone")
        unit = service.removesuffix(".service")
        if unit and not unit.startswith(_CORE) and unit not in (f"ggl.{owner}{end}" for end in _UNITS):
            raise Refused(f"it has the token of {owner}, but its process belongs to the unit {service}")

    def _by_process(self, component: str, peer: Peer, done: Identified) -> None:
        named = f"it says it is {component[:_SHOWN]!r} and has no token, "

        def found(unit: Any) -> None:
            owner = unit.get("component") if isinstance(unit, dict) else None
            if owner != component:
                done(Refused(f"{named}but its process belongs to {owner or 'the runtime'}"))
            elif not self._is_still(peer):
                # Its number may be that of another process by now.
                done(Refused(f"{named}and its process is gone"))
            elif peer.uid not in self._always and peer.uid not in self._tokens.users_of(component):
                done(Refused(f"{named}but the component does not run as the user {peer.uid}"))
            else:
                try:
                    done(Identity(component, component, token=self._tokens.token_of(component)))
                except (OSError, TooManyComponents) as error:
                    done(Refused(f"{named}and none can be kept: {error}"))

        def failed(error: BusError) -> None:
            if error.code is ErrorCode.NOENTRY:
                done(Refused(f"{named}but its process is not one of a component, or has lost its parents"))
            else:
                done(Refused(f"{named}and whose process it is cannot be found out: {error.message}"))

        if peer.pid <= 0:
            done(Refused(f"{named}and its process is in a container that hides it"))
        else:
            self._backends["gg_host"].call("unit_of", {"pid": peer.pid}, found, failed, "")

    def _is_still(self, peer: Peer) -> bool:
        """Whether the process with the peer's number is its user's, as it was when the connection was made."""
        if peer.uid in self._always:
            return True
        try:
            with open(f"/proc/{peer.pid}/status", "rb") as file:
                for line in file:
                    if line.startswith(b"Uid:"):
                        return str(peer.uid).encode() in line.split()[1:]
        except OSError:
            pass  # it is gone
        return False
