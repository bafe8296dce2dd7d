"""Modules that are loaded when they are first used, although somebody imports them at once.

The standard library imports much that a daemon never uses: ``dataclasses`` the parser and the disassembler of Python,
by way of ``inspect``; ``pathlib`` what there is to know of URLs and addresses; ``typing`` is for who looks at types.
All that took more than half of a daemon's memory, in each process of its own, and in the one that others are forked
from. (In Python 3.11; from 3.12 on every dataclass needs ``inspect``, and waiting for the first use saves nothing.)
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

_loading = allocate_lock()


def lean() -> None:
    """Do without what a process that stays need not have. To be called before it imports anything else."""
    defer("copy", "inspect", "ipaddress", "selectors")
    defer("urllib.parse", functions=("quote_from_bytes",))
    # Before 3.12 ``datetime`` defines everything in Python first, and then replaces it by this.
    sys.modules.setdefault("datetime", import_module("_datetime"))
    if "typing" not in sys.modules:
        from ggl import untyped

        _load_for(untyped, "typing")
        sys.modules["typing"] = untyped


def defer(*names: str, functions: tuple[str, ...] = ()) -> None:
    """Load each module only when one of its attributes is asked for. To be called before anything imports it.

    ``functions`` are some that are asked for at once but called later, or never; they load it when they are called.
    (The standard library's ``LazyLoader`` does not do: the import statement itself already looks at an attribute.)
    """
    for name in names:
        if name not in sys.modules:
            placeholder = ModuleType(name)
            load = _load_for(placeholder, name)
            for function in functions:
                setattr(placeholder, function, _calling(load, function))
            sys.modules[name] = placeholder


def _load_for(placeholder: ModuleType, name: str) -> Callable[[str], object]:
    """Have the module ``name`` loaded for what ``placeholder`` itself does not have."""

    def load(attribute: str) -> object:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # the import system looks; nobody uses anything yet
        with _loading:
            if sys.modules.get(name) is placeholder:
                del sys.modules[name]
        real = import_module(name)
        # Whoever holds the placeholder finds everything in it from now on.
        placeholder.__dict__.update(real.__dict__)
        return getattr(real, attribute)

    placeholder.__getattr__ = load  # type: ignore[method-assign]
    return load


def _calling(load: Callable[[str], object], function: str) -> Callable[..., object]:
    return lambda *arguments: load(function)(*arguments)  # type: ignore[operator]
