"""The world in which a case happens: a runtime, the component that asks, its connection, and what was prepared."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from ggl.host.unit import Command, Start, Unit, main_unit
from tests.compat.case import Caller, Case, Having, Match, Refusal
from tests.compat.clients import Client, Connection, Subscription
from tests.integration.conftest import Runtime, wait_until

_numbers = itertools.count(1)


class Now(float):
    """In a request: the present time, in seconds, this much later."""


class Scene:
    """``names`` are what stands for names in braces: ``{me}`` is the component that asks; actions add others."""

    def __init__(self, runtime: Runtime, client: Client, case: Case) -> None:
        self.runtime = runtime
        self.client = client
        self.case = case
        self.names = {"operation": case.operation}
        self.values: dict[str, Any] = {}
        """What actions keep for one another."""
        self.stack = ExitStack()
        """What is to be undone afterwards."""
        self.response: dict[str, Any] = {}
        """Of the case itself."""
        self.subscription: Subscription | None = None
        """The case's own."""
        self.subscriptions: list[Subscription] = []
        """All of them: the case's own first, then those that actions opened."""
        self.names["me"] = self.component(case.caller)
        self.connection = self.connect("{me}")

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    # -- names -------------------------------------------------------------------------------------------------------

    def fill(self, value: Any) -> Any:
        """``value`` with names and times in their places."""
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace("{" + name + "}", text)
            return value
        if isinstance(value, Now):
            return time.time() + value
        if isinstance(value, Mapping):
            return {self.fill(key): self.fill(member) for key, member in value.items()}
        if isinstance(value, list):
            return [self.fill(element) for element in value]
        if isinstance(value, Having):
            return Having(self.fill(value.members), tuple(map(self.fill, value.elements)))
        if isinstance(value, Match):
            return Match(self.fill(value.pattern))
        if isinstance(value, Refusal):
            return Refusal(value.shape, self.fill(value.message), self.fill(value.members))
        return value

    # -- components --------------------------------------------------------------------------------------------------

    def component(self, caller: Caller) -> str:
        """Put a component into the configuration; its name."""
        name = caller.name or f"{caller.prefix}.C{next(_numbers)}"
        if caller.configuration is not None:
            policies = {} if caller.policies is None else {"accessControl": caller.policies}
            self.configure(name, {"x": 1, **caller.configuration, **policies})
        return name

    def configure(self, name: str, configuration: Mapping[str, Any]) -> None:
        self.bus("gg_config", "write", key_path=["services", name], value={"configuration": self.fill(configuration)})

    def load(self, name: str, script: str, kind: str = "run") -> None:
        """Let the component run; it is gone after the case."""
        unit = Unit(
            main_unit(name),
            component=name,
            version="1.0.0",
            phase="main",
            start=(Start(kind, Command(script)),),
            restart_delay=0.1,
            revision="r1",
        )
        self.bus("gg_host", "load", units=[unit.to_dict()], start=[unit.name])
        self.stack.callback(self.bus, "gg_host", "unload", names=[unit.name])

    def state(self, name: str) -> str:
        state: str = self.bus("gg_health", "status", component=self.fill(name))["state"]
        return state

    def wait_for(self, name: str, state: str) -> None:
        wait_until(lambda: self.state(name), lambda now: now == state)

    # -- connections -------------------------------------------------------------------------------------------------

    def connect(self, component: str) -> Connection:
        connection = self.client.connect(str(self.runtime.root.ipc_socket), self.token(component))
        self.stack.callback(connection.close)
        return connection

    def token(self, component: str) -> str:
        token: str = self.bus("gg_ipc", "token", component=self.fill(component))
        return token

    def open_streams(self) -> list[str]:
        """The streams that the runtime has open for the component that asks."""
        connections = self.bus("gg_ipc", "connections")
        return [name for each in connections if each["component"] == self.names["me"] for name in each["streams"]]

    def bus(self, interface: str, method: str, **params: Any) -> Any:
        return self.runtime.call(interface, method, params)
