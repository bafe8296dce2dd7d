"""Waiting longer and longer, but never all at the same time."""

from __future__ import annotations

from ggl.cloud.backoff import FullJitter


def test_the_cap_doubles_to_its_end_and_begins_anew() -> None:
    pauses = FullJitter(1.0, 5.0)

    for cap in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert 0 <= pauses.next() < cap
    pauses.reset()
    assert pauses.next() < 1.0


def test_devices_do_not_agree() -> None:
    assert len({FullJitter(100.0, 100.0).next() for _ in range(20)}) > 10
