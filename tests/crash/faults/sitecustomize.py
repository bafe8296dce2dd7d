"""Loaded by every Python process of a runtime under test: lets deploymentd meet trouble where the test says.

``GGL_TEST_FAULT`` names a file; while it exists it holds ``{"step", "back", "when", "victim"}``. The first time that
deploymentd writes this step to the disk (``outcome``: how it ended), the victims get SIGKILL: ``before`` the write, or
``after`` it. Or the write itself goes wrong: ``full`` refuses it, ``late`` does it and says that it did not answer.
Then the file becomes ``<file>.done``, and lists the process ids of those that are killed.
The product knows nothing of this.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time

FAULT = os.environ.get("GGL_TEST_FAULT", "")
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")


def install_queue(queue) -> None:
    update = queue.Queue.update

    def faulty(self, records, deployment_id, operations=(), **changes):
        step = "outcome" if changes.get("status") in OVER else changes.get("step")
        fault = planned() if records is not None and step is not None else None
        back = bool(changes.get("rolling_back", self.get(deployment_id).rolling_back))
        hit = fault is not None and (step, back) == (fault["step"], fault["back"])
        if hit and fault["when"] == "before":
            strike(fault["victim"])
        if hit and fault["when"] in ("full", "late"):
            records = Faulty(records, fault["when"])
        result = update(self, records, deployment_id, operations, **changes)
        if hit and fault["when"] == "after":
            strike(fault["victim"])
        return result

    queue.Queue.update = faulty


def install_worker(worker) -> None:
    worker.RETRY_SECONDS = 0.2


class Faulty:
    """Records whose disk is full, or that answer too late."""

    def __init__(self, records, when) -> None:
        self.records = records
        self.when = when

    def transaction(self, operations, is_done=None):
        from ggl.bus.errors import BusError, ErrorCode

        done([])
        if self.when == "full":
            raise BusError(ErrorCode.NOMEM, "no space left")
        self.records.transaction(operations)
        raise BusError(ErrorCode.TIMEOUT, "gg_config did not answer in time")

    def __getattr__(self, name):
        return getattr(self.records, name)


def planned():
    try:
        with open(FAULT) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def done(victims) -> None:
    """All at once: the fault is over, so that nobody meets it again, and those who wait for it know of whom."""
    with open(FAULT + ".victims", "w") as file:
        json.dump(victims, file)
    os.unlink(FAULT)
    os.rename(FAULT + ".victims", FAULT + ".done")


def strike(victim: str) -> None:
    ggld, me = os.getppid(), os.getpid()
    if victim == "configd":
        victims = [pid for pid, name in children(ggld) if name == "configd"]
        done(victims)
        kill(victims)
        return
    if victim == "ggld":
        done([ggld, me])
        kill([ggld])
        time.sleep(0.2)  # deploymentd notices, and leaves by itself
    elif victim == "everything":
        from ggl.host.process.marker import mark, marked
        from ggl.paths import find_root

        os.kill(ggld, signal.SIGSTOP)  # nobody restarts anything while they die
        others = [pid for pid in marked(mark(find_root().state), whole=False) if pid not in (me, ggld)]
        done([*others, ggld, me])
        kill([*others, ggld])
    else:
        done([me])
    os.kill(me, signal.SIGKILL)


def children(parent):
    """Process id and name of each child of ``parent``."""
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        pids = file.read().split()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm") as comm:
                yield int(pid), comm.read().strip()
        except OSError:
            continue


def kill(pids) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


HOOKS = {"ggl.deploymentd.queue": install_queue, "ggl.deploymentd.worker": install_worker}


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        install = HOOKS.get(name)
        if install is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            install(module)

        spec.loader.exec_module = exec_module
        return spec


if FAULT:
    sys.meta_path.insert(0, Finder())
