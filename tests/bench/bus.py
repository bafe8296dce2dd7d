"""The databus, and the daemons over it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ggl.bus import Loop, Method, Server, connect
from ggl.daemon import bind
from ggl.paths import Root
from tests.bench import PATIENCE
from tests.bench.rate import Baseline, Figure


@contextmanager
def echo_server(root: Root) -> Iterator[None]:
    listening = bind(str(root.bus_socket("gg_bench")), 0o600)
    pid = os.fork()
    if pid == 0:
        loop = Loop()
        methods = {
            "null": Method(lambda request, params: None),
            "echo": Method(lambda request, params: params["value"]),
        }
        Server(loop, "gg_bench", methods, listening)
        loop.run()
    listening.close()
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def figures(baseline: Baseline, root: Root) -> Iterator[Figure]:
    with echo_server(root), connect("gg_bench", root, PATIENCE) as client:
        yield baseline.measure("null bus call", lambda: client.call("null"), 0.42)
        kilobyte = os.urandom(1024)
        yield baseline.measure("1 KB echo over the bus", lambda: client.call("echo", {"value": kilobyte}), 0.42)

    with connect("gg_config", root, PATIENCE) as config:
        path = ["services", "com.example.Bench", "configuration", "value"]
        config.call("write", {"key_path": path, "value": 1})
        yield baseline.measure("config read", lambda: config.call("read", {"key_path": path}), 0.40)
        number = 0

        def write() -> None:
            nonlocal number
            number += 1
            config.call("write", {"key_path": path, "value": number})

        yield baseline.measure("durable config write", write, 0.02)

    with connect("gg_pubsub", root, PATIENCE) as publisher, connect("gg_pubsub", root, PATIENCE) as subscriber:
        stream = subscriber.subscribe("subscribe", {"topic": "bench/topic", "subscriber": "bench.Sub"})
        message = {"topic": "bench/topic", "payload": {"jsonMessage": {"message": {"n": 1}}}, "publisher": "bench.Pub"}

        def publish() -> None:
            publisher.call("publish", message)
            stream.next()

        yield baseline.measure("publish to one subscriber over the bus", publish, 0.30)
