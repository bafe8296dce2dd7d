"""Recipes and folders for the tests of deployments."""

from __future__ import annotations

from pathlib import Path

import pytest

from ggl.deploymentd.staging import Staging, stage, staging_of
from ggl.paths import Root, find_root


class Workshop:
    """A root, and the folders that a developer deploys from."""

    def __init__(self, folder: Path) -> None:
        self.root: Root = find_root(str(folder / "root"))
        self.recipes = folder / "recipes"
        self.artifacts = folder / "artifacts"
        self.recipes.mkdir()
        self.artifacts.mkdir()

    def recipe(self, name: str, version: str = "1.0.0", *, file: str = "", body: str = "", artifacts: str = "") -> Path:
        path = self.recipes / (file or f"{name}.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"RecipeFormatVersion: '2020-01-25'\nComponentName: {name}\nComponentVersion: {version}\n"
            f"{body}\nManifests: [{{Artifacts: [{artifacts}], Lifecycle: {{run: 'true'}}}}]\n"
        )
        return path

    def artifact(self, path: str, content: bytes = b"content") -> Path:
        file = self.artifacts / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def stage(self, name: str = "d") -> Staging:
        staging = staging_of(self.root, name)
        stage(staging, str(self.recipes), str(self.artifacts), self.root.artifacts)
        return staging


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)
