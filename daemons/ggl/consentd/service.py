"""The bus interface ``gg_consent`` and the four IPC operations on it. The package's text describes the methods.

Sending never waits: what a component does not read is the IPC bridge's to keep, and to limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.bus.remote import Remote
from ggl.bus.request import Method, Request, Stream
from ggl.consentd.answers import Deferral, Verdict, deferral_of, update_result, validation_result, verdict_of
from ggl.consentd.question import Question
from ggl.consentd.returning import Returning
from ggl.consentd.subscribers import Subscribers
from ggl.ipc import handler
from ggl.ipc.errors import invalid_arguments, not_found, service_error
from ggl.ipc.model import PREFIX
from ggl.log import get_logger
from ggl.values import InvalidValue, get_bool, get_dict, get_float, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

INTERFACE = "gg_consent"
SUBSCRIBE_TO_UPDATES = PREFIX + "SubscribeToComponentUpdates"
SUBSCRIBE_TO_VALIDATION = PREFIX + "SubscribeToValidateConfigurationUpdates"

_log = get_logger("consentd")


def setup(context: Context) -> None:
    context.serve(INTERFACE, Service(context).methods())


class Service:
    def __init__(self, context: Context) -> None:
        self._loop = context.loop
        self._config = Remote(context.loop, "gg_config", context.root)
        self._updates: Subscribers[Stream] = Subscribers()
        self._validation: Subscribers[Stream] = Subscribers()
        self._deferrals: Question[Deferral] = Question(context.loop, update_result, lambda _answer: False)
        self._verdicts: Question[Verdict] = Question(
            context.loop, validation_result, lambda answer: not answer.accepted
        )
        self._returning = Returning(context, (SUBSCRIBE_TO_UPDATES, SUBSCRIBE_TO_VALIDATION), self._present)

    def methods(self) -> dict[str, Method]:
        return {
            "pre_update": Method(self._pre_update),
            "post_update": Method(self._post_update),
            "validate": Method(self._validate),
            "subscribers": Method(self._subscribers),
            SUBSCRIBE_TO_UPDATES: handler.ipc_method(self._subscribe_to_updates),
            SUBSCRIBE_TO_VALIDATION: handler.ipc_method(self._subscribe_to_validation),
            PREFIX + "DeferComponentUpdate": handler.ipc_method(self._defer_update),
            PREFIX + "SendConfigurationValidityReport": handler.ipc_method(self._report_validity),
        }

    def _present(self) -> set[tuple[str, str]]:
        return {(SUBSCRIBE_TO_UPDATES, component) for component in self._updates.components()} | {
            (SUBSCRIBE_TO_VALIDATION, component) for component in self._validation.components()
        }

    # -- for deployments ---------------------------------------------------------------------------------------------

    def _pre_update(self, request: Request, params: dict[str, Any]) -> Any:
        deployment_id, timeout = get_str(params, "deployment_id"), _timeout(params)
        restarting = get_bool(params, "is_ggc_restarting", False)
        event = {"preUpdateEvent": {"deploymentId": deployment_id, "isGgcRestarting": restarting}}

        def ask() -> int:
            asked = self._updates.components()
            opened = self._deferrals.open(request, deployment_id, timeout, asked)
            Stream.send_to_all(self._updates.sinks(), event)
            opened.finish_if_answered()
            return len(asked)

        return self._when_complete(request, ask)

    def _post_update(self, request: Request, params: dict[str, Any]) -> Any:
        event = {"postUpdateEvent": {"deploymentId": get_str(params, "deployment_id")}}
        return self._when_complete(request, lambda: Stream.send_to_all(self._updates.sinks(), event))

    def _validate(self, request: Request, params: dict[str, Any]) -> Any:
        deployment_id, timeout = get_str(params, "deployment_id"), _timeout(params)
        configurations = get_dict(params, "configurations")

        def ask() -> int:
            asked = [component for component in self._validation.components() if component in configurations]
            opened = self._verdicts.open(request, deployment_id, timeout, asked)
            for component in asked:
                event = {"configuration": configurations[component], "deploymentId": deployment_id}
                self._validation.first(component).send({"validateConfigurationUpdateEvent": event})
            opened.finish_if_answered()
            return len(asked)

        return self._when_complete(request, ask)

    def _subscribers(self, request: Request, _params: dict[str, Any]) -> Any:
        def answer() -> dict[str, list[str]]:
            return {"updates": self._updates.components(), "validation": self._validation.components()}

        return self._when_complete(request, answer)

    def _when_complete(self, request: Request, answer: Callable[[], Any]) -> Any:
        self._returning.then(lambda: request.finish(answer))
        return request.defer()

    # -- for components ----------------------------------------------------------------------------------------------

    def _subscribe_to_updates(self, component: str, _request: dict[str, Any], bus_request: Request) -> Any:
        """A component that deployments have removed may still run for a moment: it is refused."""

        def accept() -> None:
            if bus_request.connection.closed:
                return
            stream = bus_request.stream(lambda: self._updates.remove(component, stream))
            self._updates.add(component, stream)
            handler.reply(bus_request)
            self._returning.arrived()

        def failed(error: BusError) -> None:
            if error.code == ErrorCode.NOENTRY:
                text = f"{component} is not a component of this runtime"
                handler.fail(bus_request, not_found(text, "Component", component))
                return
            # Its token says who it is; this is no reason to update it unasked.
            _log.warning("cannot look up %s: %s", component, error)
            accept()

        self._config.call("list", {"key_path": ["services", component]}, lambda _keys: accept(), failed)
        return bus_request.defer()

    def _subscribe_to_validation(self, component: str, _request: dict[str, Any], bus_request: Request) -> None:
        stream = bus_request.stream(lambda: self._validation.remove(component, stream))
        self._validation.add(component, stream)
        self._loop.call_soon(self._returning.arrived)  # after the answer to this request

    def _defer_update(self, component: str, request: dict[str, Any], _bus_request: Request) -> None:
        if component not in self._updates:
            raise invalid_arguments("Component is not subscribed to component update events")
        deployment_id, deferral = deferral_of(request)
        open_round = self._deferrals.round_waiting_for(deployment_id, component)
        if open_round is None:
            raise service_error("Time limit to respond to PreComponentUpdateEvent exceeded")
        if deferral is None:
            _log.warning("%s answers the update %s without recheckAfterMs: ignored", component, deployment_id)
            return
        said = f": {deferral.message}" if deferral.message else ""
        _log.info("%s defers the update %s by %d ms%s", component, deployment_id, deferral.recheck_after_ms, said)
        open_round.answer(component, deferral)

    def _report_validity(self, component: str, request: dict[str, Any], _bus_request: Request) -> None:
        deployment_id, verdict = verdict_of(request)
        open_round = self._verdicts.round_waiting_for(deployment_id, component)
        if open_round is None:
            raise invalid_arguments("Validation request either timed out or was never made")
        if not verdict.accepted:
            _log.warning("%s rejects the configuration of %s: %s", component, deployment_id, verdict.message)
        open_round.answer(component, verdict)


def _timeout(params: dict[str, Any]) -> float:
    timeout = get_float(params, "timeout")
    if not 0 <= timeout < math.inf:
        raise InvalidValue("'timeout' must be a number of seconds")
    return timeout
