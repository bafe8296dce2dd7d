"""Calls, notifications and streams between a real client and a real server."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ggl.bus import BusError, Client, ErrorCode, Loop, Method, Remote, connect
from ggl.daemon import bind
from ggl.paths import Root
from tests.unit.ggl.bus.conftest import INTERFACE, SECONDS
from tests.unit.ggl.bus.test_wire import values


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(value=values)
def test_any_value_goes_there_and_back(client: Client, value: Any) -> None:
    assert client.call("echo", {"value": value}) == value


def test_a_frame_of_many_megabytes_goes_there_and_back(client: Client) -> None:
    value = os.urandom(16 * 1024 * 1024)
    assert client.call("echo", {"value": value}) == value


def test_the_error_of_a_handler_reaches_the_caller_with_code_message_and_trail(client: Client) -> None:
    with pytest.raises(BusError) as error:
        client.call("fail", {"code": "NOENTRY", "message": "no such thing"})
    assert (error.value.code, error.value.message) == (ErrorCode.NOENTRY, "no such thing")
    assert error.value.trail == client.trail


def test_a_fault_in_a_handler_is_a_failure_of_that_call_only(client: Client) -> None:
    with pytest.raises(BusError) as error:
        client.call("crash")
    assert error.value.code is ErrorCode.FAILURE
    assert "a fault in a handler" not in error.value.message
    assert client.call("echo", {"value": 1}) == 1


def test_a_result_that_cannot_cross_the_bus_is_an_error_not_silence(client: Client) -> None:
    with pytest.raises(BusError):
        client.call("bad_result")


def test_an_unknown_method_is_unsupported(client: Client) -> None:
    with pytest.raises(BusError) as error:
        client.call("no_such_method")
    assert error.value.code is ErrorCode.UNSUPPORTED


def test_the_server_knows_its_peer_and_the_trail(client: Client) -> None:
    assert client.call("peer") == [os.getpid(), os.geteuid()]
    assert client.call("trail") == client.trail


def test_several_calls_are_in_flight_on_one_connection(server: int, root: Root) -> None:
    replies = []
    loop = Loop()
    remote = Remote(loop, INTERFACE, root)
    errors: list[BusError] = []
    remote.call("later", {}, lambda result: replies.append(("later", result)), errors.append)
    remote.call("echo", {"value": 1}, lambda result: replies.append(("echo", result)), errors.append)

    def released(result: int) -> None:
        replies.append(("release", result))
        loop.stop()

    remote.call("release", {}, released, errors.append)
    loop.run()
    assert replies == [("echo", 1), ("later", "released"), ("release", 1)]
    assert not errors


def test_a_blocking_handler_holds_up_nobody(server: int, root: Root, client: Client) -> None:
    answers: list[bool] = []

    def caller() -> None:
        with connect(INTERFACE, root, SECONDS) as other:
            answers.append(other.call("block"))

    thread = threading.Thread(target=caller)
    thread.start()
    assert wait_for(lambda: client.call("blocked"), lambda count: count == 1) == 1
    assert client.call("echo", {"value": 1}) == 1
    assert answers == []
    client.call("unblock")
    thread.join(SECONDS)
    assert answers == [True]


def test_a_call_that_takes_too_long_times_out_and_the_connection_stays_usable(client: Client) -> None:
    with pytest.raises(BusError) as error:
        client.call("later", timeout=0.05)
    assert error.value.code is ErrorCode.TIMEOUT
    assert client.call("echo", {"value": 2}) == 2


def test_a_call_on_a_loop_that_takes_too_long_fails_and_tells_the_time_it_had(root: Root, server: int) -> None:
    loop = Loop()
    remote = Remote(loop, INTERFACE, root)
    errors: list[BusError] = []

    def failed(error: BusError) -> None:
        errors.append(error)
        loop.stop()

    remote.call("later", {}, lambda result: None, failed, timeout=0.05)
    loop.run()
    assert errors[0].code is ErrorCode.TIMEOUT
    assert errors[0].message == f"{INTERFACE} did not answer within 0.05 seconds"


def test_a_stream_gives_the_result_then_all_items_in_order(client: Client) -> None:
    stream = client.subscribe("count", {"n": 1000})
    assert stream.result == "started"
    assert list(stream) == list(range(1000))


def test_streams_and_calls_share_a_connection(client: Client) -> None:
    first = client.subscribe("count", {"n": 3, "end": False})
    second = client.subscribe("count", {"n": 2})
    assert client.call("echo", {"value": "between"}) == "between"
    assert list(second) == [0, 1]
    assert [first.next(timeout=SECONDS) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BusError) as error:
        first.next(timeout=0.05)
    assert error.value.code is ErrorCode.TIMEOUT


def test_the_server_learns_that_a_stream_was_ended_or_its_client_is_gone(client: Client, root: Root) -> None:
    stream = client.subscribe("count", {"n": 1, "end": False, "name": "ended"})
    stream.close()
    other = connect(INTERFACE, root)
    other.subscribe("count", {"n": 1, "end": False, "name": "gone"})
    other.close()
    assert sorted(wait_for(lambda: client.call("closed"), lambda names: len(names) == 2)) == ["ended", "gone"]


def test_the_connection_works_in_both_directions(server: int, root: Root) -> None:
    loop = Loop()
    doubled = {"double": Method(lambda request, params: params["n"] * 2)}
    remote = Remote(loop, INTERFACE, root, doubled)
    results: list[Any] = []

    def keep(result: Any) -> None:
        results.append(result)
        loop.stop()

    remote.call("ask_back", {"method": "double", "params": {"n": 21}}, keep, keep)
    loop.run()
    assert results == [42]


def test_a_client_without_methods_answers_that_it_has_none(client: Client) -> None:
    with pytest.raises(BusError) as error:
        client.call("ask_back", {"method": "anything", "params": {}})
    assert error.value.code is ErrorCode.UNSUPPORTED


def test_bad_parameters_are_refused_before_they_are_sent(client: Client) -> None:
    with pytest.raises(BusError):
        client.call("echo", {"value": object()})
    assert client.call("echo", {"value": 1}) == 1


def test_no_runtime_means_noconn(root: Root) -> None:
    with pytest.raises(BusError) as error:
        connect(INTERFACE, root)
    assert error.value.code is ErrorCode.NOCONN


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to become another user")
def test_a_server_of_another_user_is_not_trusted(root: Root, server: int) -> None:
    for directory in (root.state, root.run, root.bus_dir):
        directory.chmod(0o755)
    root.bus_socket(INTERFACE).chmod(0o666)
    os.chown(root.bus_socket(INTERFACE), 12345, 12345)
    pid = os.fork()
    if pid == 0:
        os.setuid(12345)
        # The server is root's, so it is believed; it, in turn, does not serve strangers.
        try:
            with connect(INTERFACE, root) as client:
                client.call("echo", {"value": 1})
        except BusError as error:
            os._exit(10 if error.code is ErrorCode.NOCONN else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 10


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to become another user")
def test_a_server_that_a_stranger_put_there_is_refused(root: Root) -> None:
    for directory in (root.state, root.run):
        directory.chmod(0o755)
    root.bus_dir.chmod(0o777)
    path = root.bus_socket(INTERFACE)
    ready_r, ready_w = os.pipe()
    stranger = os.fork()
    if stranger == 0:
        os.setuid(12345)
        with bind(str(path), 0o666):
            os.write(ready_w, b"x")
            signal.pause()
    try:
        os.read(ready_r, 1)
        user = os.fork()
        if user == 0:
            os.setuid(23456)
            try:
                connect(INTERFACE, root)
            except BusError as error:
                os._exit(10 if "another user" in error.message else 1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(user, 0)[1]) == 10
    finally:
        os.kill(stranger, signal.SIGKILL)
        os.waitpid(stranger, 0)


def test_a_server_that_dies_fails_the_calls_and_streams_that_wait(root: Root, raw: Any, server: int) -> None:
    loop = Loop()
    remote = Remote(loop, INTERFACE, root)
    ends: list[Any] = []
    remote.subscribe("count", {"n": 0, "end": False}, lambda result: None, lambda item: None, ends.append)
    remote.call("later", {}, ends.append, ends.append)
    os.kill(server, signal.SIGSTOP)
    loop.call_later(0.05, lambda: remote._connected().close())
    loop.call_later(0.2, loop.stop)
    loop.run()
    os.kill(server, signal.SIGCONT)
    assert [end.code for end in ends] == [ErrorCode.NOCONN, ErrorCode.NOCONN]


def test_monitor_shows_every_request_with_its_outcome(client: Client, root: Root) -> None:
    with connect(INTERFACE, root) as engineer:
        seen = engineer.subscribe("bus.monitor")
        client.call("echo", {"value": 1})
        with pytest.raises(BusError):
            client.call("fail", {"code": "BUSY", "message": "later"})
        first, second = seen.next(SECONDS), seen.next(SECONDS)
    assert (first["method"], first["params"], first["error"]) == ("echo", {"value": 1}, None)
    assert (second["method"], second["error"], second["trail"]) == ("fail", "BUSY: later", client.trail)


def wait_for(read: Any, accept: Any, seconds: float = SECONDS) -> Any:
    import time

    deadline = time.monotonic() + seconds
    while not accept(value := read()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return value
