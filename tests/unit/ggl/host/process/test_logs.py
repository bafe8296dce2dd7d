"""The supervisor's side of the log pipes."""

from __future__ import annotations

import json
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from ggl.bus.loop import Loop
from ggl.host.process.logs import Logs

UNITS = 400


@pytest.fixture
def logs() -> Iterator[tuple[Loop, Logs]]:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 8 * UNITS:
        pytest.skip("needs more descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    loop = Loop()
    logs = Logs(loop)
    yield loop, logs
    for number in range(UNITS):
        logs.forget(str(number))
    loop.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_new_log_writer_gets_every_pipe_however_many_there_are_and_however_late_it_reads(
    logs: tuple[Loop, Logs],
) -> None:
    loop, sender = logs
    for number in range(UNITS):
        sender.outputs(str(number))
    reader = sender.connect()
    heard = []

    def take(_events: int) -> None:
        data, fds, _flags, _address = socket.recv_fds(reader, 4096, 2)
        heard.append((json.loads(data)["name"], len(fds)))
        for fd in fds:
            os.close(fd)
        if len(heard) == UNITS:
            loop.stop()

    loop.watch(reader.fileno(), take)
    loop.call_later(30.0, loop.stop)
    loop.run()
    assert heard == [(str(number), 2) for number in range(UNITS)]
    reader.close()
