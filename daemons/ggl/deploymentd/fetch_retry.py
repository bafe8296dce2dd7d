"""Trying again what the network, or a service, does not do just now."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ggl.cloud.backoff import fraction
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.patience import Patience
from ggl.log import get_logger

T = TypeVar("T")

FIRST, LAST = 1.0, 60.0
"""Seconds between two tries, at first and at last: most interruptions are short."""
DOWNLOAD = "ARTIFACT_DOWNLOAD_ERROR"

_log = get_logger("deployment")


class Passing(Exception):
    """What failed may succeed another time. ``codes``: for when nobody waits for that, from general to specific.
    ``tries``: how many are worth while, if it stays like that; 0: there is no limit."""

    def __init__(self, text: str, *codes: str, tries: int = 0) -> None:
        super().__init__(text)
        self.codes = codes
        self.tries = tries


def persist(
    patience: Patience,
    what: str,
    attempt: Callable[[], T],
    done: Callable[[], int] = lambda: 0,
    first: float = FIRST,
    last: float = LAST,
) -> T:
    """The result of ``attempt``, which is tried again when it raises ``Passing``; ``what`` says in words what it is.

    ``first``, ``last``: seconds between two tries, doubling, of which half is left to chance. ``done``: how far it got;
    as long as that grows, tries do not count. Raises ``DeploymentError`` when no try is left.
    """
    failures, delay = 0, first
    while True:
        patience.check()
        before = done()
        try:
            return attempt()
        except Passing as error:
            if done() > before:
                failures, delay = 0, first
            failures += 1
            if (tries := patience.tries or error.tries) and failures >= tries:
                text = f"{what}: {error}" + (f" (tried {failures} times)" if failures > 1 else "")
                raise DeploymentError(text, DOWNLOAD, *error.codes) from None
            _log.warning("%s: %s", what, error)
            pause = delay * (1 + fraction()) / 2
            patience.wait(pause, f"{what}: {error}; trying again")
            delay = min(delay * 2, last)
