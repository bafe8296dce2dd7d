"""A device that is connected for long, badly:

    python -m tests.soak.cloud [--minutes 60] [--rate 10]

A component sends numbered messages to AWS IoT Core (the stand-in of ``tests.cloud``) and receives them again, while its
credentials are asked for and run out, its connection is cut every minute, and the broker is killed every ten. It fails
if a message is lost, if credentials cannot be had, or if the runtime grows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

from ggl.bus import BusError, connect
from ggl.host.process import launch
from ggl.paths import Root, find_root
from tests.cloud.aws import Cloud, cloud
from tests.forked import Forked
from tests.lean import ALL, IpcFailure, Lean, install
from tests.soak import growth
from tests.soak.players import Done
from tests.soak.sequence import Sequence

CUT_SECONDS = 60.0
KILL_SECONDS = 600.0
AWAY_SECONDS = 5.0
LIFETIME = 420.0
"""Seconds that credentials are valid; they are renewed five minutes before their end."""
ASK_SECONDS = 15.0
TOPIC = "soak/numbers"
CATCH_UP_SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.cloud", description="Be connected for long, badly.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=10.0, help="messages a second")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ggl-soak-") as directory:
        root = find_root(f"{directory}/root")
        players = _Players(root, Path(directory) / "token", options.rate)
        with cloud(Path(directory) / "aws") as aws:
            os.environ.update(aws.environment())
            aws.credentials.lifetime = LIFETIME
            aws.write_boot_file(root)
            launch.start(root)
            try:
                problems = _soak(root, aws, players, options.minutes)
            finally:
                launch.stop(root)
    for problem in problems:
        print(f"FAILED: {problem}")
    print("failed" if problems else "passed")
    return 1 if problems else 0


class _Players:
    """Processes of their own, from before there are threads and sockets here; they begin when there is a token."""

    def __init__(self, root: Root, token: Path, rate: float) -> None:
        self._token = token
        self._stop = RawArray("b", 1)
        self.receiver = Forked(lambda: _receive(root, self._wait(), self._stopped))
        self.sender = Forked(lambda: _send(root, self._wait(), rate, self._stopped))
        self.asker = Forked(lambda: _ask(root, self._wait(), self._stopped))

    def begin(self, token: str) -> None:
        new = self._token.with_suffix(".new")
        new.write_text(token)
        new.rename(self._token)

    def stop(self) -> None:
        self._stop[0] = 1

    def _stopped(self) -> bool:
        return bool(self._stop[0])

    def _wait(self) -> str:
        while not self._token.exists():
            time.sleep(0.05)
        return self._token.read_text()


def _soak(root: Root, aws: Cloud, players: _Players, minutes: float) -> list[str]:
    with connect("aws_iot_mqtt", root) as client:
        status = client.subscribe("connection_status")
        while not status.next(30.0):
            pass
    players.begin(install(root, "com.example.Soak", {"accessControl": {"aws.greengrass.ipc.mqttproxy": ALL}}))
    done = {"cut": 0.0, "kill": 0.0}

    def meanwhile(elapsed: float) -> None:
        if elapsed - done["kill"] >= KILL_SECONDS:
            done["kill"] = done["cut"] = elapsed
            aws.network.kill_broker()
            time.sleep(AWAY_SECONDS)
            aws.network.start_broker()
        elif elapsed - done["cut"] >= CUT_SECONDS:
            done["cut"] = elapsed
            aws.network.cut("mqtt")
            time.sleep(AWAY_SECONDS)
            aws.network.restore()

    samples = growth.sample(root, minutes * 60, meanwhile)
    players.stop()
    sent = players.sender.result(Done(failures=["the sender died"]))
    asked = players.asker.result(Done(failures=["who asks for credentials died"]))
    came = players.receiver.result(Sequence())
    arrived = Sequence()
    deadline = time.monotonic() + CATCH_UP_SECONDS
    numbers: set[int] = set()
    while len(numbers) < sent.count and time.monotonic() < deadline:
        numbers = {int(message.payload) for message in aws.mqtt.messages(TOPIC)}
        time.sleep(0.5)
    for message in aws.mqtt.messages(TOPIC):
        arrived.take(int(message.payload))
    print(f"\nsent {sent.count:,}; at AWS: {len(numbers):,}, {arrived.duplicated} twice, {arrived.reordered} late")
    print(f"back at the component: {came.highest - len(came.missing):,}, {came.duplicated} twice")
    print(f"credentials asked for {asked.count:,} times, fetched {aws.credentials.count:,} times")
    problems = [*sent.failures, *asked.failures, *growth.judge(root, samples)]
    if lost := sent.count - len(numbers):
        problems.append(f"{lost} messages were lost")
    if aws.credentials.count < minutes * 60 / LIFETIME:
        problems.append("the credentials were not renewed")
    return problems


def _send(root: Root, token: str, rate: float, stopped: Callable[[], bool]) -> Done:
    done = Done()
    with Lean(root, token) as component:
        while not stopped():
            payload = b64encode(str(done.count + 1).encode()).decode()
            try:
                component.call("PublishToIoTCore", {"topicName": TOPIC, "qos": "1", "payload": payload})
                done.count += 1
            except IpcFailure as error:
                done.failures.append(str(error))
                return done
            time.sleep(1 / rate)
    return done


def _receive(root: Root, token: str, stopped: Callable[[], bool]) -> Sequence:
    sequence = Sequence()
    with Lean(root, token, timeout=2.0) as component:
        component.call("SubscribeToIoTCore", {"topicName": TOPIC, "qos": "1"})
        while not stopped():
            try:
                _stream, event = component.event()
            except IpcFailure:
                continue  # nothing came
            sequence.take(int(b64decode(event["message"]["payload"])))
    return sequence


def _ask(root: Root, token: str, stopped: Callable[[], bool]) -> Done:
    """As an AWS SDK does it, but without keeping what it gets."""
    done = Done()
    with connect("aws_iot_tes", root) as client:
        port = client.call("serve_port", {})
    url = f"http://127.0.0.1:{port}/2016-11-01/credentialprovider/"
    while not stopped():
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers={"Authorization": token}), timeout=40
            ) as got:
                if not json.load(got)["AccessKeyId"]:
                    raise ValueError("no key")
            done.count += 1
        except (OSError, ValueError, BusError) as error:
            done.failures.append(f"credentials: {error}")
        for _ in range(int(ASK_SECONDS)):
            if not stopped():
                time.sleep(1.0)
    return done


if __name__ == "__main__":
    sys.exit(main())
