"""Times on the command line: an age (``10m``, ``2h30m``, ``1d``) or a moment (ISO 8601, UTC by default)."""

from __future__ import annotations

import re
import time

from gglcli.errors import INVALID, CliError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGE = re.compile(r"(\d+(?:\.\d+)?[smhdw])+")


def parse_time(text: str, now: float | None = None) -> int:
    """Microseconds since the epoch. ``now``: seconds since the epoch, from which an age counts back."""
    text = text.strip()
    if _AGE.fullmatch(text):
        age = sum(float(part[:-1]) * _UNITS[part[-1]] for part in re.findall(r"\d+(?:\.\d+)?[smhdw]", text))
        return round(((time.time() if now is None else now) - age) * 1_000_000)
    from datetime import UTC, datetime

    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            text = datetime.now(UTC).strftime("%Y-%m-%dT") + text
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"'{text}' is not a time", INVALID, hint="use an age like 10m, 2h30m or 1d, or 2026-11-22T02:40:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)
