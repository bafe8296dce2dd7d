"""What an installation consists of: a list of things to do, worked out before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """One thing to do. ``text`` says what, in the imperative; ``perform`` raises what the layers below raise."""

    text: str
    perform: Callable[[], object]
