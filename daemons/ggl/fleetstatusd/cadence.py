"""When all of it is told again, though nothing has happened. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.cloud.settings import number, section

INTERVAL = 86_400
"""Seconds; what is configured counts if it is more."""
_KEY = "periodicStatusPublishIntervalSeconds"


def interval(nucleus: Mapping[str, Any]) -> int:
    """Milliseconds, by the nucleus' configuration. Raises ``InvalidValue``."""
    return max(INTERVAL, number(section(nucleus, "fleetStatus"), _KEY, INTERVAL)) * 1000


def is_due(last: int, milliseconds: int, now: int) -> bool:
    """``last`` is when it was told last; a time to come means that the clock was set back since."""
    return not last <= now < last + milliseconds


def first(milliseconds: int, now: int, chance: float) -> int:
    """When the first interval shall have begun: devices that were set up together do not tell together.

    ``chance`` is from 0 to 1.
    """
    return now - int(milliseconds * chance)
