"""What ``detect`` finds: a component with its recipe's text and the files that become its artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """``source`` becomes the artifact ``name`` (which may hold slashes); a folder is zipped into it."""

    name: str
    source: Path


@dataclass(frozen=True)
class Component:
    name: str
    version: str
    recipe: str
    """Text of the recipe, with every placeholder replaced."""
    suffix: str
    """``.yaml`` or ``.json``."""
    files: Sequence[File] = ()
