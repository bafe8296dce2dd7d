"""The access control policies of connected components, read from the configuration and kept until they change.

For each component that makes a request which policies decide about, its ``accessControl`` is read once and watched. A
change has it read again before the next decision. While the configuration daemon is away, the policies known so far
hold: nobody else can change them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.trail import current
from ggl.ipc.errors import IpcError, service_error, unauthorized
from ggl.ipc.model import Operation
from ggl.ipcd.authorization import THING_NAME, Policies, parse_policies
from ggl.ipcd.relay import PAUSES
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus.calls import Subscription
    from ggl.ipcd.backends import Backend, Backends

Decided = Callable[["IpcError | None"], None]
"""Called with why the request is refused, or ``None``."""

_MAX_SHOWN = 256
"""Characters of a resource in a message about it."""

_log = get_logger("ipc")


class _Entry:
    """One component. ``policies`` is ``None`` until they are read, and again after a change."""

    __slots__ = ("attempts", "backend", "changes", "closed", "component", "policies", "reading", "waiting", "watch")

    def __init__(self, component: str) -> None:
        self.component = component
        self.policies: Policies | None = None
        self.waiting: list[tuple[Operation, list[str], Decided]] = []
        self.watch: Subscription | None = None
        self.backend: Backend | None = None
        self.reading = False
        self.changes = 0
        self.attempts = 0
        self.closed = False

    @property
    def key_path(self) -> list[str]:
        return ["services", self.component, "configuration", "accessControl"]


class PolicyCache:
    def __init__(self, loop: Loop, backends: Backends) -> None:
        self._loop = loop
        self._backends = backends
        self._entries: dict[str, _Entry] = {}

    def check(self, component: str, operation: Operation, resources: list[str], decided: Decided) -> None:
        """Decide whether ``component`` may call ``operation`` on all of ``resources``, at once if it is known."""
        entry = self._entries.get(component)
        if entry is None:
            entry = self._entries[component] = _Entry(component)
            self._watch(entry)
        if entry.policies is not None:
            decided(_refusal(component, entry.policies, operation, resources))
            return
        entry.waiting.append((operation, resources, decided))
        self._read(entry)

    def forget(self, component: str) -> None:
        """The component is gone: do not watch its policies any more."""
        entry = self._entries.pop(component, None)
        if entry is not None:
            entry.closed = True
            if entry.watch is not None:
                entry.watch.close()
            self._release(entry)

    # -- watching ----------------------------------------------------------------------------------------------------

    def _watch(self, entry: _Entry) -> None:
        if entry.closed:
            return

        def watched(_result: Any) -> None:
            entry.attempts = 0

        def changed(_path: Any) -> None:
            entry.changes += 1
            entry.policies = None

        def lost(error: BusError | None) -> None:
            self._release(entry)
            if entry.closed:
                return
            pause = PAUSES[min(entry.attempts, len(PAUSES) - 1)]
            entry.attempts += 1
            self._loop.call_later(pause, lambda: self._watch_again(entry))

        entry.backend = self._backends["gg_config"]
        entry.backend.subscriptions += 1
        entry.watch = entry.backend.remote.subscribe(
            "subscribe", {"key_path": entry.key_path, "missing_ok": True}, watched, changed, lost
        )

    def _watch_again(self, entry: _Entry) -> None:
        self._watch(entry)
        if entry.watch is not None:
            # The request to watch is under way, the one to read follows on the same connection: no change is missed.
            # A read from before the interruption does not count.
            entry.changes += 1
            self._read(entry)

    def _release(self, entry: _Entry) -> None:
        entry.watch = None
        if entry.backend is not None:
            entry.backend.subscriptions -= 1
            entry.backend = None

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, entry: _Entry) -> None:
        if entry.reading:
            return
        entry.reading = True
        changes = entry.changes

        def take(access_control: Any, thing_name: str = "") -> None:
            entry.reading = False
            if entry.changes != changes:
                self._read(entry)
                return
            entry.policies = parse_policies(
                access_control, lambda text: _log.warning("%s: %s", entry.component, text), thing_name
            )
            waiting, entry.waiting = entry.waiting, []
            for operation, resources, decided in waiting:
                decided(_refusal(entry.component, entry.policies, operation, resources))

        def got(access_control: Any) -> None:
            if THING_NAME in str(access_control):
                self._call(
                    ["system", "thingName"],
                    lambda name: take(access_control, name if isinstance(name, str) else ""),
                    lambda error: take(access_control) if error.code == ErrorCode.NOENTRY else failed(error),
                )
            else:
                take(access_control)

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                take(None)
                return
            entry.reading = False
            if error.code != ErrorCode.NOCONN:
                entry.policies = None
            _log.warning("cannot read the policies of %s: %s", entry.component, error)
            waiting, entry.waiting = entry.waiting, []
            for operation, _resources, decided in waiting:
                decided(service_error(f"{operation.name}: the access control policies cannot be read: {error.message}"))

        self._call(entry.key_path, got, failed)

    def _call(self, key_path: list[str], on_reply: Callable[[Any], None], on_error: Callable[[BusError], None]) -> None:
        self._backends["gg_config"].call("read", {"key_path": key_path}, on_reply, on_error, current.trail)


def _refusal(component: str, policies: Policies, operation: Operation, resources: list[str]) -> IpcError | None:
    for resource in resources:
        if not policies.allow(operation, resource):
            return unauthorized(
                f"Principal {component} is not authorized to perform {operation.service}:{operation.name}"
                f" on resource {resource[:_MAX_SHOWN]}"
            )
    return None
