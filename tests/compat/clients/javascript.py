"""The official device SDK for JavaScript, in a process of its own that runs ``driver.js``."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from typing import Any

from tests.compat.clients import END, PROBES, TIMEOUT, Broken, Error, Failed, Subscription

HERE = Path(__file__).resolve().parent.parent
DIRECTORY = HERE.parent.parent / ".venv" / "node"
"""Where the SDK is installed: beside the Python environment, out of the repository."""
_INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_INSTALL_SECONDS = 600.0
_EMPTY = "Eventstream (response) message was not an application message"
"""What the SDK says, beside reporting the end, of the empty message by which a server ends a stream."""


class Missing(Exception):
    """There is no Node.js here, or the SDK cannot be installed."""


def install() -> None:
    """Put the version of the lock file into ``DIRECTORY``, unless it is there. Raises ``Missing``."""
    for program in "node", "npm":
        if shutil.which(program) is None:
            raise Missing(f"there is no program '{program}'")
    lock = (HERE / "package-lock.json").read_bytes()
    mark = DIRECTORY / "installed"
    if mark.exists() and mark.read_bytes() == lock:
        return
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in "package.json", "package-lock.json":
        shutil.copyfile(HERE / name, DIRECTORY / name)
    for last in (False, False, True):  # it comes over a network
        why = _npm()
        if not why:
            break
        if last:
            raise Missing(f"npm cannot install the SDK: {why}")
    mark.write_bytes(lock)


def _npm() -> str:
    """Let npm install; why it did not, if so."""
    try:
        result = subprocess.run(
            _INSTALL, cwd=DIRECTORY, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        return f"it took longer than {error.timeout:g} s"
    return "" if result.returncode == 0 else result.stderr.strip()[-500:] or f"it exited with {result.returncode}"


class JavaScript:
    exact_numbers = False
    shows_stream_errors = True
    probe = f"NODE_PATH={DIRECTORY / 'node_modules'} node {PROBES / 'javascript.js'}"

    def __init__(self) -> None:
        install()
        self._node = subprocess.Popen(
            ["node", str(HERE / "driver.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_PATH": str(DIRECTORY / "node_modules")},
        )
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self.streams: dict[str, Subscription] = {}
        self._sending = threading.Lock()
        self._reader = threading.Thread(target=self._read, name="driver.js")
        self._reader.start()

    def connect(self, socket_path: str, token: str) -> JavaScriptConnection:
        name = str(next(self._numbers))
        self.command("connect", connection=name, socket=socket_path, token=token)
        return JavaScriptConnection(self, name)

    def offers(self, operation: str) -> bool:
        return operation != "SubscribeToIoTCoreConnectionStatus" and not operation.startswith("GetSystem")

    def close(self) -> None:
        assert self._node.stdin is not None
        self._node.stdin.close()
        self._node.wait(TIMEOUT)
        self._reader.join(TIMEOUT)

    def new_stream(self) -> tuple[str, Subscription]:
        name = str(next(self._numbers))
        subscription = self.streams[name] = Subscription(handle=name)
        return name, subscription

    def command(self, do: str, **members: Any) -> Any:
        """Raises ``Failed`` and ``Broken``."""
        future: Future[Any] = Future()
        number = next(self._numbers)
        self._waiting[number] = future
        assert self._node.stdin is not None
        with self._sending:
            self._node.stdin.write(json.dumps({"id": number, "do": do, **members}) + "\n")
            self._node.stdin.flush()
        try:
            answer = future.result(TIMEOUT)
        except FutureTimeout:
            raise Broken(f"{do}: no answer") from None
        if "error" in answer:
            raise _error(answer["error"])
        return answer["result"]

    def _read(self) -> None:
        assert self._node.stdout is not None
        for line in self._node.stdout:
            said = json.loads(line)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
                continue
            came = self.streams[said["stream"]].came
            if "event" in said:
                came.put(said["event"])
            elif "error" in said:
                if said["error"].get("text") != _EMPTY:
                    came.put(_error(said["error"]))
            else:
                came.put(END)
        for future in self._waiting.values():
            future.set_exception(Broken("node has ended"))


def _error(error: dict[str, Any]) -> Exception:
    if "shape" not in error:
        return Broken(f"{error['client']}: {error['text']}")
    if not error["declared"]:  # the SDK tells nothing but the name of an error that the model does not have here
        return Failed(Error(error["shape"]))
    return Failed(Error(error["shape"], error["members"].get("message"), error["members"]))


class JavaScriptConnection:
    def __init__(self, node: JavaScript, name: str) -> None:
        self._node = node
        self._name = name

    def call(self, operation: str, request: dict[str, Any], unchecked: bool = False) -> dict[str, Any]:
        response: dict[str, Any] = self._node.command(
            "call", connection=self._name, operation=operation, request=request, unchecked=unchecked
        )
        return response

    def subscribe(
        self, operation: str, request: dict[str, Any], unchecked: bool = False
    ) -> tuple[dict[str, Any], Subscription]:
        name, subscription = self._node.new_stream()
        response = self._node.command(
            "subscribe",
            connection=self._name,
            stream=name,
            operation=operation,
            request=request,
            unchecked=unchecked,
        )
        return response, subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._node.command("unsubscribe", stream=subscription.handle)

    def close(self) -> None:
        self._node.command("close", connection=self._name)
