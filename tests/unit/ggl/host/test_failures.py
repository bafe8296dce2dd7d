"""When the process host gives up, and how long it waits before it tries again."""

from __future__ import annotations

from ggl.host.failures import BackOff, Failures

HOUR = 3600.0


def test_the_third_error_of_a_phase_in_a_row_is_the_last() -> None:
    failures = Failures(3, HOUR)
    assert [failures.record("start", now) for now in (0.0, 10.0, 20.0)] == [False, False, True]


def test_phases_are_counted_on_their_own() -> None:
    failures = Failures(3, HOUR)
    assert not any(failures.record(phase, now) for now in (0.0, 1.0) for phase in ("start", "run"))


def test_a_phase_that_succeeds_starts_anew() -> None:
    failures = Failures(3, HOUR)
    failures.record("start", 0.0)
    failures.record("start", 1.0)
    failures.succeeded("start")
    assert not failures.record("start", 2.0)


def test_an_hour_between_two_errors_starts_anew_but_less_does_not() -> None:
    failures = Failures(3, HOUR)
    assert [failures.record("run", now) for now in (0.0, HOUR - 1, 2 * HOUR - 2)] == [False, False, True]
    failures.clear()
    assert [failures.record("run", now) for now in (0.0, HOUR, 2 * HOUR, 3 * HOUR)] == [False] * 4


def test_errors_that_were_kept_count_as_before() -> None:
    before = Failures(3, HOUR)
    before.record("run", 0.0)
    before.record("run", 1.0)
    assert Failures(3, HOUR, before.times).record("run", 2.0)


def test_no_burst_means_no_limit() -> None:
    failures = Failures(0, HOUR)
    assert not any(failures.record("run", float(now)) for now in range(100))


def test_a_daemon_is_tried_again_after_growing_delays_and_then_left_alone_for_a_while() -> None:
    back_off = BackOff(first=0.1, longest=1.0, healthy=10.0, burst=6, cool_down=30.0)
    assert [back_off.failed(0.5) for _ in range(6)] == [
        (0.1, False),
        (0.2, False),
        (0.4, False),
        (0.8, False),
        (1.0, False),
        (30.0, True),
    ]


def test_a_long_run_sets_the_delay_back() -> None:
    back_off = BackOff(first=0.1, healthy=10.0)
    back_off.failed(0.0)
    back_off.failed(0.0)
    assert back_off.failed(11.0) == (0.1, False)
