"""References of container images."""

from __future__ import annotations

import pytest

from ggl.recipe.image import parse_image

DIGEST = "sha256:" + "0123456789abcdef" * 4
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("reference", "registry", "name", "tag"),
    [
        ("alpine", "docker.io", "alpine", ""),
        ("alpine:3.20", "docker.io", "alpine", "3.20"),
        ("bitnami/redis", "docker.io", "bitnami/redis", ""),
        ("public.ecr.aws/nginx/nginx:1.27", "public.ecr.aws", "nginx/nginx", "1.27"),
        (f"{ECR}/team/app:v1", ECR, "team/app", "v1"),
        ("localhost/app", "localhost", "app", ""),
        ("localhost:5000/a__b/c-d.e:latest", "localhost:5000", "a__b/c-d.e", "latest"),
        ("10.0.0.1:5000/app", "10.0.0.1:5000", "app", ""),
    ],
)
def test_a_reference_is_taken_apart(reference: str, registry: str, name: str, tag: str) -> None:
    image = parse_image(reference)
    assert image is not None
    assert (image.registry, image.name, image.tag, image.digest) == (registry, name, tag, "")
    pinned = parse_image(f"{reference}@{DIGEST}")
    assert pinned is not None
    assert (pinned.name, pinned.tag, pinned.digest) == (name, tag, DIGEST)


@pytest.mark.parametrize(
    "reference",
    [
        *(
            "",
            "Alpine",
            "-v",
            "--rm",
            "a b",
            "a:",
            "a@",
            "a@sha256:12",
            "a//b",
            "/a",
            "a/",
            "a:b:c",
            "a.b/C",
            "x" * 256,
        ),
        *("-r.io/a", "r.io:port/a", "a;b", "a\0", "a\n", "r.io/a:-x"),
    ],
)
def test_what_is_no_reference_is_refused(reference: str) -> None:
    assert parse_image(reference) is None


@pytest.mark.parametrize(
    ("reference", "floating"),
    [("a", True), ("a:latest", True), ("a:1", False), (f"a@{DIGEST}", False), (f"a:latest@{DIGEST}", False)],
)
def test_without_a_tag_or_as_the_latest_it_may_change(reference: str, floating: bool) -> None:
    image = parse_image(reference)
    assert image is not None
    assert image.is_floating == floating


@pytest.mark.parametrize(
    ("registry", "region"),
    [
        (ECR, "eu-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("public.ecr.aws", ""),
        ("ghcr.io", ""),
        ("1234.dkr.ecr.eu-west-1.amazonaws.com", ""),
        ("123456789012.dkr.ecr.eu-west-1.example.com", ""),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com", ""),
    ],
)
def test_private_registries_of_ecr_are_known_by_their_name(registry: str, region: str) -> None:
    image = parse_image(f"{registry}/app:1")
    assert image is not None
    assert image.ecr_region == region
