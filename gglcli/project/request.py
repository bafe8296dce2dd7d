"""What ``ggl deploy local`` was told, and the request for the runtime that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gglcli.errors import INVALID, NOT_FOUND, USAGE, CliError
from gglcli.project.value import is_value
from gglcli.project.versions import require_version

_FOLDERS = ("recipe_directory_path", "artifacts_directory_path")


@dataclass(frozen=True)
class Local:
    """The options of one command line; what was not given is empty. ``timeout``: seconds for the components to be
    up."""

    paths: Sequence[Path] = ()
    recipe_dir: Path | None = None
    artifact_dir: Path | None = None
    add: Sequence[str] = ()
    """Each ``NAME=VERSION``."""
    remove: Sequence[str] = ()
    config: str = ""
    run_with: Sequence[str] = ()
    limits: str = ""
    group: str = ""
    policy: str = ""
    timeout: float | None = None
    build: bool = True

    @property
    def places(self) -> list[Path]:
        """The files and folders that the request is made from; of a recipe file, the folder it is in."""
        folders = [path.parent if path.is_file() else path for path in self.paths]
        values = [Path(text) for text in (self.config, self.limits) if text and not is_value(text)]
        return [*folders, *(path for path in (self.recipe_dir, self.artifact_dir) if path), *values]


def folders(recipe_dir: Path | None, artifact_dir: Path | None) -> dict[str, str]:
    """The members of a request that name them. Raises ``CliError`` for one that is no folder."""
    both = zip(_FOLDERS, (recipe_dir, artifact_dir), strict=True)
    return {key: str(_folder(folder)) for key, folder in both if folder}


@contextmanager
def request_for(options: Local) -> Iterator[dict[str, Any]]:
    """The request; the folders that it names exist while the context is open. Raises ``CliError``."""
    request: dict[str, Any] = {"root_component_versions_to_add": _versions(options.add)}
    if options.remove:
        request["root_components_to_remove"] = list(options.remove)
    if options.group:
        request["group_name"] = options.group
    if options.policy:
        request["failure_handling_policy"] = options.policy
    if options.timeout is not None:
        request["timeout"] = options.timeout
    request.update(folders(options.recipe_dir, options.artifact_dir))
    if not options.paths:
        yield _complete(request, options)
        return
    from gglcli.project.detect import detect
    from gglcli.project.stage import Stage

    components = [component for path in options.paths for component in detect(path, options.build)]
    with Stage() as stage:
        for component in components:
            stage.add(component)
            request["root_component_versions_to_add"][component.name] = component.version
        request.update(zip(_FOLDERS, (str(stage.recipes), str(stage.artifacts)), strict=True))
        yield _complete(request, options)


def digest(request: dict[str, Any]) -> str:
    """Changes whenever the request, or any file in its folders, does; where the folders are does not count."""
    rest = {key: value for key, value in request.items() if key not in _FOLDERS}
    whole = hashlib.sha256(repr(rest).encode())
    for key in _FOLDERS:
        folder = Path(request.get(key, ""))
        for path in sorted(folder.rglob("*")) if key in request else ():
            if path.is_file():
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                whole.update(f"{path.relative_to(folder)}\0{path.stat().st_mode & 0o111}\0{content}\n".encode())
    return whole.hexdigest()


def _complete(request: dict[str, Any], options: Local) -> dict[str, Any]:
    components = list(request["root_component_versions_to_add"])
    for name in options.remove:
        if name in components:
            raise CliError(f"{name} is to be deployed and to be removed", USAGE, hint="leave out one of the two")
    if options.config:
        from gglcli.project.configuration import read_configuration

        request["component_to_configuration"] = read_configuration(options.config, components)
    if options.run_with or options.limits:
        from gglcli.project.run_with import read_run_with

        request["component_to_run_with_info"] = read_run_with(options.run_with, options.limits, components)
    return request


def _versions(entries: Sequence[str]) -> dict[str, str]:
    versions = {}
    for entry in entries:
        name, equals, version = entry.partition("=")
        if not (name and equals and version):
            raise CliError(f"'{entry}' is not NAME=VERSION", USAGE, hint="for example com.example.Hello=1.0.0")
        require_version(name, version)
        versions[name] = version
    return versions


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise CliError(f"{path} is not a folder", INVALID if path.exists() else NOT_FOUND)
    return path.absolute()
