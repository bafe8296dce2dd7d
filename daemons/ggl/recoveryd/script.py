"""Running a hook or a response's script: with a time limit, and so that it outlives us.

A script may be what ends this daemon: it restarts the runtime, or the machine. So it has a session of its own and is
not ended with us; whoever takes up the recovery finds it by the recovery's id in its environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from ggl.recoveryd.hooks import ID_VARIABLE

KILL_SECONDS = 5.0
"""What a script gets between SIGTERM and SIGKILL when its time is over."""
_POLL_SECONDS = 0.2


def run(
    arguments: Sequence[str], environment: Mapping[str, str], timeout: float, closed: Callable[[], bool]
) -> tuple[bool, str]:
    """Run the program to its end, its output being ours. Returns whether it exited with 0, and how it ended in words.

    Raises ``InterruptedError`` when ``closed``, which is asked again and again, says that this daemon leaves.
    """
    try:
        process = subprocess.Popen(
            arguments, env=environment, cwd="/", stdin=subprocess.DEVNULL, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return False, f"it cannot be run: {why}"
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if closed():
            raise InterruptedError
        try:
            return _ended(process.wait(_POLL_SECONDS))
        except subprocess.TimeoutExpired:
            continue
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(KILL_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            continue
    return False, f"it took longer than {timeout:g} s and was ended"


def _ended(status: int) -> tuple[bool, str]:
    if status < 0:
        return False, f"it was killed by signal {-status}"
    return status == 0, f"it exited with {status}"


def running(recovery_id: str) -> list[int]:
    """The processes of scripts that were started for the recovery, by whichever instance of this daemon."""
    needle = f"\0{ID_VARIABLE}={recovery_id}\0".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb", buffering=0) as file:
                if needle in b"\0" + (file.read() or b"") + b"\0":
                    found.append(int(name))
        except OSError:
            continue  # it ended, or it is another user's
    return found


def end(recovery_id: str) -> None:
    """SIGKILL to all of them: their time is over."""
    for pid in running(recovery_id):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
