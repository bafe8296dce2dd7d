"""Modules that are imported when they are first used, although somebody imports them at once.

``dataclasses`` imports ``inspect``, and with it the parser and disassembler of Python: two megabytes that a program
which documents its dataclasses never uses, in a process that every daemon is forked from.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec


def defer(*names: str) -> None:
    """Load each module only when one of its attributes is asked for. To be called before anything imports it."""
    for name in names:
        spec = None if name in sys.modules else find_spec(name)
        if spec is None or spec.loader is None:
            continue
        loader = LazyLoader(spec.loader)
        spec.loader = loader
        module = module_from_spec(spec)
        sys.modules[name] = module
        loader.exec_module(module)
