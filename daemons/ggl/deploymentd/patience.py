"""How long a deployment waits for what is not on this device.

A deployment from the cloud waits for the network for as long as it takes, since whoever made it counts on that: a
device is offline for days and does then what it was told. Somebody who waits in front of the device is told after a
few tries.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ggl.deploymentd.dataplane import CloudError
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.deploymentd.dataplane import DataPlane
    from ggl.deploymentd.journal import Journal

T = TypeVar("T")

FIRST_WAIT, LAST_WAIT = 2.0, 60.0
"""Seconds between two tries at first and, after some, at most; half of it is left to chance."""
LOCAL_TRIES = 3
_CAUSE_LIMIT = 200

_log = get_logger("deployment")


@dataclass(frozen=True)
class Patience:
    """``check`` raises when it is no use to go on (canceled, or the daemon ends). ``wait`` waits some seconds with an
    eye on that, and tells why; ``tell`` only tells. ``tries``: how often a passing failure is met; 0: without limit.
    ``cloud`` is ``None`` when this device is not provisioned; ``online`` is what is known of the connection now."""

    check: Callable[[], None] = lambda: None
    wait: Callable[[float, str], None] = lambda _seconds, _text: None
    tell: Callable[[str], None] = lambda _text: None
    tries: int = 1
    cloud: DataPlane | None = None
    online: bool = True

    @property
    def waits(self) -> bool:
        """Whether the deployment waits until the cloud can be reached."""
        return self.tries == 0

    def insist(self, ask: Callable[[], T], what: str) -> T:
        """The result of ``ask``, which is called again while its ``CloudError`` is a passing one and tries are left.

        ``what`` is asked for, in words. Raises the last ``CloudError``.
        """
        attempt = 0
        while True:
            self.check()
            attempt += 1
            try:
                return ask()
            except CloudError as error:
                if not error.is_passing or attempt == self.tries:
                    raise
                _log.warning("%s: %s", what, error.text)
                self.wait(wait_seconds(attempt), f"waiting for the cloud ({what}): {error.text[:_CAUSE_LIMIT]}")


def wait_seconds(attempt: int) -> float:
    """How long to wait after the failed ``attempt`` (from 1): random, so that a fleet does not come back at once."""
    interval = min(FIRST_WAIT * 2.0 ** min(attempt - 1, 10), LAST_WAIT)
    return interval * (1 + int.from_bytes(os.urandom(2), "big") / 2**16) / 2


def for_deployment(journal: Journal, cloud: DataPlane | None, online: bool) -> Patience:
    """That of the deployment of ``journal``."""

    def wait(seconds: float, text: str) -> None:
        # Waiting is no failed attempt at anything, however often the device is switched off meanwhile.
        if journal.deployment.attempts:
            journal.write(message=text, attempts=0)
        else:
            journal.note(message=text)
        # Nor is it a reason why nothing else could be deployed on a device that is offline.
        journal.sleep(seconds, patiently=not journal.deployment.is_local)

    return Patience(
        check=journal.check,
        wait=wait,
        tell=lambda text: journal.note(message=text),
        tries=LOCAL_TRIES if journal.deployment.is_local else 0,
        cloud=cloud,
        online=online,
    )
