"""What is kept of AWS' answers, by the clock."""

from __future__ import annotations

import pytest

from ggl.tesd.cache import Answer, Cache

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


@pytest.mark.parametrize(
    ("lifetime", "due", "end"),
    [(3600.0, 3300 - 600, 3300), (900.0, 600 - 120, 600)],  # the shortest that there are: the last fifth
)
def test_new_ones_are_due_ahead_of_time(lifetime: float, due: float, end: float) -> None:
    cache = Cache()
    assert not cache.is_due(1000.0)
    cache.put(good(lifetime), 1000.0)
    assert not cache.is_due(1000.0 + due - 1)
    assert cache.is_due(1000.0 + due)
    assert not cache.is_due(1000.0 + end)  # who asks waits for them then


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
    retry = {"clientError": 10, "serverError": 20, "unknownError": 30}
    for status, seconds in ((403, 10), (500, 20), (0, 30)):
        cache.put(bad(status), 0.0, retry)
        assert (cache.get(seconds - 1) is None, cache.get(seconds) is None) == (False, True)


def test_while_there_are_no_new_ones_old_credentials_are_better_than_none() -> None:
    cache = Cache()
    old = cache.put(good(3600.0), 0.0)

    assert cache.put(bad(500), 2800.0) is old  # ahead of time
    assert (cache.is_due(2859.0), cache.is_due(2860.0)) == (False, True)
    assert cache.get(2801.0) is old
    assert cache.get(3301.0) is None
    assert cache.put(bad(500), 3301.0) is old
    assert cache.get(3302.0) is old
    assert cache.put(bad(500), 3595.0).status == 500  # hardly good for anything
    assert cache.put(good(key="B"), 3600.0).answer.credentials == {"accessKeyId": "B"}


def test_when_aws_can_be_reached_again_only_having_been_cut_off_is_forgotten() -> None:
    cache = Cache()
    assert not cache.forget_failure()
    cache.put(bad(0), 0.0)
    assert cache.forget_failure()
    assert cache.get(1.0) is None
    cache.put(bad(403), 0.0)
    assert not cache.forget_failure()
    assert cache.get(1.0) is not None
    cache.clear()
    assert cache.is_empty
