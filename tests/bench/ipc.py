"""GG IPC, as components see it: the official SDK, and a client that is as lean as Python allows."""

from __future__ import annotations

import json
import os
import queue
import socket
import struct
import zlib
from collections.abc import Iterator

from ggl.bus import connect
from ggl.paths import Root
from tests.bench.rate import Baseline, Figure

COMPONENT = "com.example.Bench"
POLICY = {
    "aws.greengrass.ipc.pubsub": {"bench": {"operations": ["*"], "resources": ["*"]}},
}


def figures(baseline: Baseline, root: Root) -> Iterator[Figure]:
    with connect("gg_config", root) as config:
        key_path = ["services", COMPONENT, "configuration"]
        config.call("write", {"key_path": key_path, "value": {"value": 1, "accessControl": POLICY}})
    with connect("gg_ipc", root) as bridge:
        token = bridge.call("token", {"component": COMPONENT})

    lean = LeanClient(str(root.ipc_socket), token)
    yield baseline.measure("IPC GetConfiguration, lean client", lambda: lean.get_configuration(["value"]), 0.15)

    os.environ["SVCUID"] = token
    os.environ["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"] = str(root.ipc_socket)
    from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
    from awsiot.greengrasscoreipc.model import JsonMessage, PublishMessage

    sdk = GreengrassCoreIPCClientV2()
    other = GreengrassCoreIPCClientV2()
    try:
        yield baseline.measure(
            "IPC GetConfiguration, official SDK", lambda: sdk.get_configuration(key_path=["value"]), 0.06
        )
        arrived: queue.SimpleQueue[object] = queue.SimpleQueue()
        other.subscribe_to_topic(topic="bench/topic", on_stream_event=arrived.put)
        message = PublishMessage(json_message=JsonMessage(message={"n": 1}))

        def publish() -> None:
            sdk.publish_to_topic(topic="bench/topic", publish_message=message)
            arrived.get(timeout=10)

        yield baseline.measure("IPC publish to subscribe, official SDK at both ends", publish, 0.05)
    finally:
        sdk.close()
        other.close()


class LeanClient:
    """Just enough of the protocol for one operation; checks that the answer is one."""

    def __init__(self, path: str, token: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.connect(path)
        self._stream = 0
        payload = json.dumps({"authToken": token}).encode()
        self._sock.sendall(_message(4, 0, payload, {":version": "0.1.0"}))
        assert b":message-type\x04\x00\x00\x00\x05" in self._sock.recv(4096), "the runtime refused the connection"

    def get_configuration(self, key_path: list[str]) -> None:
        self._stream += 1
        payload = json.dumps({"keyPath": key_path}).encode()
        self._sock.sendall(_message(0, self._stream, payload, {"operation": "aws.greengrass#GetConfiguration"}))
        answer = self._sock.recv(65536)
        assert b"GetConfigurationResponse" in answer


def _message(kind: int, stream: int, payload: bytes, texts: dict[str, str]) -> bytes:
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!Bi", 4, value)
        for name, value in ((":message-type", kind), (":message-flags", 0), (":stream-id", stream))
    )
    for name, text in texts.items():
        headers += struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(text)) + text.encode()
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))
