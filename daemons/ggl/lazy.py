"""Modules that are loaded when they are first used, although somebody imports them at once.

``dataclasses`` imports ``inspect``, and with it the parser and the disassembler of Python: two megabytes that a program
which documents its dataclasses never uses, in the process that every daemon is forked from. (In Python 3.11; from 3.12
on every dataclass needs it, and waiting for the first use saves nothing.)
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


def defer(*names: str) -> None:
    """Load each module only when one of its attributes is asked for. To be called before anything imports it.

    (The standard library's ``LazyLoader`` does not do: the import statement itself already looks at an attribute.)
    """
    for name in names:
        if name not in sys.modules:
            placeholder = ModuleType(name)
            placeholder.__getattr__ = _loader(placeholder)  # type: ignore[method-assign, assignment]
            sys.modules[name] = placeholder


def _loader(placeholder: ModuleType) -> object:
    name = placeholder.__name__

    def load(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # the import system looks; nobody uses anything yet
        if sys.modules.get(name) is placeholder:
            del sys.modules[name]
        real = import_module(name)
        # Whoever holds the placeholder finds everything in it from now on.
        placeholder.__dict__.update(real.__dict__)
        return getattr(real, attribute)

    return load
