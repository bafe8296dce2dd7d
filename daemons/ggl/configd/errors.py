"""What can go wrong in the configuration store. The texts are for people; ``service.py`` turns each into a bus error.

A value or an argument of the wrong kind is ``ggl.values.InvalidValue``.
"""

from __future__ import annotations

from collections.abc import Sequence


class ConfigError(Exception):
    """Base of the errors below."""


class NoEntry(ConfigError):
    """Nothing is stored under this path."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(f"there is no {show(path)} in the configuration")


class Conflict(ConfigError):
    """The path leads through a value, below which nothing can be stored."""


class LimitExceeded(ConfigError):
    """Too deep, too long or too big."""


class StorageError(ConfigError):
    """The database refused. Nothing was changed."""


class StorageFull(StorageError):
    """No space left for the database. Nothing was changed."""


class StorageBroken(StorageError):
    """SQLite says the database file is damaged. Nothing was changed in memory."""


def show(path: Sequence[str]) -> str:
    """A path as people write it. Component names hold dots, so such a key is quoted."""
    if not path:
        return "the root"
    return "key '" + ".".join(f'"{key}"' if "." in key or not key else key for key in path) + "'"
