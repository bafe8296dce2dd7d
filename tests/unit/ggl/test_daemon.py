"""What arrives at a daemon from the host that started it."""

from __future__ import annotations

import subprocess
import sys

TAKE = """\
import os, socket
from ggl.daemon import take_sockets
made = [socket.socket() for _ in range(4)]
for number, sock in enumerate(made):
    sock.bind(("127.0.0.1", 0))
# Out of the way first: a descriptor may be in a place where another one belongs.
copies = [os.dup2(sock.fileno(), 100 + number) for number, sock in enumerate(made)]
for number, copy in enumerate(copies):
    os.dup2(copy, 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "4", "LISTEN_FDNAMES": "bus:tcp:tcp:tcp"}
ports = [os.dup(copy) for copy in copies]
taken = take_sockets()
wanted = [socket.socket(fileno=port).getsockname() for port in ports]
assert list(taken) == ["bus", "tcp", "tcp.1", "tcp.2"], list(taken)
assert [sock.getsockname() for sock in taken.values()] == wanted
assert not any(os.get_inheritable(sock.fileno()) for sock in taken.values())
assert "LISTEN_FDS" not in os.environ
os._exit(0)
"""


def test_sockets_of_the_same_name_all_arrive() -> None:
    done = subprocess.run([sys.executable, "-c", TAKE], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
