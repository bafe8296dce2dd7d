"""The bus interface ``gg_telemetry`` and the IPC operation on it."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from ggl.bus.request import Method, Stream
from ggl.ipc.errors import invalid_arguments
from ggl.ipc.handler import ipc_method
from ggl.ipc.metrics import NO_METRICS, UNFIT_METRIC, is_fit
from ggl.ipc.model import PREFIX
from ggl.telemetryd.aggregates import Aggregate, value_of
from ggl.telemetryd.ledger import Ledger, Rows
from ggl.telemetryd.units import unit_of
from ggl.values import InvalidValue, get_float, get_list, get_str

if TYPE_CHECKING:
    from ggl.bus.request import Request
    from ggl.daemon import Context

INTERFACE = "gg_telemetry"
MAX_NAMESPACE = 128
"""Characters."""
UNKNOWN_UNIT = "Invalid telemetry unit: No matching TelemetryUnit type found"


def setup(context: Context) -> None:
    service = Service(context)
    context.serve(
        INTERFACE,
        {
            "put": Method(service.put),
            "list": Method(service.list_metrics),
            "subscribe": Method(service.subscribe),
            PREFIX + "PutComponentMetric": ipc_method(service.put_component_metric),
        },
    )


class Unfit(Exception):
    """A list of metrics is not taken; the text says why."""


class Service:
    def __init__(self, context: Context) -> None:
        self._ledger = Ledger(context, _now)
        self._streams: list[Stream] = []

    def put(self, _request: Request, params: dict[str, Any]) -> None:
        namespace = get_str(params, "namespace")
        if not 0 < len(namespace) <= MAX_NAMESPACE or not namespace.isprintable():
            raise InvalidValue(f"'namespace' must be 1 to {MAX_NAMESPACE} printable characters")
        try:
            self._add(namespace, values_of(params, _now()))
        except Unfit as error:
            raise InvalidValue(str(error)) from None

    def put_component_metric(self, component: str, request: dict[str, Any], _bus_request: Request) -> None:
        try:
            self._add(component, values_of(request, _now()))
        except Unfit as error:
            raise invalid_arguments(str(error)) from None

    def list_metrics(self, request: Request, params: dict[str, Any]) -> Any:
        namespace = get_str(params, "namespace", "")

        def read(rows: Rows) -> None:
            request.finish(lambda: [row for row in rows if namespace in ("", row["namespace"])])

        self._ledger.rows(read, request.fail)
        return request.defer()

    def subscribe(self, request: Request, _params: dict[str, Any]) -> None:
        stream = request.stream(lambda: self._streams.remove(stream))
        self._streams.append(stream)

    def _add(self, namespace: str, values: list[Aggregate]) -> None:
        self._ledger.add(namespace, values)
        for value in values if self._streams else ():
            item = {"namespace": namespace, "name": value.name, "unit": value.unit, "value": value.last}
            Stream.send_to_all(self._streams, {**item, "time": value.time})


def values_of(request: dict[str, Any], now: int) -> list[Aggregate]:
    """The values in ``metrics`` of a request; all of them are good. Raises ``Unfit`` and ``InvalidValue``."""
    metrics = get_list(request, "metrics", [])
    if not metrics:
        raise Unfit(NO_METRICS)
    for metric in metrics:
        if not isinstance(metric, dict):
            raise InvalidValue("'metrics' must be a list of maps")
        if not is_fit(metric) or not math.isfinite(get_float(metric, "value")):
            raise Unfit(UNFIT_METRIC)
    values = []
    for metric in metrics:
        unit = unit_of(get_str(metric, "unit"))
        if unit is None:
            raise Unfit(UNKNOWN_UNIT)
        values.append(value_of(get_str(metric, "name"), unit, get_float(metric, "value"), now))
    return values


def _now() -> int:
    return int(time.time() * 1000)
