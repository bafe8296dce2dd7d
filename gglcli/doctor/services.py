"""AWS' services for the device, asked as the runtime asks them: AWS IoT Core, credentials, the data plane.

Which policy is missing is concluded from what was refused; nothing is asked that would change anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ggl.bus import BusError
from ggl.cloud.endpoints import data_plane as data_plane_address
from ggl.cloud.endpoints import data_plane_url, https_alpn, split_host_port
from ggl.cloud.https import NoAnswer, Response, request
from ggl.cloud.settings import Settings, number
from ggl.cloud.tls import BadCredentials, client_context
from ggl.values import InvalidValue
from gglcli import client
from gglcli.client import command
from gglcli.doctor.configuration import CREDENTIALS, DATA, DESCRIBE, set_nucleus
from gglcli.doctor.device import MQTT, TOKENS, Device
from gglcli.doctor.finding import OK, Finding, failure, ok, skipped, warning
from gglcli.doctor.machine import SLACK
from gglcli.doctor.network import STEP_TIMEOUT, Endpoint, activate, reach
from gglcli.output import age

MQTT_PORT, HTTPS_PORT = 8883, 443
MQTT_ALPN = "x-amzn-mqtt-ca"
TRIAL = 20.0
"""Seconds for a connection to AWS IoT Core, or an answer about credentials, that is made for us alone."""
POLICY = "docs/cloud.md has the whole policy"
REFUSED = "refuses the device's certificate"
"""How ``ggl.cloud.tls`` puts an alert of the server about our certificate."""
FILES = "do what is said under certificates, and let the runtime's user read the files"


def mqtt(device: Device) -> Iterator[Finding]:
    settings = device.settings
    if settings is None or not device.provisioned:
        yield skipped("AWS IoT Core", device.why_no_cloud())
        return
    state = device.mqtt
    connected = bool(state.get("connected"))
    since = f" for {age(int(state['since']))}" if state.get("since") else ""
    held = ok("AWS IoT Core", f"connected{since} to {state.get('endpoint') or settings.data_endpoint}")
    if not device.network:
        yield held if connected else skipped("AWS IoT Core", "not connected; not tried (--offline)")
        return
    try:
        port = number(settings.mqtt, "port", MQTT_PORT, 1, 65535)
        host, port = split_host_port(settings.data_endpoint, port)
    except InvalidValue as error:
        yield failure("AWS IoT Core", str(error), set_nucleus("mqtt/port", str(MQTT_PORT)))
        return
    alpn = (MQTT_ALPN,) if port == HTTPS_PORT else ()
    # Also when there is a connection: one that was cut in silence is noticed by nobody for a minute.
    last = None
    for last in reach(device, settings, Endpoint("iotDataEndpoint", host, port, f"{DESCRIBE} {DATA}", alpn)):
        yield last
    if last is None or last.status != OK:
        return
    if connected:
        yield held
        if times := state.get("takeovers"):
            yield _taken_over(settings, f"{times} times this connection was taken over")
        yield from _subscriptions(settings)
    elif not device.running:
        yield skipped("AWS IoT Core", "the connection is the runtime's, which is not running")
    else:
        yield _trial(settings, state)


def _trial(settings: Settings, state: Mapping[str, Any]) -> Finding:
    """The network is fine and the runtime is not connected: a connection of our own tells why, or that there is one."""
    title = "AWS IoT Core"
    last = str(state.get("last_error") or "")
    try:
        client.call(
            MQTT,
            "try_endpoint",
            {"endpoint": settings.data_endpoint, "timeout_ms": int(TRIAL * 1000)},
            TRIAL + STEP_TIMEOUT,
        )
    except BusError as error:
        code, _, text = error.message.partition(": ")
        if _of_files(error.message):
            return failure(title, text if code.isupper() else error.message, FILES)
        if code == "MISSING_MQTT_CONNECT_POLICY":
            return failure(title, text, _connect_policy(settings))
        if code == "TLS_HANDSHAKE_FAILURE" or REFUSED in text:
            return failure(title, text, activate(settings))
        return failure(title, text if code == "MQTT_CONNECTION_FAILED" else error.message, command("logs iotcored"))
    if "taken over" in last.lower():
        return _taken_over(settings, last)
    if last:
        detail = f"a trial connects, the runtime does not: {last}"
        remedy = f"see whether another device, or another runtime, is {settings.identity.thing_name} as well"
        return failure(title, detail, f"{remedy}; {_connect_policy(settings)}; {command('logs iotcored')}")
    return warning(title, "a trial connects, the runtime is not connected yet", command("status --watch"))


def _of_files(text: str) -> bool:
    """Whether it is the device's own files that the runtime cannot use."""
    return "system.privateKeyPath" in text or "system.certificateFilePath" in text


def _taken_over(settings: Settings, detail: str) -> Finding:
    thing = settings.identity.thing_name
    remedy = "give each device, and each runtime, a thing and a certificate of its own"
    return failure("client id", f"somebody else connects as {thing}: {detail}", remedy)


def _connect_policy(settings: Settings) -> str:
    return f"allow iot:Connect on client/{settings.identity.thing_name}* in the certificate's policy; {POLICY}"


def _subscriptions(settings: Settings) -> Iterator[Finding]:
    """What deployments come by. The runtime has subscribed to these, if that was allowed; asking again is free."""
    thing = settings.identity.thing_name
    wanted = {
        "jobs": f"$aws/things/{thing}/jobs/notify-namespace-aws-gg-deployment",
        "shadow deployments": f"$aws/things/{thing}/shadow/name/AWSManagedGreengrassV2Deployment/get/accepted",
    }
    for name, topic in wanted.items():
        try:
            with client.connect(MQTT, TRIAL) as connection:
                connection.subscribe("subscribe", {"topic_filter": topic, "qos": 1})
        except BusError as error:
            remedy = f"allow iot:Subscribe on topicfilter/{topic}, and iot:Receive on topic/{topic}; {POLICY}"
            yield failure(name, f"subscribing to {topic} fails: {error.message}", remedy)
        else:
            yield ok(name, "subscribed to")


def credentials(device: Device) -> Iterator[Finding]:
    settings = device.settings
    if settings is None or device.local:
        yield skipped("AWS credentials", device.why_no_cloud())
        return
    if missing := settings.missing_for_credentials():
        yield skipped("AWS credentials", f"not set: {', '.join(missing)}")
        return
    if not device.network:
        yield skipped("AWS credentials", "not tried (--offline)")
        return
    try:
        host, port = split_host_port(settings.credential_endpoint, HTTPS_PORT)
    except InvalidValue as error:
        yield skipped("AWS credentials", f"{error} (see configuration)")
        return
    last = None
    for last in reach(device, settings, Endpoint("iotCredEndpoint", host, port, f"{DESCRIBE} {CREDENTIALS}")):
        yield last
    if last is None or last.status != OK:
        return
    if not device.running:
        yield skipped("AWS credentials", "they are fetched by the runtime, which is not running")
        return
    yield _role(settings)


def _role(settings: Settings) -> Finding:
    title, alias = "AWS credentials", settings.role_alias
    asked = {"endpoint": settings.credential_endpoint, "role_alias": alias}
    try:
        client.call(TOKENS, "try_endpoint", asked, TRIAL + STEP_TIMEOUT)
    except BusError as error:
        code, _, text = error.message.partition(": ")
        text = text if code.startswith("CREDENTIAL_ENDPOINT_") else error.message
        return failure(title, text, _role_remedy(settings, text))
    return ok(title, f"the role alias {alias} gives them")


def _role_remedy(settings: Settings, text: str) -> str:
    alias = settings.role_alias
    if _of_files(text):
        return FILES
    if REFUSED in text:
        return activate(settings)
    if "404" in text:
        return f"aws iot describe-role-alias --role-alias {alias}; then {set_nucleus('iotRoleAlias', 'NAME')}"
    if "403" in text:
        return (
            f"allow iot:AssumeRoleWithCertificate on the role alias {alias} in the certificate's policy, and let its "
            f"role trust credentials.iot.amazonaws.com; {POLICY}"
        )
    return command("logs tesd")


def data_plane(device: Device) -> Iterator[Finding]:
    title = "Greengrass data plane"
    settings = device.settings
    if settings is None or not device.provisioned:
        yield skipped(title, device.why_no_cloud())
        return
    if not device.network:
        yield skipped(title, "not tried (--offline)")
        return
    try:
        host, port = data_plane_address(settings)
    except InvalidValue as error:
        yield failure(title, str(error), set_nucleus("awsRegion", "REGION"))
        return
    key = "greengrassDataPlaneEndpoint" if settings.data_plane_endpoint else "awsRegion"
    to = Endpoint(key, host, port, command(f"config get aws.greengrass.NucleusLite/{key}"), https_alpn(port))
    last = None
    for last in reach(device, settings, to):
        yield last
    if last is None or last.status != OK:
        return
    from urllib.parse import quote

    thing = settings.identity.thing_name
    url = f"{data_plane_url(settings)}/greengrass/v2/coreDevices/{quote(thing, safe='')}/thingGroups"
    try:
        context = client_context(settings.identity, https_alpn(port))
        answer = request("GET", url, context, settings.proxy, timeout=TRIAL)
    except BadCredentials as error:
        yield skipped(title, f"{error} (see certificates)")
        return
    except NoAnswer as error:
        refused = REFUSED in str(error)
        yield failure(
            title, str(error), activate(settings) if refused else "try again; if it stays so, ask AWS support"
        )
        return
    yield _thing_groups(settings, answer)
    yield from _clock(answer)


def _thing_groups(settings: Settings, answer: Response) -> Finding:
    title = "Greengrass data plane"
    if answer.status == 200:
        try:
            groups = json.loads(answer.text).get("thingGroups") or []
            names = [str(group.get("thingGroupName")) for group in groups]
        except (ValueError, AttributeError):
            return failure(title, "its answer is not that of AWS", "check greengrassDataPlaneEndpoint")
        return ok(title, f"thing groups: {', '.join(names) or 'none'}")
    text = f"it answers {answer.status}: {' '.join(answer.text.split())[:200]}"
    if answer.status == 403:
        return failure(
            title,
            text,
            "allow greengrass:ListThingGroupsForCoreDevice, GetDeploymentConfiguration, ResolveComponentCandidates and "
            f"GetComponentVersionArtifact on * in the certificate's policy; {POLICY}",
        )
    if answer.status == 404:
        remedy = f"check system.thingName: aws iot describe-thing --thing-name {settings.identity.thing_name}"
        return warning(title, text, remedy)
    return warning(title, text, "try again later")


def _clock(answer: Response, now: float | None = None) -> Iterator[Finding]:
    """The device's clock against the server's."""
    try:
        there = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return
    wrong = (time.time() if now is None else now) - there
    if abs(wrong) > SLACK:
        detail = f"it is {abs(wrong):.0f} s {'ahead of' if wrong > 0 else 'behind'} the clock of AWS"
        yield failure("clock", detail, "timedatectl set-ntp true: signatures of requests count from the time")
    else:
        yield ok("clock", f"{abs(wrong):.0f} s from that of AWS")
