"""The access control policies of connected components, read from the configuration and kept until they change.

For each component that makes a request which policies decide about, its ``accessControl`` is read once, and the thing
name if a policy speaks of it. Before each decision the stamp that changes with any of these (``ggl.stamp``) is compared
with that of the reading; so a change holds for the next request, and the configuration daemon can leave. The policies
of a component that has made no such request for a while are forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from ggl.bus import BusError, ErrorCode, Loop
from ggl.bus.trail import current
from ggl.ipc.errors import IpcError, service_error, unauthorized
from ggl.ipc.model import Operation
from ggl.ipcd.authorization import THING_NAME, Policies, Problem, parse_policies
from ggl.ipcd.refusals import Refusals
from ggl.log import get_logger

if TYPE_CHECKING:
    from ggl.bus import Request
    from ggl.ipcd.backends import Backends
    from ggl.stamp import Stamp

QUIET_SECONDS = 300.0
"""After one to two of these without a request that policies decide about, a component's are forgotten."""

Decided = Callable[["IpcError | None"], None]
"""Called with why the request is refused, or ``None``."""

_MAX_SHOWN = 256
"""Characters of a resource in a message about it."""

_log = get_logger("ipc")


class _Entry:
    """One component. ``policies`` is ``None`` until they are read; they hold while the stamp is ``read_at``."""

    __slots__ = ("component", "policies", "read_at", "reading", "used", "waiting")

    def __init__(self, component: str) -> None:
        self.component = component
        self.policies: Policies | None = None
        self.read_at = b""
        self.waiting: list[tuple[Operation, list[str], Decided]] = []
        self.reading = False
        self.used = True


class PolicyCache:
    def __init__(self, loop: Loop, backends: Backends, refusals: Refusals, stamp: Stamp) -> None:
        self._loop = loop
        self._backends = backends
        self._stamp = stamp
        self._entries: dict[str, _Entry] = {}
        self._refusals = refusals
        self._sweeping = False

    def check(self, component: str, operation: Operation, resources: list[str], decided: Decided) -> None:
        """Decide whether ``component`` may call ``operation`` on all of ``resources``, at once if it is known."""
        entry = self._entries.get(component)
        if entry is None:
            entry = self._entries[component] = _Entry(component)
            self._sweep_later()
        entry.used = True
        if entry.policies is not None and entry.read_at == self._stamp.value():
            decided(self._refusal(component, entry.policies, operation, resources))
            return
        entry.waiting.append((operation, resources, decided))
        self._read(entry)

    def forget(self, component: str) -> None:
        """The component is gone, or quiet."""
        self._entries.pop(component, None)

    def refused(self, component: str, operation: Operation, resource: str = "*") -> None:
        """Remember a refusal that no policies decided about."""
        self._refusals.add(component, operation.name, resource)

    def explain(self, request: Request, params: dict[str, Any], served: Collection[str]) -> Any:
        """The bus method ``policy``: people ask now and then, so its code is loaded when they do. ``served``: the
        operations that somebody serves now."""
        from ggl.ipcd.explain import serve

        return serve(request, params, self._backends, self._refusals, served)

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(QUIET_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        for entry in list(self._entries.values()):
            if not (entry.used or entry.waiting):
                self.forget(entry.component)
            entry.used = False
        if self._entries:
            self._sweep_later()

    def _read(self, entry: _Entry) -> None:
        if entry.reading:
            return
        entry.reading = True
        read_at = self._stamp.value()

        def got(access_control: Any, thing_name: str) -> None:
            entry.reading = False
            if self._stamp.value() != read_at:
                self._read(entry)
                return

            def complain(problem: Problem) -> None:
                _log.warning("%s: %s", entry.component, problem)

            entry.policies, entry.read_at = parse_policies(access_control, complain, thing_name), read_at
            waiting, entry.waiting = entry.waiting, []
            for operation, resources, decided in waiting:
                decided(self._refusal(entry.component, entry.policies, operation, resources))

        def failed(error: BusError) -> None:
            entry.reading = False
            _log.warning("cannot read the policies of %s: %s", entry.component, error)
            waiting, entry.waiting = entry.waiting, []
            for operation, _resources, decided in waiting:
                decided(service_error(f"{operation.name}: the access control policies cannot be read: {error.message}"))

        read_access_control(self._backends, entry.component, got, failed)

    def _refusal(
        self, component: str, policies: Policies, operation: Operation, resources: list[str]
    ) -> IpcError | None:
        for resource in resources:
            if not policies.allow(operation, resource):
                self._refusals.add(component, operation.name, resource)
                return unauthorized(
                    f"Principal {component} is not authorized to perform {operation.service}:{operation.name}"
                    f" on resource {resource[:_MAX_SHOWN]}"
                )
        return None


THING_NAME_PATH = ["system", "thingName"]


def access_control_path(component: str) -> list[str]:
    return ["services", component, "configuration", "accessControl"]


def read_access_control(
    backends: Backends,
    component: str,
    done: Callable[[Any, str], None],
    failed: Callable[[BusError], None],
) -> None:
    """Read the policies of ``component`` (``None``: it has none), and the thing name if they speak of it."""
    config = backends["gg_config"]
    trail = current.trail

    def got(access_control: Any) -> None:
        if THING_NAME not in str(access_control):
            done(access_control, "")
            return

        def no_name(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                done(access_control, "")
            else:
                failed(error)

        config.call(
            "read",
            {"key_path": THING_NAME_PATH},
            lambda name: done(access_control, name if isinstance(name, str) else ""),
            no_name,
            trail,
        )

    def none(error: BusError) -> None:
        if error.code == ErrorCode.NOENTRY:
            done(None, "")
        else:
            failed(error)

    config.call("read", {"key_path": access_control_path(component)}, got, none, trail)
