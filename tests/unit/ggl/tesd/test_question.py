"""What AWS answers, whatever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ggl.cloud.https import Response
from ggl.cloud.settings import Identity, Settings
from ggl.tesd.question import MAX_LIFETIME, identity, read

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC).timestamp()
SENT = {
    "accessKeyId": "AK",
    "secretAccessKey": "s/+",
    "sessionToken": "t==",
    "expiration": "2026-01-01T13:00:00Z",
}


def answer(body: Any, status: int = 200, **headers: str) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read(Response(status, headers, data), NOW)


def test_credentials_are_handed_on_as_they_are() -> None:
    found = answer({"credentials": SENT, "more": 1})

    assert found["credentials"] == SENT
    assert found["lifetime"] == 3600
    assert json.loads(found["body"]) == {
        "AccessKeyId": "AK",
        "SecretAccessKey": "s/+",
        "Token": "t==",
        "Expiration": "2026-01-01T13:00:00Z",
    }


def test_how_long_they_are_valid_is_a_matter_of_the_clock_that_made_them() -> None:
    """This device may think it is another year."""
    sent = {"credentials": SENT | {"expiration": "2031-05-05T06:00:00+00:00"}}
    assert answer(sent, date="Mon, 05 May 2031 05:00:00 GMT")["lifetime"] == 3600
    assert answer({"credentials": SENT}, date="sometime")["lifetime"] == 3600


def test_a_clock_that_is_wrong_does_not_keep_them_for_years() -> None:
    assert answer({"credentials": SENT}, date="Thu, 01 Jan 2015 13:00:00 GMT")["lifetime"] == MAX_LIFETIME


def test_what_is_expired_is_no_success() -> None:
    found = answer({"credentials": SENT}, date="Thu, 01 Jan 2026 13:00:00 GMT")
    assert "credentials" not in found
    assert "expired" in found["text"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100000,
        [],
        {},
        {"credentials": []},
        {"credentials": {key: value for key, value in SENT.items() if key != "sessionToken"}},
        {"credentials": SENT | {"accessKeyId": 1}},
        {"credentials": SENT | {"secretAccessKey": "a\r\nb"}},
        {"credentials": SENT | {"sessionToken": "\ud800"}},
        {"credentials": SENT | {"expiration": "tomorrow"}},
        {"credentials": SENT | {"expiration": "9999999-01-01"}},
    ],
)
def test_what_is_no_credentials(body: Any) -> None:
    found = answer(body)
    assert found["status"] == 200
    assert "credentials" not in found
    assert found["text"].startswith("AWS IoT sent no credentials that can be used")


def test_an_error_is_told_in_one_line() -> None:
    found = answer(b'{"message":\n "Access denied"}' + b" x" * 5000, 403)
    assert found["status"] == 403
    assert found["text"].startswith('AWS IoT answered 403: {"message": "Access denied"} x')
    assert "\n" not in found["text"]
    assert len(found["text"]) < 1100


def test_whose_credentials_they_are() -> None:
    device = Settings(Identity("t", "c", "k", "r"), credential_endpoint="e", role_alias="a")
    others = [
        Settings(Identity("t2", "c", "k", "r"), credential_endpoint="e", role_alias="a"),
        Settings(Identity("t", "c2", "k", "r"), credential_endpoint="e", role_alias="a"),
        Settings(Identity("t", "c", "k2", "r"), credential_endpoint="e", role_alias="a"),
        Settings(Identity("t", "c", "k", "r2"), credential_endpoint="e", role_alias="a"),
        Settings(Identity("t", "c", "k", "r"), credential_endpoint="e2", role_alias="a"),
        Settings(Identity("t", "c", "k", "r"), credential_endpoint="e", role_alias="a2"),
    ]
    assert len({identity(each) for each in (device, *others)}) == 7
