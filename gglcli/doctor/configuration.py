"""What of the configuration connects the device to AWS: is it there, is it plausible."""

from __future__ import annotations

from collections.abc import Iterator

from ggl.cloud.endpoints import data_plane, dns_suffix, split_host_port
from ggl.cloud.settings import Settings
from ggl.values import InvalidValue
from gglcli.client import command
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning

NUCLEUS = "aws.greengrass.NucleusLite"
DESCRIBE = "aws iot describe-endpoint --endpoint-type"
DATA, CREDENTIALS = "iot:Data-ATS", "iot:CredentialProvider"
"""Kinds of endpoints, as AWS IoT's DescribeEndpoint names them."""


def configuration(device: Device) -> Iterator[Finding]:
    settings = device.settings
    if settings is None:
        if "must be" in device.problem or "is no host" in device.problem:
            key = device.problem.partition("'")[2].partition("'")[0]
            yield failure("configuration", device.problem, f"correct it: {command(f'config get {NUCLEUS}/{key}')}")
        else:
            yield skipped("configuration", device.problem)
        return
    if device.local:
        yield skipped("configuration", "this device is not connected to AWS, and need not be (docs/cloud.md says how)")
        return
    found = [*_missing(settings), *_endpoints(settings), *_role_alias(settings)]
    yield from found
    if not found:
        yield ok("configuration", f"thing {settings.identity.thing_name}, endpoint {settings.data_endpoint}")


def set_nucleus(key: str, value: str) -> str:
    """The command that sets a key of the nucleus."""
    return command(f"config set {NUCLEUS}/{key} {value}")


def _missing(settings: Settings) -> Iterator[Finding]:
    missing = settings.missing_for_mqtt()
    if missing:
        sets = (command(f"config set /{key.replace('.', '/')} VALUE") for key in missing if key.startswith("system."))
        endpoint = [set_nucleus("iotDataEndpoint", f"$({DESCRIBE} {DATA} --output text)")]
        remedy = "; ".join([*sets, *(endpoint if "iotDataEndpoint" in missing else [])])
        yield failure("configuration", f"not set, so there is no connection: {', '.join(missing)}", remedy)
    if not settings.region:
        yield warning("region", "awsRegion is not set: deployments cannot ask AWS", set_nucleus("awsRegion", "REGION"))


def _endpoints(settings: Settings) -> Iterator[Finding]:
    named = (
        ("iotDataEndpoint", settings.data_endpoint, DATA),
        ("iotCredEndpoint", settings.credential_endpoint, CREDENTIALS),
    )
    for key, value, kind in named:
        if not value:
            continue
        remedy = set_nucleus(key, f"$({DESCRIBE} {kind} --output text)")
        if problem := endpoint_problem(value, settings.region, credentials=kind == CREDENTIALS):
            yield failure(key, problem, remedy)
    if settings.data_plane_endpoint:
        try:
            data_plane(settings)
        except InvalidValue as error:
            yield failure("greengrassDataPlaneEndpoint", str(error), set_nucleus("greengrassDataPlaneEndpoint", "HOST"))


def endpoint_problem(value: str, region: str, credentials: bool) -> str:
    """What is wrong with an endpoint; empty when nothing is. A name outside of AWS is taken as it is."""
    if "://" in value or "/" in value or " " in value:
        return f"'{value}' is to be a host name, without https:// and path"
    try:
        host, _port = split_host_port(value, 443)
    except InvalidValue as error:
        return str(error)
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return ""
    is_for_credentials = ".credentials.iot." in host
    if credentials and not is_for_credentials:
        return f"'{value}' is no credential endpoint (those have .credentials.iot. in their name)"
    if not credentials and is_for_credentials:
        return f"'{value}' is the endpoint for credentials"
    if not credentials and not host.partition(".")[0].endswith("-ats"):
        return f"'{value}' is an endpoint of the old kind, whose certificates no Amazon root CA has signed"
    if region and f".{region}.{dns_suffix(region)}" not in host:
        return f"'{value}' is not in the region {region} (awsRegion)"
    return ""


def _role_alias(settings: Settings) -> Iterator[Finding]:
    missing = [key for key in settings.missing_for_credentials() if not key.startswith("system.")]
    if missing:
        sets = "; ".join(
            set_nucleus(key, "NAME" if key == "iotRoleAlias" else f"$({DESCRIBE} {CREDENTIALS} --output text)")
            for key in missing
        )
        detail = f"not set: {', '.join(missing)}; no AWS credentials for components, nor artifacts from S3"
        yield warning("credentials", detail, sets)
