"""Real daemons on a private root, without the supervisor: what the IPC tests run against.

The listening sockets belong to this process and are passed on by the LISTEN_FDS protocol, as a host does it. So a
daemon can be killed and started again under the eyes of its clients. Nobody would start one that has left because it
was idle: a connection to each keeps it from leaving.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from ggl.bus import Client, connect
from ggl.catalog import find
from ggl.daemon import bind, socket_mode, socket_paths
from ggl.paths import Root, find_root
from tests.integration.conftest import PATIENCE


class Runtime:
    """``start`` and ``kill`` single daemons; use as a context manager."""

    def __init__(self, directory: Path, daemons: tuple[str, ...] = ("configd", "pubsubd", "ipcd")) -> None:
        self.root: Root = find_root(str(directory))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sockets: dict[str, dict[str, socket.socket]] = {}
        self._kept: dict[str, Client] = {}
        for name in daemons:
            self._sockets[name] = {
                key: bind(path, socket_mode(find(name), key))
                for key, path in socket_paths(find(name), self.root).items()
            }
            self.start(name)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._kept.values():
            client.close()
        for process in self.processes.values():
            process.kill()
            process.wait()
        for sockets in self._sockets.values():
            for sock in sockets.values():
                sock.close()

    def start(self, name: str) -> None:
        sockets = self._sockets[name]
        # Copies far away from 3, so that none is overwritten while they are put in their places.
        fds = [fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, 200) for sock in sockets.values()]

        def place() -> None:
            for index, fd in enumerate(fds):
                os.dup2(fd, 3 + index)

        self.processes[name] = subprocess.Popen(
            ["/bin/sh", "-c", f'LISTEN_PID=$$ exec "{sys.executable}" -m ggl.{name}'],
            env={
                **os.environ,
                **self.root.environment(),
                "LISTEN_FDS": str(len(fds)),
                "LISTEN_FDNAMES": ":".join(sockets),
            },
            pass_fds=tuple(range(3, 3 + len(fds))),
            preexec_fn=place,
        )
        for fd in fds:
            os.close(fd)
        if name in self._kept:
            self._kept[name].close()
        self._kept[name] = self.bus(find(name).interfaces[0])

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def bus(self, interface: str) -> Client:
        return connect(interface, self.root, PATIENCE)

    def call(self, interface: str, method: str, **params: Any) -> Any:
        with self.bus(interface) as client:
            return client.call(method, params)

    def token(self, component: str) -> str:
        token = self.call("gg_ipc", "token", component=component)
        assert isinstance(token, str)
        return token

    def configure(self, component: str, configuration: dict[str, Any]) -> None:
        self.call("gg_config", "write", key_path=["services", component], value={"configuration": configuration})

    def install(self, component: str, configuration: dict[str, Any] | None = None) -> str:
        """Put a component into the configuration; returns its token."""
        self.configure(component, configuration or {"installed": True})
        return self.token(component)

    def allow(self, component: str, publish: list[str], subscribe: list[str]) -> str:
        """Install ``component`` with policies for local topics; returns its token."""
        return self.install(
            component,
            {
                "accessControl": {
                    "aws.greengrass.ipc.pubsub": {
                        f"{component}:publish": {
                            "operations": ["aws.greengrass#PublishToTopic"],
                            "resources": publish,
                        },
                        f"{component}:subscribe": {
                            "operations": ["aws.greengrass#SubscribeToTopic"],
                            "resources": subscribe,
                        },
                    }
                }
            },
        )
