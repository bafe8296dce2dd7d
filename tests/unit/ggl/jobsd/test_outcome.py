"""Reports in the form that AWS IoT takes."""

from __future__ import annotations

import json

from ggl.jobsd.outcome import LIMIT, job_details, outcome_of, shadow_details


def test_details_of_a_job_fit_and_hold_no_control_characters() -> None:
    codes = [f"SOME_RATHER_LONG_ERROR_CODE_{number}" for number in range(100)]
    details = job_details(
        outcome_of(
            {
                "status": "FAILED",
                "detailed_status": "FAILED_NO_STATE_CHANGE",
                "cause": "line one\nline\ttwo\x00 \ud800 " + "é" * 2000,
                "error_stack": codes,
                "error_types": [],
            }
        )
    )
    assert all(0 < len(value) <= LIMIT and value.isprintable() for value in details.values())
    assert details["deployment-failure-cause"].startswith("line one line two")
    stack = json.loads(details["deployment-error-stack"])
    assert stack == codes[: len(stack)]
    assert len(stack) > 20
    assert "deployment-error-types" not in details


def test_a_record_that_says_nothing_is_no_error() -> None:
    assert job_details(outcome_of({})) == {}
    assert set(shadow_details(outcome_of({"status": None, "error_stack": None})).values()) == {None}
