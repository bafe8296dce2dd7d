"""What the configuration may say of how long failures are kept."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.tesd.setting import retry_settings


def test_numbers_may_be_strings() -> None:
    configured = {"clientError": 10, "serverError": "20", "unknownError": 30.0}
    found = retry_settings(configured, pytest.fail)
    assert found == {"clientError": 10, "serverError": 20, "unknownError": 30}
    assert retry_settings({}, pytest.fail) == {"clientError": 120, "serverError": 60, "unknownError": 300}


@pytest.mark.parametrize("value", [9, 42901, "x", True, -1, [], {}, float("nan")])
def test_what_cannot_be_meant_is_not_taken(value: Any) -> None:
    complaints: list[str] = []
    assert retry_settings({"clientError": value}, complaints.append)["clientError"] == 120
    assert len(complaints) == 1
    assert "credentialRetryInSec.clientError" in complaints[0]
