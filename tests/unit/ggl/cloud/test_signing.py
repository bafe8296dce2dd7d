"""Signatures that AWS takes: those of its documentation, and those of its own SDK."""

from __future__ import annotations

import calendar

import pytest

from ggl.cloud.signing import Credentials, encoded, signed

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "")
NOON = calendar.timegm((2013, 5, 24, 0, 0, 0))


def signature(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


def test_the_examples_of_the_documentation_of_s3() -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    host = "examplebucket.s3.amazonaws.com"
    ranged = signed("GET", host, "/test.txt", "", {"Range": "bytes=0-9"}, b"", "s3", "us-east-1", EXAMPLE, NOON)
    assert signature(ranged) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    lifecycle = signed("GET", host, "/", "lifecycle=", {}, b"", "s3", "us-east-1", EXAMPLE, NOON)
    assert signature(lifecycle) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"


@pytest.mark.parametrize(
    ("service", "key"),
    [("s3", "plain.txt"), ("s3", "a folder/ä+b=c&d'(1)~!.zip"), ("s3", "x/../y//z"), ("ecr", "")],
)
def test_the_sdk_signs_the_same(service: str, key: str) -> None:
    from botocore import auth, awsrequest, credentials

    ours = Credentials("AKIDEXAMPLE", "secret", "a+token/==")
    path, body = f"/{encoded(key)}", b"" if service == "s3" else b"{}"
    method = "GET" if service == "s3" else "POST"
    headers = {"x-amz-target": "One.Two"} if service == "ecr" else {"range": "bytes=5-", "if-match": '"e"'}
    mine = signed(method, "h.example.com:8443", path, "", headers, body, service, "eu-west-1", ours)
    request = awsrequest.AWSRequest(method, f"https://h.example.com:8443{path}", headers=headers, data=body)
    signer = {"s3": auth.S3SigV4Auth, "ecr": auth.SigV4Auth}[service]
    theirs = signer(credentials.Credentials(ours.key_id, ours.secret, ours.token), service, "eu-west-1")
    request.context["timestamp"] = mine["x-amz-date"]
    request.headers["x-amz-date"] = mine["x-amz-date"]
    request.headers["x-amz-content-sha256"] = mine["x-amz-content-sha256"]
    request.headers["x-amz-security-token"] = ours.token
    canonical = theirs.canonical_request(request)
    expected = theirs.signature(theirs.string_to_sign(request, canonical), request)
    assert signature(mine) == expected
