"""By hand: everything that tests ask of the stand-in, from a shell.

``python -m tests.cloud`` listens on a socket in its folder; ``python -m tests.cloud.call`` speaks to it.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import socketserver
import threading
from pathlib import Path
from typing import Any

from tests.cloud.aws import Cloud

SOCKET = "control"


def serve(aws: Cloud, folder: Path) -> None:
    """Take calls from now on, for as long as this process lives."""
    path = folder / SOCKET
    path.unlink(missing_ok=True)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(json.dumps(_answer(aws, json.loads(self.rfile.readline()))).encode())

    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="stand-in-control", daemon=True).start()


def call(folder: Path, name: str, *positional: Any, **named: Any) -> Any:
    """``name``: a method or attribute, ``jobs.cancel`` for example. Raises ``RuntimeError`` with what went wrong."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / SOCKET))
        request = {"name": name, "positional": positional, "named": named}
        connection.sendall(json.dumps(request, default=_encoded).encode() + b"\n")
        answer = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


def _answer(aws: Cloud, request: dict[str, Any]) -> dict[str, Any]:
    try:
        found: Any = aws
        for part in request["name"].split("."):
            if part.startswith("_"):
                raise AttributeError(part)
            found = getattr(found, part)
        if callable(found):
            named = {key: _decoded(value) for key, value in request["named"].items()}
            found = found(*map(_decoded, request["positional"]), **named)
        return {"result": json.loads(json.dumps(found, default=_shown))}
    except Exception as error:  # whatever it is, it belongs to the one who asked
        return {"error": f"{type(error).__name__}: {error}"}


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    raise TypeError


def _decoded(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"bytes"}:
        return value["bytes"].encode("latin-1")
    return value


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, set):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)
