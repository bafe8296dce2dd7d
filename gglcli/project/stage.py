"""The directory that a deployment is made from: ``recipes/`` and ``artifacts/COMPONENT/VERSION/``."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from gglcli.project.ignore import walk
from gglcli.project.source import Component, File


class Stage:
    """A temporary directory, readable for the runtime, which may run as another user. A context manager."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ggl-deploy-"))
        self.directory.chmod(0o755)
        self.recipes = self.directory / "recipes"
        self.artifacts = self.directory / "artifacts"
        for folder in (self.recipes, self.artifacts):
            _make(folder)

    def add(self, component: Component) -> None:
        """Copy the recipe and the files of ``component``."""
        recipe = self.recipes / f"{component.name}-{component.version}{component.suffix}"
        recipe.write_text(component.recipe)
        recipe.chmod(0o644)
        target = self.artifacts / component.name / component.version
        for folder in (target.parent, target):
            _make(folder)
        for file in component.files:
            _copy(file, target)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_error: object) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)


def _copy(file: File, target: Path) -> None:
    path = target / file.name
    for folder in reversed(path.relative_to(target).parents[:-1]):
        _make(target / folder)
    if file.source.is_dir():
        write_zip(path, file.source, [])
    else:
        shutil.copyfile(file.source, path)
        path.chmod(stat.S_IMODE(os.stat(file.source).st_mode) | 0o444)


def write_zip(path: Path, folder: Path, excludes: list[str]) -> None:
    """Zip the files of ``folder`` into ``path``, with their modes."""
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in walk(folder, excludes):
            archive.write(file, file.relative_to(folder).as_posix())
    path.chmod(0o644)


def _make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # whatever the umask says
