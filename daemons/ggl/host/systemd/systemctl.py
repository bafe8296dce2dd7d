"""Asking the service manager for something by its own command, from programs that run for a moment."""

from __future__ import annotations

import subprocess


class SystemctlError(Exception):
    """The service manager did not do it; the text is what it said."""


class SystemctlTimeout(SystemctlError):
    """It was not done in time, and may still be."""


def systemctl(*arguments: str, timeout: float | None = None) -> str:
    """Run ``systemctl`` and return its output.

    Raises ``SystemctlError``; after ``timeout`` seconds ``SystemctlTimeout``.
    """
    try:
        done = subprocess.run(
            ["systemctl", *arguments], capture_output=True, text=True, errors="replace", timeout=timeout
        )
    except subprocess.TimeoutExpired:
        raise SystemctlTimeout(f"'systemctl {arguments[0]}' took longer than {timeout:g} s") from None
    except OSError as error:
        raise SystemctlError(f"systemctl cannot be run: {error.strerror}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise SystemctlError(lines[0] if lines else f"'systemctl {arguments[0]}' ended with {done.returncode}")
    return done.stdout


def shows(unit: str, name: str) -> str:
    """The property ``name`` of ``unit``; empty when there is none. Raises ``SystemctlError``."""
    return systemctl("show", "--value", f"--property={name}", "--", unit).strip()
