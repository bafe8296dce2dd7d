"""Component versions (strict semantic versioning) and version requirements (npm ranges).

Build metadata never takes part in a comparison. A pre-release is accepted by a requirement that is one comparison
alone (``>=1.0.0``, ``*``), as devices have always done; a requirement of two bounds (``^1.2.0``, ``>=1 <2``) accepts
it only when a bound names a pre-release of the same ``major.minor.patch``, as npm does.

semantic_version reads the notation; how a version is held against the bounds is decided here, because its own
matching accepts 1.2.3 for ``=1.2.3-1`` and refuses 1.2.3-a for ``<1.2.3-b``. It is imported when first needed.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

VERSION_LIMIT = 64
NUMBER_LIMIT = 999_999
REQUIREMENT_LIMIT = 1024

_NUMBER = r"(0|[1-9][0-9]*)"
_PRE = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_OPERATORS = {"<": operator.lt, "<=": operator.le, "==": operator.eq, ">=": operator.ge, ">": operator.gt}
_EXAMPLES = "write one like '1.2.3', '>=1.0.0 <2.0.0', '^1.2.0', '~1.2', '1.x' or '*'"

Version = Any
"""A ``semantic_version.Version`` without build metadata: compare and sort it, print it for the text."""


class VersionError(ValueError):
    """Text that should be a version or a requirement is none."""


@dataclass(frozen=True)
class Requirement:
    """A parsed requirement. ``alternatives`` are joined by OR, the (operator, version) bounds in one by AND."""

    text: str
    alternatives: tuple[tuple[tuple[str, Version], ...], ...]

    def matches(self, version: str | Version) -> bool:
        """Whether ``version`` satisfies this requirement. Raises ``VersionError`` for text that is no version."""
        candidate = parse_version(version) if isinstance(version, str) else version
        return any(_within(candidate, bounds) for bounds in self.alternatives)

    def __str__(self) -> str:
        return self.text or "*"


def check_version(text: str) -> None:
    """Raises ``VersionError`` unless ``text`` is a version a component may have. Imports nothing."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise VersionError(f"{text[:80]!r} is not a semantic version: write major.minor.patch, for example '1.0.0'")
    if len(text) > VERSION_LIMIT:
        raise VersionError(f"version {text[:20]!r}... has {len(text)} characters: {VERSION_LIMIT} are allowed")
    if any(len(number) > 6 for number in found.groups()):
        raise VersionError(f"version {text!r}: major, minor and patch may be at most {NUMBER_LIMIT}")


def is_version(text: str) -> bool:
    """Whether ``check_version`` has nothing against ``text``."""
    try:
        check_version(text)
    except VersionError:
        return False
    return True


@lru_cache(maxsize=1)
def _semantic_version() -> Any:
    """The library's one module. Its package, when imported, first looks up its own version in the metadata of all
    installed packages: three times the time and memory of everything else in it."""
    from importlib.util import find_spec, module_from_spec, spec_from_file_location

    package = find_spec("semantic_version")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'semantic_version'")
    spec = spec_from_file_location("semantic_version.base", os.path.join(os.path.dirname(package.origin), "base.py"))
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("No module named 'semantic_version.base'")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=512)
def parse_version(text: str) -> Version:
    """The version as a comparable value. Raises ``VersionError``."""
    check_version(text)
    return _semantic_version().Version(text.partition("+")[0])


@lru_cache(maxsize=512)
def parse_requirement(text: str) -> Requirement:
    """Read an npm range; the empty text and ``latest`` are any version. Raises ``VersionError``."""
    if len(text) > REQUIREMENT_LIMIT:
        raise VersionError(f"version requirement of {len(text)} characters: {REQUIREMENT_LIMIT} are allowed")
    try:
        alternatives = tuple(_alternative(part.strip()) for part in text.split("||"))
    except ValueError as error:
        raise VersionError(f"version requirement {text!r} is not valid: {_EXAMPLES}") from error
    return Requirement(text.strip(), alternatives)


def satisfies(version: str | Version, requirements: Iterable[Requirement]) -> bool:
    """Whether ``version`` meets every one of ``requirements`` (each keeps its own alternatives)."""
    candidate = parse_version(version) if isinstance(version, str) else version
    return all(requirement.matches(candidate) for requirement in requirements)


def _alternative(text: str) -> tuple[tuple[str, Version], ...]:
    """The bounds of one side of ``||``."""
    npm = _semantic_version().NpmSpec
    if text in ("", "latest"):
        text = "*"
    text = re.sub(r"~>", "~", text)
    text = re.sub(r"([<>=^~])\s+", r"\1", text)
    text = re.sub(r"(^|[\s<>=^~])v(?=[0-9])", r"\1", text)
    text = re.sub(r"\+[0-9A-Za-z.-]+", "", text)
    hyphen = re.fullmatch(r"([0-9xX*]\S*)\s+-\s+([0-9xX*]\S*)", text)
    blocks = [f">={hyphen[1]}", f"<={hyphen[2]}"] if hyphen else text.split()
    bounds = []
    for block in blocks:
        npm(block)  # raises ValueError for what it cannot read; parse_simple takes that for granted
        for clause in npm.Parser.parse_simple(block):
            if clause.operator not in _OPERATORS:
                raise ValueError(block)
            bounds.append((clause.operator, clause.target))
    return tuple(bounds)


def _within(version: Version, bounds: tuple[tuple[str, Version], ...]) -> bool:
    if not all(_OPERATORS[sign](version, target) for sign, target in bounds):
        return False
    if not version.prerelease or len(bounds) == 1:
        return True
    return any(target.prerelease and target.truncate() == version.truncate() for _, target in bounds)
