"""GDK projects: a folder with ``gdk-config.json``, as made by the Greengrass Development Kit.

What ``gdk component build`` does is done here for the build system ``zip``; for the others their tool is run, with its
output shown. The version ``NEXT_PATCH`` stands for a number that only the cloud knows: locally it becomes the version
that the recipe names, or 1.0.0.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggl.values import InvalidValue, get_dict, get_str, get_str_list
from gglcli.errors import FAILURE, INVALID, NOT_FOUND, CliError

CONFIG = "gdk-config.json"
NEXT_PATCH = "NEXT_PATCH"
LOCAL_VERSION = "1.0.0"
BUILD = "greengrass-build"
ZIP_BUILD = "zip-build"
DEFAULT_EXCLUDES = ("**/test*", "**/.*", "**/node_modules")
TOOLS = {"maven": ["mvn", "clean", "package"], "gradle": ["gradle", "clean", "build"]}
TOOLS["gradlew"] = ["./gradlew", "clean", "build"]
OUTPUTS = {"maven": ["**/target"], "gradle": ["**/build/libs"], "gradlew": ["**/build/libs"]}

_VERSION = re.compile(
    r"""^["']?ComponentVersion["']?\s*:\s*["']?(\d+\.\d+\.\d+[^\s"',]*)""", re.MULTILINE | re.IGNORECASE
)
_URI = re.compile(r"""[A-Za-z0-9]+://[^\s"']+""")


@dataclass(frozen=True)
class Project:
    """What ``gdk-config.json`` says."""

    folder: Path
    name: str
    author: str
    version: str
    """As configured: a version or ``NEXT_PATCH``."""
    system: str
    command: list[str]
    excludes: list[str]
    zip_name: str
    """Name of the archive without ``.zip``."""

    @property
    def build(self) -> Path:
        return self.folder / BUILD


def load(folder: Path) -> Project:
    """Raises ``CliError`` when ``gdk-config.json`` cannot be used."""
    path = folder / CONFIG
    try:
        data = json.loads(path.read_text())
        components = get_dict(data, "component")
        if len(components) != 1:
            raise InvalidValue(f"'component' must hold exactly one component, not {len(components)}")
        name, component = next(iter(components.items()))
        build = get_dict(component, "build", {})
        options = get_dict(build, "options", {})
        zip_name = options.get("zip_name")
        return Project(
            folder=folder,
            name=name,
            author=get_str(component, "author", ""),
            version=get_str(component, "version", NEXT_PATCH),
            system=get_str(build, "build_system", "zip"),
            command=_command(build),
            excludes=get_str_list(options, "excludes", []),
            zip_name=folder.absolute().name if zip_name is None else str(zip_name) or name,
        )
    except (ValueError, AttributeError) as error:
        raise CliError(f"{path}: {error}", INVALID) from None


def local_version(project: Project, recipe: str) -> str:
    """The version to deploy: the configured one, else the one the recipe names, else 1.0.0."""
    if project.version != NEXT_PATCH:
        return project.version
    found = _VERSION.search(recipe)
    return found.group(1) if found else LOCAL_VERSION


def fill_in(project: Project, recipe: str, version: str) -> str:
    """The recipe with GDK's placeholders replaced: in braces anywhere, and bare inside artifact URIs."""
    values = {"COMPONENT_NAME": project.name, "COMPONENT_VERSION": version, "COMPONENT_AUTHOR": project.author}
    for placeholder, value in values.items():
        recipe = recipe.replace("{" + placeholder + "}", value)

    def fill_uri(match: re.Match[str]) -> str:
        uri = match.group()
        for placeholder, value in values.items():
            uri = uri.replace(placeholder, value)
        return uri

    return _URI.sub(fill_uri, recipe).replace(NEXT_PATCH, version)


def run_build(project: Project, recipe: Path) -> None:
    """Build the project; the output of its tool goes to stderr. Raises ``CliError`` when that fails."""
    if project.system == "zip":
        _zip(project, recipe)
    elif project.system == "custom":
        _run(project, project.command)
    elif project.system in TOOLS:
        _run(project, TOOLS[project.system])
    else:
        raise CliError(
            f"{project.folder / CONFIG}: unknown build_system '{project.system}'",
            INVALID,
            hint="use zip, maven, gradle, gradlew or custom",
        )


def output_folders(project: Project) -> list[Path]:
    """Where the build leaves its files, the most likely place first."""
    patterns = OUTPUTS.get(project.system, [])
    built = [path for pattern in patterns for path in sorted(project.folder.glob(pattern)) if path.is_dir()]
    artifacts = project.build / "artifacts" / project.name
    versions = sorted(artifacts.iterdir()) if artifacts.is_dir() else []
    return [*versions, project.folder / ZIP_BUILD, *built, project.folder]


def _command(build: dict[str, Any]) -> list[str]:
    command = build.get("custom_build_command", [])
    if isinstance(command, str):
        return shlex.split(command)
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        return command
    raise InvalidValue("'custom_build_command' must be a string or a list of strings")


def _zip(project: Project, recipe: Path) -> None:
    from gglcli.project.stage import write_zip

    target = project.folder / ZIP_BUILD
    target.mkdir(exist_ok=True)
    excludes = [CONFIG, recipe.name, BUILD, ZIP_BUILD, *DEFAULT_EXCLUDES, *project.excludes]
    write_zip(target / f"{project.zip_name}.zip", project.folder, excludes)


def _run(project: Project, command: list[str]) -> None:
    if not command:
        raise CliError(f"{project.folder / CONFIG}: build_system custom needs custom_build_command", INVALID)
    sys.stdout.flush()
    try:
        # stdout carries the result of ggl, so what the tool prints goes to stderr.
        result = subprocess.run(command, cwd=project.folder, stdout=sys.stderr.fileno(), check=False)
    except OSError as error:
        raise CliError(
            f"cannot run {command[0]}: {error.strerror}", NOT_FOUND, hint="install it, or use --no-build"
        ) from None
    if result.returncode:
        raise CliError(
            f"{shlex.join(command)} ended with status {result.returncode}", FAILURE, hint="see its output above"
        )
