"""Shadows of things, classic and named, as the device sees them by MQTT."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cloud.documents import Components, document
from tests.cloud.mqtt import PATIENCE, Message, Mqtt

DEPLOYMENT = "AWSManagedGreengrassV2Deployment"
MAX_SIZE = 8192
"""Bytes of a document's state."""
_REQUEST = re.compile(r"(\$aws/things/([^/]+)/shadow(?:/name/([^/]+))?)/(get|update|delete)")


class Refused(Exception):
    """A request is refused with an HTTP-like code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Shadow:
    """``state`` holds ``desired`` and ``reported``."""

    state: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    def delta(self) -> dict[str, Any]:
        return _difference(self.state.get("desired", {}), self.state.get("reported", {}))

    def document(self, now: int) -> dict[str, Any]:
        delta = self.delta()
        state = {**self.state, **({"delta": delta} if delta else {})}
        return {"state": state, "metadata": _metadata(self.state, now), "version": self.version, "timestamp": now}


class Shadows:
    """All shadows; without a name, the methods are about the one by which Greengrass deploys to a single thing."""

    def __init__(self, mqtt: Mqtt) -> None:
        self._mqtt = mqtt
        self._shadows: dict[tuple[str, str], Shadow] = {}
        self._changed = threading.Condition(threading.RLock())
        self._refuse: list[int] = []
        self._ignore = 0
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        """Every request that came: ``get``, ``update`` or ``delete``, shadow, content."""
        mqtt.on("$aws/things/+/shadow/#", self._take)

    # -- the operator ------------------------------------------------------------------------------------------------

    def set_desired(self, desired: Mapping[str, Any], thing: str = "Thing1", name: str = DEPLOYMENT) -> int:
        """Merge into the desired state, and tell the device; returns the version."""
        with self._changed:
            self._merge(thing, name, {"state": {"desired": dict(desired)}})
            return self.version(thing, name)

    def deploy(self, components: Components, thing: str = "Thing1", **more: Any) -> str:
        """Deploy to a single thing; returns the configuration ARN. ``more``: keys of the deployment document."""
        content = document(components, f"thing/{thing}", **more)
        self.send(content, thing)
        arn: str = content["configurationArn"]
        return arn

    def send(self, content: Mapping[str, Any], thing: str = "Thing1") -> None:
        """The same with a document that is there."""
        desired = {
            "fleetConfig": json.dumps(content),
            "fleetConfigurationArnForStatus": content["configurationArn"],
            "desiredStatus": "SUCCEEDED",
        }
        self.set_desired(desired, thing)

    def cancel(self, thing: str = "Thing1") -> None:
        """Cancel the deployment that the shadow holds."""
        self.set_desired({"desiredStatus": "CANCELED"}, thing)

    def reported(self, thing: str = "Thing1", name: str = DEPLOYMENT) -> dict[str, Any]:
        with self._changed:
            found: dict[str, Any] = self._shadow(thing, name).state.get("reported", {})
            return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    def version(self, thing: str = "Thing1", name: str = DEPLOYMENT) -> int:
        with self._changed:
            return self._shadow(thing, name).version

    def wait(
        self,
        accept: Callable[[dict[str, Any]], Any] = bool,
        thing: str = "Thing1",
        name: str = DEPLOYMENT,
        seconds: float = PATIENCE,
    ) -> dict[str, Any]:
        """What the device has reported, once it is accepted. Raises ``AssertionError``."""
        with self._changed:
            self._changed.wait_for(lambda: accept(self.reported(thing, name)), seconds)
            found = self.reported(thing, name)
        assert accept(found), f"still {found} after {seconds:g} s"
        return found

    def updates(self, name: str = DEPLOYMENT) -> list[dict[str, Any]]:
        """Every update that the device has sent, whatever became of it."""
        with self._changed:
            return [content for kind, shadow, content in self.requests if kind == "update" and shadow == name]

    # -- faults ------------------------------------------------------------------------------------------------------

    def reject_next(self, code: int = 409, count: int = 1) -> None:
        """Refuse the next requests."""
        with self._changed:
            self._refuse += [code] * count

    def ignore_next(self, count: int = 1) -> None:
        """The next requests get lost."""
        with self._changed:
            self._ignore += count

    # -- the device --------------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        asked = _REQUEST.fullmatch(message.topic)
        if asked is None:
            return
        base, thing, name, operation = asked.groups()
        name = name or ""
        with self._changed:
            content = _decode(message.payload)
            self.requests.append((operation, name, content or {}))
            if self._ignore:
                self._ignore -= 1
                return
            token = {"clientToken": content["clientToken"]} if content and "clientToken" in content else {}
            try:
                if self._refuse:
                    raise Refused(self._refuse.pop(0), "told to")
                if content is None:
                    raise Refused(400, "Payload contains invalid json")
                answer = self._answer(operation, thing, name, content)
                if answer is not None:
                    self._mqtt.send(f"{base}/{operation}/accepted", {**answer, **token})
            except Refused as error:
                refusal = {"code": error.code, "message": str(error), "timestamp": int(time.time()), **token}
                self._mqtt.send(f"{base}/{operation}/rejected", refusal)

    def _answer(self, operation: str, thing: str, name: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """What is accepted; ``None`` when that has been said already."""
        if operation == "update":
            self._merge(thing, name, content)
            return None
        shadow = self._shadow(thing, name)
        if shadow.version == 0:
            raise Refused(404, f"No shadow exists with name: '{name or thing}'")
        if operation == "delete":
            del self._shadows[thing, name]
            return {"version": shadow.version, "timestamp": int(time.time())}
        return shadow.document(int(time.time()))

    # -- what both do ------------------------------------------------------------------------------------------------

    def _merge(self, thing: str, name: str, content: dict[str, Any]) -> None:
        """Apply an update, and say so on every topic there is for that."""
        state = content.get("state")
        if not isinstance(state, dict):
            raise Refused(400, "Missing required node: state")
        shadow = self._shadow(thing, name)
        if content.get("version", shadow.version) != shadow.version:
            raise Refused(409, "Version conflict")
        merged = _merged(shadow.state, state)
        if len(json.dumps(merged)) > MAX_SIZE:
            raise Refused(413, "The payload exceeds the maximum size allowed")
        now = int(time.time())
        previous = shadow.document(now)
        shadow.state = merged
        shadow.version += 1
        token = {"clientToken": content["clientToken"]} if "clientToken" in content else {}
        about = {"metadata": _metadata(state, now), "version": shadow.version, "timestamp": now, **token}
        base = f"$aws/things/{thing}/shadow" + (f"/name/{name}" if name else "")
        self._mqtt.send(f"{base}/update/accepted", {"state": state, **about})
        delta = shadow.delta()
        if delta and "desired" in state:
            self._mqtt.send(f"{base}/update/delta", {**about, "state": delta})
        both = {"previous": previous, "current": shadow.document(now), "timestamp": now, **token}
        self._mqtt.send(f"{base}/update/documents", both)
        self._changed.notify_all()

    def _shadow(self, thing: str, name: str) -> Shadow:
        return self._shadows.setdefault((thing, name), Shadow())


def _decode(payload: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(payload or b"{}")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _merged(old: Any, new: Any) -> Any:
    """``new`` over ``old``; null removes."""
    if not isinstance(new, dict) or not isinstance(old, dict):
        return {k: _merged({}, v) for k, v in new.items() if v is not None} if isinstance(new, dict) else new
    merged = {key: value for key, value in old.items() if key not in new}
    return merged | {key: _merged(old.get(key), value) for key, value in new.items() if value is not None}


def _difference(desired: dict[str, Any], reported: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for key, value in desired.items():
        other = reported.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            inner = _difference(value, other)
            if inner:
                found[key] = inner
        elif value != other:
            found[key] = value
    return found


def _metadata(state: Any, now: int) -> Any:
    if isinstance(state, dict):
        return {key: _metadata(value, now) for key, value in state.items()}
    return {"timestamp": now}
