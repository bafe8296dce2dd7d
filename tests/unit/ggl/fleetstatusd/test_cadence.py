"""How often all of it is told."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.fleetstatusd.cadence import first, interval, is_due
from ggl.values import InvalidValue

DAY = 86_400_000


@pytest.mark.parametrize(
    ("configured", "wanted"),
    [(None, DAY), (10, DAY), (86_401, DAY + 1000), ("172800", 2 * DAY), ("", DAY)],
)
def test_a_day_is_the_least(configured: Any, wanted: int) -> None:
    assert interval({"fleetStatus": {"periodicStatusPublishIntervalSeconds": configured}}) == wanted
    assert interval({}) == DAY


@pytest.mark.parametrize("configured", ["soon", [], -1])
def test_what_is_no_number_is_an_error_that_names_the_key(configured: Any) -> None:
    with pytest.raises(InvalidValue, match="periodicStatusPublishIntervalSeconds"):
        interval({"fleetStatus": {"periodicStatusPublishIntervalSeconds": configured}})


def test_devices_that_were_set_up_together_are_due_at_different_times() -> None:
    now = 100 * DAY
    due = [first(DAY, now, chance) + DAY for chance in (0.0, 0.25, 0.99)]
    assert due == [now + DAY, now + DAY * 3 // 4, now + DAY // 100]
    assert all(now < each <= now + DAY and not is_due(each - DAY, DAY, now) for each in due)
