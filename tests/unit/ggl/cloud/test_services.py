"""Where S3 and ECR are."""

from __future__ import annotations

import pytest

from ggl.cloud import services
from ggl.cloud.settings import Settings
from ggl.cloud.tls import BadCredentials


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_ECR", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("kind", "fips", "region", "bucket", "url"),
    [
        ("GLOBAL", False, "us-east-1", "bucket", "https://bucket.s3.amazonaws.com/k"),
        ("GLOBAL", False, "eu-west-1", "bucket", "https://bucket.s3.eu-west-1.amazonaws.com/k"),
        ("REGIONAL", False, "us-east-1", "bucket", "https://bucket.s3.us-east-1.amazonaws.com/k"),
        ("DUALSTACK", False, "us-east-1", "bucket", "https://bucket.s3.dualstack.us-east-1.amazonaws.com/k"),
        ("GLOBAL", True, "us-east-1", "bucket", "https://bucket.s3-fips.us-east-1.amazonaws.com/k"),
        ("dualstack", True, "us-west-2", "bucket", "https://bucket.s3-fips.dualstack.us-west-2.amazonaws.com/k"),
        ("GLOBAL", False, "cn-north-1", "bucket", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"),
        ("GLOBAL", False, "us-east-1", "a.bucket", "https://s3.amazonaws.com/a.bucket/k"),
        ("GLOBAL", False, "eu-west-1", "Old_Bucket", "https://s3.eu-west-1.amazonaws.com/Old_Bucket/k"),
    ],
)
def test_the_address_of_an_object(kind: str, fips: bool, region: str, bucket: str, url: str) -> None:
    place = services.s3(Settings(s3_endpoint_type=kind, fips=fips), region, bucket)
    assert place.url(f"{place.path}/k") == url


def test_the_address_of_ecr() -> None:
    assert services.ecr(Settings(), "eu-west-1").url("/") == "https://api.ecr.eu-west-1.amazonaws.com/"
    assert services.ecr(Settings(fips=True), "us-gov-west-1").host == "api.ecr-fips.us-gov-west-1.amazonaws.com"
    assert services.ecr(Settings(), "cn-north-1").host == "api.ecr.cn-north-1.amazonaws.com.cn"


def test_the_variables_of_the_sdks_come_first_and_have_the_bucket_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/base/")
    place = services.s3(Settings(), "eu-west-1", "bucket")
    assert place.url(f"{place.path}/k", "x=1") == "http://127.0.0.1:9/base/bucket/k?x=1"
    assert place.host == "127.0.0.1:9"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://minio.example.com")
    assert services.s3(Settings(), "eu-west-1", "bucket").url("/") == "https://minio.example.com/"
    assert services.ecr(Settings(), "eu-west-1").url("/") == "http://127.0.0.1:9/"


def test_a_bundle_of_cas_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", f"{tmp_path}/none.pem")
    with pytest.raises(BadCredentials, match=r"AWS_CA_BUNDLE.*none\.pem"):
        services.public_trust()
