"""The units of the components, in the order of what they need: waiting, starting, stopping, and starting again.

systemd runs, limits and ends them, and starts them again after errors. What is here is what it has no words for: a unit
starts when what it requires is ready, and again when that was restarted; what nobody wants any more goes down in
reverse order.
"""

from __future__ import annotations

from collections.abc import Callable

from ggl.bus.loop import Loop
from ggl.catalog import DAEMONS, Daemon
from ggl.host import store
from ggl.host.systemd.core import CoreDaemon
from ggl.host.systemd.inventory import Inventory
from ggl.host.systemd.layout import TARGET, Layout
from ggl.host.systemd.limits import can_hold, controllers
from ggl.host.systemd.needs import Needs
from ggl.host.systemd.ports import Ports
from ggl.host.systemd.properties import Properties
from ggl.host.systemd.standing import UnitStanding
from ggl.host.systemd.supervised import SupervisedUnit
from ggl.host.systemd.systemd1 import Systemd
from ggl.host.systemd.unit_files import UnitFiles
from ggl.host.table import UnitTable
from ggl.host.unit import CORE_PREFIX, ONCE_PHASES, Limits, Unit
from ggl.log import get_logger

_MARK = "instance"
"""File among the records: the start of the target whose units were started."""

_log = get_logger("hostd")

AnyUnit = SupervisedUnit | CoreDaemon
Shown = UnitStanding | CoreDaemon


class Supervision(UnitTable[SupervisedUnit, CoreDaemon]):
    """See the module's text.

    ``on_change`` is told of every unit whose status changed, or that is gone; ``on_ready(problem)`` once everything is
    known that systemd knows, and again, with a problem, when systemd cannot be reached.
    """

    def __init__(
        self,
        loop: Loop,
        layout: Layout,
        on_change: Callable[[Shown], None],
        on_ready: Callable[[str], None],
    ) -> None:
        super().__init__(loop, layout.root.units, _log)
        self.layout = layout
        self.records = layout.records
        self.target = Properties()
        self.instance = ""
        self.ready = False
        self._on_change = on_change
        self._on_ready = on_ready
        self._controllers = controllers()
        self._jobs: dict[str, Callable[[str], None]] = {}
        self.systemd = Systemd(loop, self._changed_in_systemd, self._job_over, self._ask, self._lost)
        self._inventory = Inventory(loop, self.systemd, ["ggl.*", TARGET], self._ours, self._synchronized)
        self.files = UnitFiles(layout, self.systemd)
        self.records.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.core = {CORE_PREFIX + daemon.name: CoreDaemon(self, daemon) for daemon in DAEMONS if not daemon.loopback}
        self.ports = Ports(self)
        self.needs = Needs(self.units)
        for unit, wanted in store.load_all(layout.root.units):
            self.units[unit.name] = SupervisedUnit(self, unit, wanted)
        self._by_file: dict[str, AnyUnit] = {}
        everything: list[AnyUnit] = [*self.core.values(), *self.units.values()]
        for each in everything:
            self._follow(each)
        self.systemd.follow(TARGET)
        loop.call_soon(self.systemd.connect)

    @property
    def stopping(self) -> bool:
        """The runtime is on its way down, or is not up: nothing is started."""
        return self.target.active_state != "active"

    @property
    def is_under_way(self) -> bool:
        """Somebody has to be there for what comes next."""
        if not self.ready or self._jobs or self.ports.is_under_way:
            return True
        return any(unit.is_under_way or (unit.wanted and unit.unit.requires) for unit in self.units.values())

    # -- the whole runtime -------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        self._inventory.begin()

    def _ours(self, files: list[str]) -> list[str]:
        self.ports.found(files)
        return [file for file in files if file in self._by_file or file == TARGET]

    def _synchronized(self) -> None:
        self._jobs.clear()
        of = self.systemd.properties_of
        for core in self.core.values():
            core.update(of(core.file))
        for unit in self.units.values():
            unit.connection_lost()
            unit.update(of(unit.file), settled=True)
        self._target_changed(of(TARGET), resume=True)
        self.ports.begin_anew()

    def _target_changed(self, target: Properties, resume: bool = False) -> None:
        was_stopping, self.target = self.stopping, target
        if self.stopping and not was_stopping:
            for unit in list(self.units.values()):
                unit.call_off()
        if target.active_state == "active" and target.invocation != self.instance:
            self.instance = target.invocation
            if self._marked() != self.instance:
                self._begin_anew()
            resume = True
        elif not self.instance and (target.active_state == "activating" or target.job):
            return  # it is about to come up: until then there is nothing to tell
        if resume:
            self.ready = True
            for unit in list(self.units.values()):
                unit.resume()
            self._on_ready("")

    def _begin_anew(self) -> None:
        """The runtime was started: start everything that is meant to be up."""
        _log.info("the runtime was started: instance %s", self.instance)
        for unit in self.units.values():
            unit.begin_anew()
        for unit in self.units.values():
            if unit.wanted and unit.unit.phase not in ("install", *ONCE_PHASES) and unit.observed.down:
                unit.want()
        try:
            (self.records / _MARK).write_text(self.instance)
        except OSError as error:
            _log.error("cannot write %s: %s", self.records / _MARK, error.strerror)

    def _marked(self) -> str:
        try:
            return (self.records / _MARK).read_text()
        except OSError:
            return ""

    def _lost(self, why: str) -> None:
        self.ready = False
        self._inventory.cancel()
        self._jobs.clear()
        for unit in self.units.values():
            unit.connection_lost()
        problem = f"systemd cannot be reached over D-Bus: {why}"
        self.ports.fail(problem)
        self._on_ready(problem)

    # -- what systemd says -------------------------------------------------------------------------------------------

    def await_job(self, path: str, over: Callable[[str], None]) -> None:
        """Call ``over`` when the job is done, has failed or was canceled; systemd has a word for each of that."""
        self._jobs[path] = over

    def _job_over(self, path: str, result: str) -> None:
        over = self._jobs.pop(path, None)
        if over is not None:
            over(result)

    def _changed_in_systemd(self, file: str, properties: Properties) -> None:
        if file == TARGET:
            self._target_changed(properties)
        elif file in self._by_file:
            self._by_file[file].update(properties)

    def changed(self, unit: Shown) -> None:
        self._on_change(unit)

    def can_limit(self, limits: Limits) -> bool:
        return can_hold(limits, self._controllers)

    # -- units -------------------------------------------------------------------------------------------------------

    def load(self, unit: Unit) -> None:
        """Raises ``OSError`` when it cannot be kept; then nothing has changed."""
        known = self.units.get(unit.name)
        if known is not None and known.unit == unit:
            known.unit = unit  # who unloads it just now sees by this that it is to stay
            return
        store.save(self.layout.root.units, unit, known.wanted if known is not None else False)
        if known is None:
            self.units[unit.name] = new = SupervisedUnit(self, unit, False)
            self._follow(new)
            new.forget()  # what is left of one of that name
            new.load(unit)
            self._on_change(new)
        else:
            known.load(unit)

    def _remove(self, unit: SupervisedUnit) -> None:
        self.systemd.leave(unit.file)
        del self._by_file[unit.file]
        try:
            store.remove(self.layout.root.units, unit.name)
            self.files.remove(unit.name)
        except OSError as error:
            _log.error("cannot remove the unit file of %s: %s", unit.name, error.strerror)
        unit.forget()
        self.systemd.reset_failed(unit.file, lambda: None)
        self._on_change(unit)

    def _when_forgotten(self, done: Callable[[], None]) -> None:
        self.files.when_read(done, lambda _: done())

    def know(self, daemon: Daemon, ports: list[int]) -> list[CoreDaemon]:
        """There is a process of ``daemon`` for each of ``ports``, and no other. Returns those that were not known."""
        there = [CoreDaemon(self, daemon, port) for port in ports]
        names = {each.name for each in there}
        for gone in [each for each in self.core.values() if each.daemon is daemon and each.name not in names]:
            del self.core[gone.name], self._by_file[gone.file]
            self.systemd.leave(gone.file)
            self._on_change(gone)
        new = [each for each in there if each.name not in self.core]
        for each in new:
            self.core[each.name] = each
            self._follow(each)
        return new

    def unit_of_file(self, file: str) -> AnyUnit | None:
        return self._by_file.get(file)

    def _follow(self, unit: AnyUnit) -> None:
        self._by_file[unit.file] = unit
        self.systemd.follow(unit.file)

    def readiness_changed(self, unit: UnitStanding) -> None:
        """Tell the units that depend on ``unit``; on the next turn, when its own change is complete."""
        self.loop.call_soon(lambda: self._tell_dependents(unit))

    def _tell_dependents(self, unit: UnitStanding) -> None:
        if self.ready:  # else all are looked at when everything is known
            self.needs.tell_dependents(unit, self.stopping)
