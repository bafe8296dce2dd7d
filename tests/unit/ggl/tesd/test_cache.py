"""What is kept of AWS' answers, by the clock."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.tesd.cache import Answer, Cache, retry_settings

CREDENTIALS = {"accessKeyId": "A"}


def good(lifetime: float = 3600.0, key: str = "A") -> Answer:
    return Answer(200, credentials={"accessKeyId": key}, body="{}", lifetime=lifetime)


def bad(status: int, text: str = "no", local: bool = False) -> Answer:
    return Answer(status, text, local=local)


def test_credentials_are_kept_until_five_minutes_before_their_end() -> None:
    cache = Cache()
    assert cache.get(1000.0) is None
    entry = cache.put(good(), 1000.0)

    assert entry.status == 200
    assert cache.get(1000.0 + 3299) is entry
    assert cache.get(1000.0 + 3300) is None


def test_new_ones_are_fetched_ahead_of_time() -> None:
    cache = Cache()
    cache.put(good(3600.0), 1000.0)
    assert cache.refresh_at(1000.0) == 1000.0 + 3300 - 600
    cache.put(good(900.0), 1000.0)  # the shortest that there are: the last fifth of 600 s
    assert cache.refresh_at(1000.0) == 1000.0 + 600 - 120
    assert cache.refresh_at(1600.0) is None


def test_credentials_that_end_soon_are_handed_out_and_not_kept() -> None:
    cache = Cache()
    assert cache.put(good(200.0), 1000.0).status == 200
    assert cache.get(1000.0) is None


@pytest.mark.parametrize(
    ("status", "local_status", "kept"),
    [(403, 403, 120), (404, 404, 120), (500, 500, 60), (503, 503, 60), (302, 500, 300)],
)
def test_errors_are_kept_by_their_kind(status: int, local_status: int, kept: float) -> None:
    cache = Cache()
    entry = cache.put(bad(status), 0.0)

    assert entry.status == local_status
    assert cache.get(kept - 1) is entry
    assert cache.get(kept) is None


def test_no_answer_is_kept_longest_a_fault_of_our_own_shortest_and_nonsense_not_at_all() -> None:
    cache = Cache()
    assert cache.put(bad(0), 0.0).status == 500
    assert (cache.get(299.0) is None, cache.get(300.0) is None) == (False, True)
    cache.put(bad(0, local=True), 0.0)
    assert (cache.get(9.0) is None, cache.get(10.0) is None) == (False, True)
    assert cache.put(bad(200), 0.0).status == 500
    assert cache.get(0.0) is None


def test_how_long_can_be_configured() -> None:
    cache = Cache()
    cache.retry = retry_settings({"clientError": 10, "serverError": "20", "unknownError": 30.0}, pytest.fail)
    for status, seconds in ((403, 10), (500, 20), (0, 30)):
        cache.put(bad(status), 0.0)
        assert (cache.get(seconds - 1) is None, cache.get(seconds) is None) == (False, True)


@pytest.mark.parametrize("value", [9, 42901, "x", True, -1, [], {}, float("nan")])
def test_what_cannot_be_meant_is_not_taken(value: Any) -> None:
    complaints: list[str] = []
    assert retry_settings({"clientError": value}, complaints.append)["clientError"] == 120
    assert len(complaints) == 1
    assert "credentialRetryInSec.clientError" in complaints[0]


def test_while_there_are_no_new_ones_old_credentials_are_better_than_none() -> None:
    cache = Cache()
    old = cache.put(good(3600.0), 0.0)

    assert cache.put(bad(500), 2800.0) is old  # ahead of time
    assert cache.refresh_at(2800.0) == 2860.0
    assert cache.get(2801.0) is old
    assert cache.get(3301.0) is None
    assert cache.put(bad(500), 3301.0) is old
    assert cache.get(3302.0) is old
    assert cache.put(bad(500), 3595.0).status == 500  # hardly good for anything
    assert cache.put(good(key="B"), 3600.0).answer.credentials == {"accessKeyId": "B"}


def test_when_aws_can_be_reached_again_only_having_been_cut_off_is_forgotten() -> None:
    cache = Cache()
    cache.put(bad(0), 0.0)
    cache.forget_failure()
    assert cache.get(1.0) is None
    cache.put(bad(403), 0.0)
    cache.forget_failure()
    assert cache.get(1.0) is not None
    cache.clear()
    assert cache.is_empty
