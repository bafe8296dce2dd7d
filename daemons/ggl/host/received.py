"""What a host takes from the bus: units, checked before anything is made of their names."""

from __future__ import annotations

import os
from typing import Any

from ggl.host.unit import COMPONENT_PREFIX, CORE_PREFIX, Unit
from ggl.values import InvalidValue


def received_unit(data: Any) -> Unit:
    """The unit that ``data``, an item of ``load``, describes. Raises ``InvalidValue``."""
    if not isinstance(data, dict):
        raise InvalidValue("'units' must be a list of maps")
    unit = Unit.from_dict(data)
    # Both names become those of files and directories.
    for name in (unit.name, unit.component):
        if "/" in name or "\0" in name or name in (".", "..") or len(os.fsencode(name)) > 200:
            raise InvalidValue(f"{name!r} cannot be the name of a component's unit")
    if unit.name.startswith(CORE_PREFIX):
        raise InvalidValue(f"{unit.name!r} cannot be the name of a component's unit")
    if not unit.name.startswith(COMPONENT_PREFIX):
        raise InvalidValue(f"the name of a component's unit begins with '{COMPONENT_PREFIX}', unlike {unit.name!r}")
    return unit
