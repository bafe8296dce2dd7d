"""The configuration daemon as a process, over its bus socket."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, Client, ErrorCode, connect
from ggl.paths import Root, find_root
from tests.integration.conftest import wait_until

START_LIMIT = 60.0


@pytest.fixture
def root() -> Iterator[Root]:
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory:  # short, unlike pytest's: sockets live below it
        yield find_root(directory)


def start(root: Root, *prefix: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **root.environment()}
    process = subprocess.Popen([*prefix, sys.executable, "-m", "ggl.configd"], env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + START_LIMIT
    while True:
        try:
            with connect("gg_config", root, START_LIMIT) as client:
                client.call("bus.ping")
            return process
        except BusError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(process.communicate()[1].decode()) from None
            time.sleep(0.02)


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM) -> str:
    process.send_signal(number)
    return process.communicate(timeout=START_LIMIT)[1].decode()


@contextmanager
def running(root: Root, *prefix: str) -> Iterator[Client]:
    process = start(root, *prefix)
    try:
        with connect("gg_config", root, START_LIMIT) as client:
            yield client
    finally:
        stop(process)


@pytest.fixture
def client(root: Root) -> Iterator[Client]:
    with running(root) as client:
        yield client


@pytest.fixture(scope="module")
def shared_client() -> Iterator[Client]:
    """For tests that leave nothing behind."""
    with tempfile.TemporaryDirectory(prefix="ggl-") as directory, running(find_root(directory)) as client:
        yield client


def code_of(call: Callable[..., Any], *arguments: Any) -> ErrorCode:
    with pytest.raises(BusError) as caught:
        call(*arguments)
    return caught.value.code


def test_write_read_list_delete(client: Client) -> None:
    client.call("write", {"key_path": ["a"], "value": {"b": [1, None, {"c": "ü"}], "d": {}}, "timestamp": 5})
    assert client.call("read", {"key_path": ["A"]}) == {"b": [1, None, {"c": "ü"}], "d": {}}
    assert client.call("read_with_timestamps", {"key_path": ["a"]}) == {
        "b": {"v": [1, None, {"c": "ü"}], "t": 5},
        "d": {},
    }
    assert client.call("list", {"key_path": ["a"]}) == ["b", "d"]
    assert set(client.call("list", {"key_path": []})) == {"system", "services", "a"}
    assert client.call("delete", {"key_path": ["a", "b"]}) is None
    assert client.call("delete", {"key_path": ["a", "b"]}) is None
    assert client.call("read", {"key_path": ["a"]}) == {"d": {}}
    client.call("write", {"key_path": ["\ud800"], "value": "\ud800"})  # half a character is a string too


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("read", {"key_path": ["missing"]}, "NOENTRY"),
        ("read", {"key_path": ["leaf", "x"]}, "NOENTRY"),
        ("read", {"key_path": "leaf"}, "INVALID"),
        ("read", {"key_path": [1]}, "INVALID"),
        ("read", {}, "INVALID"),
        ("list", {"key_path": ["leaf"]}, "INVALID"),
        ("list", {"key_path": ["missing"]}, "NOENTRY"),
        ("write", {"key_path": ["leaf", "x"], "value": 1}, "FAILURE"),
        ("write", {"key_path": [], "value": 1}, "INVALID"),
        ("write", {"key_path": ["x"]}, "INVALID"),
        ("write", {"key_path": ["x"], "value": b"bytes"}, "INVALID"),
        ("write", {"key_path": ["x"], "value": 1, "timestamp": -1}, "INVALID"),
        ("write", {"key_path": ["x"], "value": 1, "timestamp": 1.5}, "INVALID"),
        ("write", {"key_path": ["x"] * 59, "value": 1}, "RANGE"),
        ("write", {"key_path": ["x"], "value": "x" * 1024 * 1024}, "RANGE"),
        ("delete", {"key_path": []}, "INVALID"),
        ("subscribe", {"key_path": ["missing"]}, "NOENTRY"),
        ("transaction", {"operations": [{"op": "erase", "key_path": ["leaf"]}]}, "INVALID"),
        ("transaction", {"operations": [1]}, "INVALID"),
        ("transaction", {"operations": [{"op": "restore", "key_path": ["leaf"]}]}, "INVALID"),
        ("transaction", {"operations": [{"op": "restore", "key_path": ["leaf"], "value": {"a": 1}}]}, "INVALID"),
        ("transaction", {"operations": [{"op": "put", "table": "t", "key": "k"}]}, "INVALID"),
        ("transaction", {"operations": [{"op": "delete", "key_path": ["leaf"]}] * 10_001}, "RANGE"),
        ("get", {"table": "t", "key": "missing"}, "NOENTRY"),
        ("get", {"table": "\ud800", "key": "missing"}, "NOENTRY"),
        ("put", {"table": "t", "key": "\ud800", "value": 1}, "INVALID"),
        ("put", {"table": "t", "key": "k", "value": b""}, "INVALID"),
        ("put", {"table": "t", "key": "k"}, "INVALID"),
        ("scan", {"table": 1}, "INVALID"),
    ],
)
def test_errors_have_codes(shared_client: Client, method: str, params: dict[str, Any], code: str) -> None:
    client = shared_client
    client.call("write", {"key_path": ["leaf"], "value": 1})
    before = client.call("read", {"key_path": []})
    assert code_of(client.call, method, params) == code
    assert client.call("read", {"key_path": []}) == before


def test_the_deepest_tree_can_be_read_back_in_every_way(client: Client) -> None:
    value: Any = 1
    for _ in range(54):
        value = {"k": value}
    path = ["services", "c", "configuration"]
    client.call("write", {"key_path": path, "value": {"k": value}})
    client.call("read", {"key_path": []})
    for key_path in ([], path):
        stamped = client.call("read_with_timestamps", {"key_path": key_path})
        client.call("transaction", {"operations": [{"op": "restore", "key_path": key_path, "value": stamped}]})
    record = {"configuration": {"c": stamped}}
    client.call("transaction", {"operations": [{"op": "put", "table": "t", "key": "k", "value": record}]})
    assert client.call("scan", {"table": "t"}) == [["k", record]]
    get = {"component": "c", "request": {}}
    assert client.call("aws.greengrass#GetConfiguration", get)["response"]["value"] == {"k": value}


def test_subscribers_hear_of_changes_below_and_deletions_above(root: Root, client: Client) -> None:
    client.call("write", {"key_path": ["a"], "value": {"b": {"c": 1}, "x": 1}})
    with connect("gg_config", root, START_LIMIT) as listener:
        branch = listener.subscribe("subscribe", {"key_path": ["A", "b"]})
        later = listener.subscribe("subscribe", {"key_path": ["not", "yet"], "missing_ok": True})
        assert branch.result is None
        client.call("write", {"key_path": ["a"], "value": {"b": {"c": 1, "d": 2}, "x": 2}})
        client.call("delete", {"key_path": ["a"]})
        client.call("write", {"key_path": ["not", "yet", "there"], "value": 1})
        assert [branch.next(START_LIMIT), branch.next(START_LIMIT)] == [["a", "b", "d"], ["a"]]
        assert later.next(START_LIMIT) == ["not", "yet", "there"]
        branch.close()
        client.call("write", {"key_path": ["a", "b"], "value": 1})
        assert code_of(branch._client.call, "read", {"key_path": ["a", "b", "c"]}) == ErrorCode.NOENTRY
        assert not branch.items


def test_a_transaction_is_all_or_nothing(client: Client) -> None:
    client.call("write", {"key_path": ["a"], "value": {"x": 1, "y": 2}})
    good = [
        {"op": "delete", "key_path": ["a"]},
        {"op": "write", "key_path": ["a", "z"], "value": 3, "timestamp": 0},
    ]
    bad = [*good, {"op": "write", "key_path": ["a", "z", "below"], "value": 1}]
    assert code_of(client.call, "transaction", {"operations": bad}) == ErrorCode.FAILURE
    assert client.call("read", {"key_path": ["a"]}) == {"x": 1, "y": 2}
    client.call("transaction", {"operations": good})
    assert client.call("read", {"key_path": ["a"]}) == {"z": 3}


def test_records(client: Client) -> None:
    for key in ("b", "a"):
        client.call("put", {"table": "t", "key": key, "value": {"key": key}})
    assert client.call("get", {"table": "t", "key": "a"}) == {"key": "a"}
    assert client.call("scan", {"table": "t", "reverse": True}) == [["b", {"key": "b"}], ["a", {"key": "a"}]]
    assert client.call("scan", {"table": "t", "limit": 1}) == [["a", {"key": "a"}]]
    client.call("drop", {"table": "t", "key": "a"})
    assert client.call("scan", {"table": "t"}) == [["b", {"key": "b"}]]
    assert "t" not in client.call("list", {"key_path": []})


def test_components_use_the_ipc_operations(root: Root, client: Client) -> None:
    client.call("write", {"key_path": ["services", "c", "version"], "value": "1.0.0"})
    update = {"keyPath": ["a"], "timestamp": 10.0, "valueToMerge": {"b": 1}}
    assert client.call("aws.greengrass#UpdateConfiguration", {"component": "c", "request": update}) == {"response": {}}
    with connect("gg_config", root, START_LIMIT) as listener:
        params = {"component": "d", "request": {"componentName": "c", "keyPath": ["a"]}}
        events = listener.subscribe("aws.greengrass#SubscribeToConfigurationUpdate", params)
        assert events.result == {"response": {}}
        update = {"keyPath": ["a"], "timestamp": 11.0, "valueToMerge": {"b": 2}}
        client.call("aws.greengrass#UpdateConfiguration", {"component": "c", "request": update})
        assert events.next(START_LIMIT) == {"configurationUpdateEvent": {"componentName": "c", "keyPath": ["a", "b"]}}
    assert client.call("aws.greengrass#GetConfiguration", {"component": "c", "request": {"keyPath": ["a", "b"]}}) == {
        "response": {"componentName": "c", "value": {"b": 2}}
    }
    answer = client.call("aws.greengrass#GetConfiguration", {"component": "c", "request": {"keyPath": ["x"]}})
    assert answer == {"error": {"shape": "ResourceNotFoundError", "message": "Key not found"}}


class Storm(threading.Thread):
    """Writes ever higher numbers until the daemon is gone; ``acknowledged`` is the last one that was answered."""

    def __init__(self, root: Root, name: str, begin: int) -> None:
        super().__init__(daemon=True)
        self.key = name
        self.acknowledged = begin
        self._root = root

    def run(self) -> None:
        try:
            with connect("gg_config", self._root, START_LIMIT) as client:
                while True:
                    number = self.acknowledged + 1
                    pair = [
                        {"op": "write", "key_path": [self.key, side, f"k{number % 7}"], "value": number}
                        for side in ("left", "right")
                    ]
                    last = {"op": "restore", "key_path": [self.key, "last"], "value": {"v": number, "t": 1}}
                    record = {"op": "put", "table": self.key, "key": f"{number % 5}", "value": number}
                    client.call("transaction", {"operations": [*pair, last, record]})
                    self.acknowledged = number
        except BusError:
            pass


def test_no_acknowledged_write_is_lost_and_no_transaction_torn_by_kill_9(root: Root) -> None:
    reached = {"s1": 0, "s2": 0, "s3": 0}
    for round_number in range(5):
        process = start(root)
        storms = [Storm(root, name, number) for name, number in reached.items()]
        for storm in storms:
            storm.start()
        if round_number:  # at first it may be killed before there is an answer
            wait_until(lambda s=storms: all(storm.acknowledged > reached[storm.key] for storm in s))  # type: ignore[misc]
        time.sleep(random.uniform(0.05, 0.3))
        stop(process, signal.SIGKILL)
        for storm in storms:
            storm.join(START_LIMIT)
            assert not storm.is_alive()
        with running(root) as client:
            for storm in storms:
                if storm.acknowledged == 0:
                    continue  # killed before its first answer
                stored = client.call("read", {"key_path": [storm.key]})
                assert stored["last"] in (storm.acknowledged, storm.acknowledged + 1)
                assert stored["left"] == stored["right"]
                assert stored["last"] == max(stored["left"].values())
                records = [value for _, value in client.call("scan", {"table": storm.key})]
                assert max(records) == stored["last"]
                reached[storm.key] = stored["last"]
    assert all(reached.values())


def test_a_damaged_database_does_not_keep_the_daemon_from_starting(root: Root) -> None:
    root.config_db.write_bytes(b"damage" * 1000)
    process = start(root)
    with connect("gg_config", root, START_LIMIT) as client:
        client.call("write", {"key_path": ["a"], "value": 1})
    assert "is damaged" in stop(process)
    assert len(list(root.state.glob("config.db.corrupt-*"))) == 1


def test_a_database_of_somebody_else_is_a_clear_error(root: Root) -> None:
    import sqlite3

    connection = sqlite3.connect(root.config_db)
    connection.execute("CREATE TABLE keyTable (keyid INTEGER)")
    connection.close()
    with pytest.raises(AssertionError, match="another Greengrass nucleus"):
        start(root)


def _small_disk(directory: Path) -> list[str]:
    """A command prefix that gives a program a disk of 400 KiB at ``directory``."""
    mount = f'mount -t tmpfs -o size=400k tmpfs "{directory}" && exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]


def test_on_a_full_disk_writes_fail_with_nomem_and_reads_go_on(root: Root) -> None:
    disk = root.state / "disk"
    disk.mkdir()
    prefix = _small_disk(disk)
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount namespace")
    small = Root(state=disk, run=root.run, config=root.config)
    with running(small, *prefix) as client:
        kept = 0

        def fill() -> None:
            nonlocal kept
            while kept < 100:
                client.call("write", {"key_path": ["big", f"k{kept}"], "value": "x" * 20_000})
                kept += 1

        with pytest.raises(BusError, match="no space left") as caught:
            fill()
        assert caught.value.code == ErrorCode.NOMEM
        assert len(client.call("list", {"key_path": ["big"]})) == kept
        assert code_of(client.call, "put", {"table": "t", "key": "k", "value": "x" * 20_000}) == ErrorCode.NOMEM
        client.call("read", {"key_path": []})
