"""The units of metrics. Pure."""

from __future__ import annotations

UNITS = ("Bytes", "BytesPerSecond", "Count", "CountPerSecond", "Megabytes", "None", "Percent", "Seconds")
"""Under these names they are kept."""

_BY_LETTERS = {unit.lower(): unit for unit in UNITS}


def unit_of(text: str) -> str | None:
    """The unit that ``text`` names, whatever its case and with anything between its letters (``BYTES_PER_SECOND``)."""
    letters = "".join(character for character in text if character.isascii() and character.isalnum())
    return _BY_LETTERS.get(letters.lower())
