"""Loaded by every Python process of a runtime under test: lets deploymentd crash where the test says.

``GGL_TEST_FAULT`` names a file; while it exists it holds ``{"step", "back", "when", "victim"}``. The first time that
deploymentd writes this step to the disk, the victims get SIGKILL: ``before`` the write, or ``after`` it. The product
knows nothing of this.
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
TARGET = "ggl.deploymentd.queue"


def install(queue) -> None:
    update = queue.Queue.update

    def faulty(self, records, deployment_id, operations=(), **changes):
        fault = planned() if records is not None and "step" in changes else None
        back = bool(changes.get("rolling_back", self.get(deployment_id).rolling_back))
        hit = fault is not None and (changes["step"], back) == (fault["step"], fault["back"])
        if hit and fault["when"] == "before":
            strike(fault["victim"])
        result = update(self, records, deployment_id, operations, **changes)
        if hit and fault["when"] == "after":
            strike(fault["victim"])
        return result

    queue.Queue.update = faulty


def planned():
    try:
        with open(FAULT) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def strike(victim: str) -> None:
    os.rename(FAULT, FAULT + ".done")
    if victim == "configd":
        kill(pid for pid, name in children(os.getppid()) if name == "configd")
        return
    ggld = os.getppid()
    if victim == "ggld":
        kill([ggld])
        time.sleep(0.2)  # deploymentd notices, and leaves by itself
    elif victim == "everything":
        from ggl.host.process.marker import mark, marked
        from ggl.paths import find_root

        os.kill(ggld, signal.SIGSTOP)  # nobody restarts anything while they die
        kill(pid for pid in marked(mark(find_root().state), whole=False) if pid not in (os.getpid(), ggld))
        kill([ggld])
    os.kill(os.getpid(), signal.SIGKILL)


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
    for pid in list(pids):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != TARGET:
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
