"""What an administrator's sandbox keeps a step from doing is done outside of it, by a process that systemd starts.

What confines a component's unit (a drop-in with ``ProtectSystem=strict``, fewer capabilities, hidden directories) is
meant for the component, but it is around the steps too, which run in the unit. What they cannot reach there, the
definition, the record, the component's directory or the databus, they ask for here, and go on with the answer.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.host.systemd.records import Run
from ggl.host.systemd.step_start import Attempt, attempt
from ggl.host.systemd.syntax import escaped
from ggl.runner.environment import INHERITED
from ggl.runner.preparation import NotStarted, Script
from ggl.runner.user import Account

if TYPE_CHECKING:
    from ggl.host.systemd.surroundings import Surroundings

_BLOCK = 1 << 16


def attempt_outside(here: Surroundings, kind: str) -> Attempt:
    """``step_start.attempt``, by another process. Raises ``NotStarted``."""
    data, record = _ask(here, b"", "prepare", here.invocation, kind)
    try:
        told = json.loads(data)
    except ValueError:
        raise NotStarted("its sandbox keeps it from what it needs, and from asking for that") from None
    return Attempt(
        run=Run.from_dict(told["run"]),
        message=told["message"],
        script=_script(told["script"]) if told["script"] else None,
        error=NotStarted(*told["error"]) if told["error"] else None,
        record=record,
        limit=told["limit"],
        again=told["again"],
    )


def keep_outside(here: Surroundings, run: Run) -> str:
    """Write the record ``run``; why not, or an empty text."""
    data, _ = _ask(here, json.dumps(asdict(run)).encode(), "keep", here.invocation)
    return data.decode("utf-8", "replace") or "its sandbox keeps it from its record" if data != b"kept" else ""


def serve(here: Surroundings, action: str, invocation: str, *rest: str) -> int:
    """Do ``action`` for the step of the run ``invocation``, which is at the other end of the standard input."""
    here.invocation, here.outside = invocation, True
    with socket.socket(fileno=os.dup(0)) as peer:
        if action == "keep":
            problem = here.write(Run.from_dict(json.loads(_received(peer)[0])), "")
            peer.sendall(problem.encode("utf-8", "replace") if problem else b"kept")
            return 0
        made = attempt(here, *rest)
        told = json.dumps(_told(made)).encode()
        sent = socket.send_fds(peer, [told], [made.record]) if made.record >= 0 else 0
        peer.sendall(told[sent:])
    return 0


def _ask(here: Surroundings, data: bytes, action: str, *arguments: str) -> tuple[bytes, int]:
    """What the step ``action`` answers to ``data``, and the descriptor that came with it, or -1."""
    ours, theirs = socket.socketpair()
    variables = {name: os.environ[name] for name in INHERITED if os.environ.get(name)}
    if not here.root.system:
        variables |= here.root.environment()
    command = [
        *("systemd-run", "--quiet", "--collect", "--pipe", "--wait"),
        *(f"--setenv={name}={value}" for name, value in variables.items()),
        *("--", *sys.orig_argv[: -len(sys.argv) + 1], action, escaped(here.name), *arguments),
    ]
    with ours:
        try:
            process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno())
        except OSError:
            return b"", -1
        finally:
            theirs.close()
        with process, suppress(OSError):
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
            return _received(ours)
    return b"", -1


def _received(peer: socket.socket) -> tuple[bytes, int]:
    """All that the other end says, and the descriptor that it hands over, or -1."""
    data, record = b"", -1
    while True:
        block, descriptors, _, _ = socket.recv_fds(peer, _BLOCK, 1)
        record = descriptors[0] if descriptors else record
        if not block:
            return data, record
        data += block


def _told(made: Attempt) -> dict[str, Any]:
    script, error = made.script, made.error
    return {
        "run": asdict(made.run),
        "message": made.message,
        "script": {**asdict(script), "directory": str(script.directory)} if script else None,
        "error": [str(error), error.lacking] if error else None,
        "limit": made.limit,
        "again": made.again,
    }


def _script(told: dict[str, Any]) -> Script:
    return Script(**{**told, "account": Account(**told["account"]), "directory": Path(told["directory"])})
