"""Loaded by every Python process of a runtime under test: lets deploymentd wait at a step for as long as a test wants.

``GGL_TEST_PAUSE`` names a file. While it exists, it holds the name of a step. Just after deploymentd has written this
step to the disk (``outcome``: just before it writes that it is over) it renames the file to ``*.reached``, and goes on
when that one is gone. The product knows nothing of this.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
import time

PAUSE = os.environ.get("GGL_TEST_PAUSE", "")
HOOKED = "ggl.deploymentd.queue"
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")


def install(queue) -> None:
    update = queue.Queue.update

    def waiting(self, records, deployment_id, operations=(), **changes):
        step = "outcome" if changes.get("status") in OVER else changes.get("step")
        wanted = records is not None and step is not None and step == planned()
        if wanted and step == "outcome":
            wait()
        result = update(self, records, deployment_id, operations, **changes)
        if wanted and step != "outcome":
            wait()
        return result

    queue.Queue.update = waiting


def wait() -> None:
    reached = PAUSE + ".reached"
    os.rename(PAUSE, reached)
    while os.path.exists(reached):
        time.sleep(0.01)


def planned() -> str | None:
    try:
        with open(PAUSE) as file:
            return file.read()
    except FileNotFoundError:
        return None


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != HOOKED:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            install(module)

        spec.loader.exec_module = exec_module
        return spec


if PAUSE:
    sys.meta_path.insert(0, Finder())
