"""Files that a command line names: what it means that one cannot be used is the same for every command."""

from __future__ import annotations

from gglcli.errors import FAILURE, INVALID, NOT_FOUND, CliError


def unusable(where: object, error: OSError, verb: str = "read", *, hint: str = "") -> CliError:
    """What to tell about ``error``. ``where``: the file as people know it; ``verb``: what was to be done with it."""
    if isinstance(error, FileNotFoundError):
        return CliError(f"cannot {verb} {where}: there is no such file or folder", NOT_FOUND, hint=hint)
    if isinstance(error, IsADirectoryError):
        return CliError(f"cannot {verb} {where}: it is a folder", INVALID, hint=hint)
    code = "NOPERM" if isinstance(error, PermissionError) else ""
    return CliError(f"cannot {verb} {where}: {error.strerror or error}", FAILURE, code=code)
