"""Who is at the other end of a component's connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ggl.bus.peer import Peer

if TYPE_CHECKING:
    from ggl.ipcd.tokens import Tokens


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


class Identities:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def identify(self, token: str | None, component: str | None, _peer: Peer, done: Identified) -> None:
        """Whose connection this is, from what its connect request says; ``done`` is called at once, or later."""
        if token is None:
            done(Refused("it has no token"))
            return
        owner = self._tokens.component_of(token)
        if owner is None:
            done(Refused("its token is nobody's"))
        elif component is not None and component != owner:
            done(Refused(f"it says it is {component[:128]!r}, but its token belongs to {owner}"))
        else:
            done(Identity(owner, owner))
