"""The examples that speak for themselves to the databus, against a runtime that has its own ideas."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

GREETER = Path(__file__).resolve().parents[2] / "docs/examples/native/greeter/greeter.py"


@pytest.mark.parametrize("code", ["BUSY", "RETRY"])
def test_the_greeter_tries_again_when_it_is_told_that_it_is_not_the_time(code: str, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(120)
        listener.bind(str(path))
        listener.listen()
        environment = {**os.environ, "SVCUID": "A" * 16, "GGL_REGISTRATION_SOCKET": str(path)}
        with subprocess.Popen([sys.executable, "-u", GREETER], env=environment, stdout=subprocess.PIPE) as greeter:
            try:
                for error in ([code, "later"], None):
                    connection, _ = listener.accept()
                    with connection:
                        assert msgpack.unpackb(connection.recv(4096))[2] == "register"
                        connection.sendall(msgpack.packb([1, 1, error, None]))
            finally:
                greeter.kill()
            output = greeter.stdout.read().decode() if greeter.stdout else ""
    assert "not now: later" in output
