"""What a component's metric must be like, for both who check it: the bridge before policies, the daemon that counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ggl.values import get_float, get_str

MAX_NAME = 32
"""Bytes of a metric's name."""

NO_METRICS = "Null or Empty list of metrics found in PutComponentMetricRequest"
UNFIT_METRIC = "Invalid argument found in PutComponentMetricRequest"


def is_fit(metric: Mapping[str, Any]) -> bool:
    """Whether ``metric`` has a name of the right length, a unit (whichever) and a value that is not negative.

    Raises ``InvalidValue`` for members of wrong types, or no value.
    """
    name, unit = get_str(metric, "name", ""), get_str(metric, "unit", "")
    value = get_float(metric, "value")
    return 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME and bool(unit) and value >= 0
