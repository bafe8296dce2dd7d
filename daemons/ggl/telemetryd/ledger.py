"""The metrics of the interval at hand in memory, those of the ones before in configd; memory goes there every now and
then.

A record of the table ``metrics`` is one namespace in one interval. What came since a record was written is lost when
this process is killed; the record itself is replaced as a whole, so that nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError
from ggl.bus.remote import Remote
from ggl.log import get_logger
from ggl.telemetryd.aggregates import Aggregate, Interval
from ggl.values import InvalidValue, get_int, get_list, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

TABLE = "metrics"
KEPT_INTERVALS = 24
WRITE_SECONDS = 5.0
"""From the first value that is not on the disk to writing it."""
RETRY_SECONDS = 30.0
"""After writing has failed."""
EXIT_SECONDS = 4.0
"""How long writing may take when the daemon has to leave; a host that stops it waits a little longer."""

Rows = list[dict[str, Any]]

_log = get_logger("telemetryd")


class Ledger:
    """``clock`` gives the time in ms since the epoch. The daemon stays while something is not on the disk."""

    def __init__(self, context: Context, clock: Callable[[], int]) -> None:
        self._context = context
        self._clock = clock
        self._config = Remote(context.loop, "gg_config", context.root)
        self._interval = Interval(clock(), _log.warning)
        self._dirty: set[str] = set()
        """Namespaces of the interval with values that are not on the disk."""
        self._unwritten: dict[str, dict[str, Any]] = {}
        """Records of intervals that ended before they were written."""
        self._keys: set[str] = set()
        """Of the records on the disk."""
        self._loaded = False
        self._busy = False
        """A write is under way, or due."""
        context.at_exit(self._close)
        context.hold()
        self._load()

    def add(self, namespace: str, values: list[Aggregate]) -> None:
        if self._interval.is_over(self._clock()):
            self._unwritten |= self._changed()
            self._dirty.clear()
            self._interval = Interval(self._clock(), _log.warning)
        for value in values:
            self._interval.add(namespace, value)
        self._dirty.add(namespace)
        self._write_later(WRITE_SECONDS)

    def rows(self, done: Callable[[Rows], None], failed: Callable[[BusError], None]) -> None:
        """Every metric of every interval that is kept, the oldest interval first."""

        def scanned(records: Any) -> None:
            merged = dict(records) | self._unwritten
            merged |= {self._key(namespace): self._record(namespace) for namespace in self._interval}
            done([row for key in sorted(merged) for row in _rows_of(merged[key])])

        self._config.call("scan", {"table": TABLE}, scanned, failed)

    # -- reading -----------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        def failed(error: BusError) -> None:
            _log.warning("the metrics so far cannot be read yet: %s", error)
            self._context.loop.call_later(1.0, self._load)

        self._config.call("scan", {"table": TABLE}, self._take, failed)

    def _take(self, records: list[tuple[str, Any]]) -> None:
        """Go on with the interval that was at hand, if it is not over."""
        self._keys = {key for key, _value in records}
        begins = [_begin_of(key) for key in self._keys]
        latest = max((begin for begin in begins if begin <= self._interval.begin), default=0)
        if not Interval(latest, _log.warning).is_over(self._clock()):
            self._interval.begin = latest
            for key, value in records:
                if _begin_of(key) == latest:
                    self._go_on(key, value)
        self._loaded = True
        self._context.release()
        if self._dirty:
            self._write_later(WRITE_SECONDS)

    def _go_on(self, key: str, value: Any) -> None:
        try:
            earlier = [Aggregate.from_dict(metric) for metric in get_list(value, "metrics")]
            self._interval.put_before(get_str(value, "namespace"), earlier)
        except (InvalidValue, AttributeError) as error:
            _log.error("the record %s cannot be read and is left out: %s", key, error)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write_later(self, seconds: float) -> None:
        if self._loaded and not self._busy:
            self._busy = True
            self._context.hold()
            self._context.loop.call_later(seconds, self._write)

    def _write(self) -> None:
        changed = self._unwritten | self._changed()
        sent = self._dirty
        self._unwritten, self._dirty = {}, set()

        def finished() -> None:
            self._busy = False
            self._context.release()

        def written(_result: Any) -> None:
            self._keys = (self._keys | changed.keys()) - self._outdated(changed)
            finished()
            if self._dirty or self._unwritten:
                self._write_later(WRITE_SECONDS)

        def failed(error: BusError) -> None:
            _log.warning("metrics cannot be written, trying again in %g s: %s", RETRY_SECONDS, error)
            self._unwritten = {
                key: record for key, record in changed.items() if _begin_of(key) != self._interval.begin
            } | self._unwritten
            self._dirty |= sent & set(self._interval)
            finished()
            self._write_later(RETRY_SECONDS)

        self._config.call("transaction", {"operations": self._operations(changed)}, written, failed)

    def _operations(self, changed: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        puts = [{"op": "put", "table": TABLE, "key": key, "value": record} for key, record in changed.items()]
        drops = [{"op": "drop", "table": TABLE, "key": key} for key in sorted(self._outdated(changed))]
        if drops:
            _log.info("%d records of metrics are older than %d intervals and are dropped", len(drops), KEPT_INTERVALS)
        return puts + drops

    def _outdated(self, changed: dict[str, dict[str, Any]]) -> set[str]:
        keys = self._keys | changed.keys()
        kept = sorted({_begin_of(key) for key in keys})[-KEPT_INTERVALS:]
        return {key for key in keys if _begin_of(key) not in kept}

    def _changed(self) -> dict[str, dict[str, Any]]:
        return {
            self._key(namespace): self._record(namespace) for namespace in self._interval if namespace in self._dirty
        }

    def _key(self, namespace: str) -> str:
        return f"{self._interval.begin:013d} {namespace}"

    def _record(self, namespace: str) -> dict[str, Any]:
        metrics = [metric.to_dict() for metric in self._interval.of(namespace)]
        return {"begin": self._interval.begin, "namespace": namespace, "metrics": metrics}

    def _close(self) -> None:
        """The daemon leaves, whatever happens; write what is not written."""
        changed = self._unwritten | self._changed()
        if not changed:
            return
        from ggl.bus.client import connect

        try:
            with connect("gg_config", self._context.root, EXIT_SECONDS) as config:
                config.call("transaction", {"operations": self._operations(changed)})
        except BusError as error:
            _log.warning("the metrics of the last %g s are lost: %s", WRITE_SECONDS, error)


def _begin_of(key: str) -> int:
    begin = key.partition(" ")[0]
    return int(begin) if begin.isdecimal() else 0


def _rows_of(record: Any) -> Rows:
    try:
        begin, namespace = get_int(record, "begin"), get_str(record, "namespace")
        return [{"begin": begin, "namespace": namespace, **metric} for metric in get_list(record, "metrics")]
    except (InvalidValue, AttributeError, TypeError):
        return []  # what is wrong with it was said when it was loaded
