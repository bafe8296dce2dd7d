"""Read a recipe file into the model, or say everything that is wrong with it.

Key names are accepted in any case, unknown keys are ignored (a newer recipe still loads), and what the format calls
optional is. Lifecycles are kept as written here: which part applies and whether its steps are valid is known only for
one device, see ``lifecycle``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ggl.recipe.fields import Fields, scalar_text
from ggl.recipe.model import (
    COMPONENT_TYPES,
    DOCKER,
    FORMAT_VERSION,
    GENERIC,
    PERMISSIONS,
    SCHEMES,
    UNARCHIVE,
    Artifact,
    Dependency,
    Manifest,
    Problem,
    Recipe,
    RecipeError,
)
from ggl.recipe.syntax import SIZE_LIMIT, child, parse_text
from ggl.recipe.version import VersionError, check_version, parse_requirement
from ggl.values import describe

SUFFIXES = (".yaml", ".yml", ".json")
NAME_LIMIT = 128
_NAME = re.compile(r"[a-zA-Z0-9_.-]+")


def is_recipe_file(path: Path) -> bool:
    """Whether the name of ``path`` is one of a recipe file."""
    return path.suffix.lower() in SUFFIXES


def load_recipe(path: Path) -> Recipe:
    """Read the recipe in ``path``; its format follows from the extension.

    Raises ``RecipeError`` for a file that cannot be read, is too large or is no valid recipe.
    """
    if not is_recipe_file(path):
        raise RecipeError(Problem("", f"is no recipe by its name: use one of {', '.join(SUFFIXES)}"), str(path))
    try:
        with path.open("rb") as stream:
            text = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        raise RecipeError(Problem("", f"cannot be read: {error.strerror}", "IO_READ_ERROR"), str(path)) from error
    return parse_recipe(text, file=str(path), json_format=path.suffix.lower() == ".json")


def parse_recipe(text: str | bytes, *, file: str = "", json_format: bool = False) -> Recipe:
    """Read a recipe from its text. ``file`` is what messages call it. Raises ``RecipeError``."""
    try:
        data = parse_text(text, json_format=json_format)
    except RecipeError as error:
        raise RecipeError(error.problems, file) from None
    return recipe_from_data(data, file=file)


def recipe_from_data(data: Any, *, file: str = "") -> Recipe:
    """Make a recipe of plain data (a parsed file, or what the cloud sent). Raises ``RecipeError``."""
    if not isinstance(data, dict):
        found = "the file is empty" if data is None else f"must be a map, not {describe(data)}"
        raise RecipeError(Problem("", f"{found}: a recipe begins with RecipeFormatVersion and ComponentName"), file)
    problems: list[Problem] = []
    fields = Fields(data, "", problems)
    version = fields.text("RecipeFormatVersion", FORMAT_VERSION, required=f"write '{FORMAT_VERSION}'")
    if version != FORMAT_VERSION:
        fields.wrong("RecipeFormatVersion", f"must be '{FORMAT_VERSION}', not {version!r}")
    configuration = Fields(fields.raw("ComponentConfiguration"), "ComponentConfiguration", problems)
    recipe = Recipe(
        name=_component_name(fields),
        version=_component_version(fields),
        type=fields.choice("ComponentType", COMPONENT_TYPES, GENERIC),
        description=fields.text("ComponentDescription"),
        publisher=fields.text("ComponentPublisher"),
        source=fields.text("ComponentSource"),
        default_configuration=configuration.mapping("DefaultConfiguration"),
        dependencies=_dependencies(fields),
        manifests=tuple(
            _manifest(item, index, problems)
            for index, item in enumerate(fields.sequence("Manifests"))
            if item is not None
        ),
        lifecycle=fields.mapping("Lifecycle"),
        file=file,
    )
    if fields.raw("Manifests") in (None, []):
        fields.wrong("Manifests", "is missing: at least one manifest says what runs where", "RECIPE_MISSING_MANIFEST")
    if problems:
        raise RecipeError(problems, file)
    return recipe


def check_component_name(name: str) -> str:
    """What is wrong with ``name`` as the name of a component; empty when nothing is."""
    if not name or len(name) > NAME_LIMIT:
        return f"must have 1 to {NAME_LIMIT} characters, not {len(name)}"
    if not _NAME.fullmatch(name):
        return f"may hold letters, digits, '-', '_' and '.' only, not {name!r}"
    if name in (".", ".."):
        return f"must be a name, and {name!r} is a directory"
    return ""


def _component_name(fields: Fields) -> str:
    name = fields.text("ComponentName", required="name the component, for example com.example.Sensor")
    if fields.raw("ComponentName") is not None and (wrong := check_component_name(name)):
        fields.wrong("ComponentName", wrong)
    return name


def _component_version(fields: Fields) -> str:
    version = fields.text("ComponentVersion", required="write one, for example '1.0.0'")
    if version:
        try:
            check_version(version)
        except VersionError as error:
            fields.wrong("ComponentVersion", str(error), "COMPONENT_VERSION_NOT_VALID")
    return version


def _dependencies(fields: Fields) -> tuple[Dependency, ...]:
    found = []
    for name, data in fields.mapping("ComponentDependencies").items():
        path = child("ComponentDependencies", name)
        if wrong := check_component_name(name):
            fields.add(path, f"the name {wrong}", "COMPONENT_DEPENDENCY_NOT_VALID")
        entry = Fields(data, path, fields.problems)
        requirement = entry.text("VersionRequirement", required="write a range, for example '>=1.0.0 <2.0.0', or '*'")
        try:
            parse_requirement(requirement)
        except VersionError as error:
            entry.wrong("VersionRequirement", str(error), "COMPONENT_DEPENDENCY_NOT_VALID")
        kind = entry.choice("DependencyType", ("HARD", "SOFT"), "HARD")
        found.append(Dependency(name, requirement, hard=kind == "HARD"))
    return tuple(found)


def _manifest(data: Any, index: int, problems: list[Problem]) -> Manifest:
    fields = Fields(data, f"Manifests[{index}]", problems)
    return Manifest(
        index=index,
        name=fields.text("Name"),
        platform=_platform(fields),
        lifecycle=fields.mapping("Lifecycle"),
        selections=_selections(fields),
        artifacts=tuple(
            _artifact(item, f"{fields.path}.Artifacts[{number}]", problems)
            for number, item in enumerate(fields.sequence("Artifacts"))
            if item is not None
        ),
    )


def _platform(fields: Fields) -> dict[str, str | None]:
    platform: dict[str, str | None] = {}
    for attribute, value in fields.mapping("Platform").items():
        text = scalar_text(value)
        if text is None and value is not None:
            fields.wrong(f"Platform.{attribute}", f"must be a string, not {describe(value)}")
        platform[attribute] = text
    return platform


def _selections(fields: Fields) -> tuple[str, ...]:
    words = []
    for index, value in enumerate(fields.sequence("Selections")):
        text = scalar_text(value)
        if text is not None:
            words.append(text)
        elif value is not None:
            fields.wrong(f"Selections[{index}]", f"must be a string, not {describe(value)}")
    return tuple(words)


def _artifact(data: Any, path: str, problems: list[Problem]) -> Artifact:
    fields = Fields(data, path, problems)
    permission = Fields(fields.raw("Permission"), f"{path}.Permission", problems)
    # Recipes for nucleus lite count on artifacts without Permission being executable; nothing counts on the opposite.
    execute = "NONE" if fields.raw("Permission") else "OWNER"
    artifact = Artifact(
        uri=fields.text("URI").strip(),
        unarchive=fields.choice("Unarchive", UNARCHIVE, "NONE"),
        read=permission.choice("Read", PERMISSIONS, "OWNER"),
        execute=permission.choice("Execute", PERMISSIONS, execute),
        digest=fields.text("Digest"),
        algorithm=fields.text("Algorithm"),
    )
    scheme, colon, rest = artifact.uri.partition(":")
    known = "use s3://bucket/key, greengrass:name/file or docker:image"
    if not artifact.uri:
        fields.wrong("URI", f"is missing: {known}", "EMPTY_ARTIFACT_URI")
    elif not colon or not scheme:
        fields.wrong("URI", f"{artifact.uri!r} has no scheme: {known}", "EMPTY_ARTIFACT_SCHEME")
    elif scheme.lower() not in SCHEMES:
        fields.wrong("URI", f"scheme '{scheme}:' is not supported: {known}", "UNSUPPORTED_ARTIFACT_SCHEME")
    elif scheme.lower() == "s3" and not re.fullmatch(r"//[^/]+/.*[^/]", rest, re.DOTALL):
        fields.wrong("URI", "must name a bucket and a file: s3://bucket/path/file", "S3_ARTIFACT_URI_NOT_VALID")
    elif scheme.lower() == DOCKER and not _is_image(rest):
        text = f"{rest!r} is no container image: use docker:registry/name:tag or docker:name@sha256:..."
        fields.wrong("URI", text, "DOCKER_ARTIFACT_URI_NOT_VALID")
    elif not rest or "\0" in rest or (scheme.lower() != DOCKER and artifact.file_name in ("", ".", "..")):
        fields.wrong("URI", f"{artifact.uri!r} does not end in a file name: {known}", "ARTIFACT_URI_NOT_VALID")
    return artifact


def _is_image(reference: str) -> bool:
    from ggl.recipe.image import parse_image  # few recipes have any

    return parse_image(reference) is not None
