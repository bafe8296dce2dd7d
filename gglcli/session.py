"""What holds for one invocation of ``ggl``: the global options, which may stand before or after the command."""

from __future__ import annotations


class Session:
    """One process serves one invocation, so there is one of these, ``session``.

    A plain class, as every module that ``ggl status`` loads does without dataclasses: their import takes as long as
    starting Python does.
    """

    def __init__(self) -> None:
        self.command = ""
        """The words of the command that runs, for messages (``config get``)."""
        self.root: str | None = None
        """``--root`` as it was given."""
        self.json = False
        self.trail = ""
        """Trail id of every request of this invocation; empty until the first."""


session = Session()


def reset() -> None:
    """Forget the last invocation (several run in one process only in tests)."""
    session.__init__()  # type: ignore[misc]
