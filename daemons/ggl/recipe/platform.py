"""Which manifest of a recipe is meant for this device.

The device has attributes (``os``, ``architecture``, ...), detected here and overridden by the nucleus configuration
``platformOverride``; a manifest asks for some of them. Manifests are tried in the recipe's order and the first that
matches is taken, so a recipe lists the specific ones first.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from ggl.recipe.model import Manifest, Problem, Recipe, RecipeError

RUNTIME = "aws_nucleus_lite"
"""Reported as ``runtime``: manifests made for the nucleus without Java match, and those that name no runtime too."""

_ARM_DETAILS = ("armv6l", "armv7l", "armv8l", "armv6b", "armv7b", "armv8b")
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}


def device_attributes(
    overrides: Mapping[str, Any] | None = None,
    *,
    machine: str | None = None,
    narrow: bool = sys.maxsize <= 2**31,
) -> dict[str, str]:
    """The attributes of this device.

    ``overrides``: the nucleus' ``platformOverride``; it replaces and adds attributes, values that are no strings are
    ignored. ``machine`` is what ``uname -m`` says; ``narrow`` tells that programs here are 32 bits wide (a 64-bit
    kernel under a 32-bit system, as on many single-board computers, must be given 32-bit artifacts).
    """
    machine = (os.uname().machine if machine is None else machine).lower()
    attributes = {
        "os": _SYSTEMS.get(sys.platform, "unknown"),
        "architecture": _architecture(machine, narrow),
        "runtime": RUNTIME,
    }
    if machine in _ARM_DETAILS:
        attributes["architecture.detail"] = machine
    attributes.update({key: value for key, value in (overrides or {}).items() if isinstance(value, str)})
    return attributes


def match_manifest(recipe: Recipe, attributes: Mapping[str, str]) -> Manifest | None:
    """The first manifest for a device with ``attributes``; ``None`` when the recipe is not for it.

    Raises ``RecipeError`` when a regular expression on the way there cannot be read.
    """
    return next((m for m in recipe.manifests if not _mismatch(recipe, m, attributes)), None)


def require_manifest(recipe: Recipe, attributes: Mapping[str, str]) -> Manifest:
    """Like ``match_manifest``, but a recipe that is not for this device raises ``RecipeError`` that tells why."""
    manifest = match_manifest(recipe, attributes)
    if manifest is not None:
        return manifest
    device = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
    reasons = "; ".join(f"{m.path} wants {_mismatch(recipe, m, attributes)}" for m in recipe.manifests)
    text = f"none is for this device ({device}): {reasons}. Add one, or correct platformOverride of the nucleus"
    raise RecipeError(Problem("Manifests", text, "COMPONENT_VERSION_REQUIREMENTS_NOT_MET"), recipe.file)


def attribute_matches(name: str, wanted: str | None, actual: str | None) -> bool:
    """Whether a device whose attribute ``name`` is ``actual`` is what a manifest with ``wanted`` asks for.

    Raises ``ValueError`` when ``wanted`` is a regular expression (``/.../``) that cannot be read.
    """
    if wanted is None or wanted == "*":
        return True
    if not actual:
        return False
    if len(wanted) >= 2 and wanted[0] == wanted[-1] == "/":
        try:
            return re.fullmatch(wanted[1:-1], actual) is not None
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
    if name in ("os", "architecture") and wanted in ("all", "any"):
        return True
    # Whatever begins with another sign is reserved: a later operator must not match by accident.
    return re.match("[a-zA-Z0-9]", wanted) is not None and wanted == actual


def _architecture(machine: str, narrow: bool) -> str:
    if machine in ("x86_64", "amd64"):
        return "x86" if narrow else "amd64"
    if machine in ("i386", "i486", "i586", "i686", "x86"):
        return "x86"
    if machine == "aarch64" or machine == "arm64":
        return "arm" if narrow else "aarch64"
    if "arm" in machine:
        return "arm"
    return "riscv64" if machine == "riscv64" else "unknown"


def _mismatch(recipe: Recipe, manifest: Manifest, attributes: Mapping[str, str]) -> str:
    """The first requirement of ``manifest`` that the device does not meet; empty when it meets all."""
    folded = {key.lower(): key for key in attributes}
    for asked, wanted in manifest.platform.items():
        name = asked if asked in attributes else folded.get(asked.lower(), asked)
        known = name if name in attributes else asked.lower()
        try:
            if not attribute_matches(known, wanted, attributes.get(name)):
                return f"{asked}={wanted}"
        except ValueError as error:
            raise RecipeError(Problem(f"{manifest.path}.Platform.{asked}", str(error)), recipe.file) from None
    return ""
