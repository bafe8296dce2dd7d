"""What the cloud has answered to a deployment, kept in its staging area: recipes, and the ARNs of their versions.

An interrupted deployment asks again; but what it had heard it knows, also when there is no network any more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ggl.durable import write_json

if TYPE_CHECKING:
    from ggl.deploymentd.staging import Staging
    from ggl.recipe.model import Recipe

_PREFIX = "cloud-"
"""Recipes that came with the deployment have a number there."""
_FILE = "arns.json"


def is_answer(path: Path) -> bool:
    """Whether the staged recipe file came from the cloud."""
    return path.name.startswith(_PREFIX)


class Answers:
    """Those in ``staging``. One that cannot be read is as if it had not been heard."""

    def __init__(self, staging: Staging) -> None:
        self._recipes = staging.recipes
        self._file = staging.path / _FILE
        self._arns: dict[str, str] | None = None

    def keep(self, recipe: Recipe, text: bytes) -> Path:
        """Keep a recipe. Raises ``OSError``."""
        self._recipes.mkdir(parents=True, exist_ok=True)
        path = self._recipes / f"{_PREFIX}{recipe.name}-{recipe.version}{_suffix(text)}"
        temporary = self._file.with_name("recipe.new")
        temporary.write_bytes(text)
        temporary.chmod(0o600)
        temporary.replace(path)
        return path

    def keep_arn(self, name: str, version: str, arn: str) -> None:
        """Keep an ARN. Raises ``OSError``."""
        arns = self._read()
        key = _key(name, version)
        if arns.get(key) != arn:
            arns[key] = arn
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, arns)

    def arn(self, name: str, version: str) -> str:
        """The ARN; empty when none is known."""
        return self._read().get(_key(name, version), "")

    def _read(self) -> dict[str, str]:
        if self._arns is None:
            try:
                data = json.loads(self._file.read_bytes())
            except (OSError, ValueError, RecursionError):
                data = None
            items = data.items() if isinstance(data, dict) else ()
            self._arns = {key: arn for key, arn in items if isinstance(arn, str)}
        return self._arns


def _key(name: str, version: str) -> str:
    return f"{name} {version}"


def _suffix(text: bytes) -> str:
    return ".json" if text.lstrip().startswith(b"{") else ".yaml"
