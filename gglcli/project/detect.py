"""What a path on the command line is, and the components in it.

In this order: a recipe file; a GDK project (``gdk-config.json``); a folder with ``recipes/`` and ``artifacts/``; a
folder with one recipe and its files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gglcli.errors import INVALID, NOT_FOUND, CliError
from gglcli.project import gdk
from gglcli.project.ignore import walk
from gglcli.project.source import Component, File

if TYPE_CHECKING:
    from ggl.recipe.model import Recipe

SUFFIXES = (".yaml", ".yml", ".json")


def detect(path: Path, build: bool = True) -> list[Component]:
    """The components at ``path``. ``build``: build a GDK project, else take what is built. Raises ``CliError``."""
    if path.is_file():
        return [_plain(path.parent, path)]
    if not path.is_dir():
        raise CliError(f"there is no file or folder {path}", NOT_FOUND)
    if (path / gdk.CONFIG).is_file():
        return [_gdk(path, build)]
    if (path / "recipes").is_dir() and not _recipes(path):
        return _staged(path)
    return [_plain(path, _only_recipe(path))]


def _plain(folder: Path, recipe_file: Path) -> Component:
    """A folder with one recipe: declared artifacts by name, or else every file."""
    text = _read(recipe_file)
    recipe = parse(text, recipe_file)
    files = _declared(recipe, [folder], recipe_file)
    if files is None:
        files = [
            File(path.relative_to(folder).as_posix(), path)
            for path in walk(folder)
            if path not in (recipe_file, folder / gdk.CONFIG)
        ]
    return Component(recipe.name, recipe.version, text, _suffix(recipe_file), files)


def _gdk(folder: Path, build: bool) -> Component:
    project = gdk.load(folder)
    recipe_file = _only_recipe(folder)
    version = gdk.local_version(project, _read(recipe_file))
    if build:
        gdk.run_build(project, recipe_file)
    elif not project.build.is_dir() and not (folder / gdk.ZIP_BUILD).is_dir():
        raise CliError(f"{folder} has not been built yet", NOT_FOUND, hint="leave out --no-build, or run its build")
    # A custom build, and GDK itself, leave the recipe beside the artifacts; it may differ from the source.
    use_built = project.system == "custom" or not build
    built = _recipes(project.build / "recipes") if use_built else []
    source = built[0] if built else recipe_file
    text = gdk.fill_in(project, _read(source), version)
    recipe = parse(text, source)
    if recipe.name != project.name and "{" not in project.name:
        raise CliError(f"{source} is of '{recipe.name}', but {gdk.CONFIG} is of '{project.name}'", INVALID)
    folders = gdk.output_folders(project)
    files = _declared(recipe, folders, source)
    if files is None:
        files = [
            File(path.relative_to(output).as_posix(), path)
            for output in folders[:1]
            if output != folder
            for path in walk(output)
        ]
    return Component(recipe.name, recipe.version, text, _suffix(source), files)


def _staged(folder: Path) -> list[Component]:
    """A folder with ``recipes/`` and ``artifacts/``: of each component the highest version."""
    from ggl.recipe.version import parse_version

    found: dict[str, tuple[Path, str, Recipe]] = {}
    for file in _recipes(folder / "recipes"):
        text = _read(file).replace(gdk.NEXT_PATCH, gdk.LOCAL_VERSION)
        recipe = parse(text, file)
        known = found.get(recipe.name)
        if known is None or parse_version(recipe.version) > parse_version(known[2].version):
            found[recipe.name] = (file, text, recipe)
    if not found:
        raise CliError(f"{folder / 'recipes'} holds no recipe", NOT_FOUND)
    components = []
    for file, text, recipe in found.values():
        versions = folder / "artifacts" / recipe.name
        output = next(
            (versions / name for name in (recipe.version, gdk.NEXT_PATCH) if (versions / name).is_dir()), None
        )
        files = [File(path.relative_to(output).as_posix(), path) for path in walk(output)] if output else []
        if _declared(recipe, [output] if output else [], file) is None or files:
            components.append(Component(recipe.name, recipe.version, text, _suffix(file), files))
    return components


# -- artifacts -----------------------------------------------------------------------------------------------------


def _declared(recipe: Recipe, folders: Sequence[Path], recipe_file: Path) -> list[File] | None:
    """The files for the artifacts that the recipe declares; ``None`` when it declares none."""
    wanted = {
        artifact.file_name: artifact.uri
        for manifest in recipe.manifests
        for artifact in manifest.artifacts
        if artifact.file_name
    }
    if not wanted:
        return None
    needed = _needed_here(recipe)
    files = []
    for name, uri in wanted.items():
        source = _find(name, recipe, folders)
        if source is not None:
            files.append(File(name, source))
        elif name in needed:
            where = ", ".join(str(folder) for folder in folders) or str(recipe_file.parent)
            raise CliError(
                f"{recipe_file} declares the artifact '{name}' ({uri}), which is not in {where}",
                NOT_FOUND,
                hint=f"put it there{f', or a folder {name[:-4]}/ to be zipped' if name.endswith('.zip') else ''}",
            )
    return files


def _needed_here(recipe: Recipe) -> set[str]:
    """File names of the artifacts that this device needs: those of the manifest that suits it."""
    from ggl.recipe.platform import device_attributes, match_manifest

    manifest = match_manifest(recipe, device_attributes())
    return {artifact.file_name for artifact in manifest.artifacts} if manifest else set()


def _find(name: str, recipe: Recipe, folders: Sequence[Path]) -> Path | None:
    for folder in folders:
        store = folder / "artifacts" / recipe.name / recipe.version
        for base in (folder, store, folder / "artifacts"):
            if (base / name).is_file():
                return base / name
    for folder in folders:
        below = [path for path in walk(folder) if path.name == name]
        if len(below) == 1:
            return below[0]
    for folder in folders:
        if name.endswith(".zip") and (folder / name[:-4]).is_dir():
            return folder / name[:-4]
    return None


# -- recipes -------------------------------------------------------------------------------------------------------


def parse(text: str, file: Path) -> Recipe:
    """Raises ``CliError`` that names the file and what is wrong in it."""
    from ggl.recipe.load import parse_recipe
    from ggl.recipe.model import RecipeError

    try:
        recipe = parse_recipe(text, file=str(file), json_format=_suffix(file) == ".json")
        _check_lifecycle(recipe)
        return recipe
    except RecipeError as error:
        raise CliError(f"{file}: {'; '.join(map(str, error.problems))}", INVALID) from None


def _check_lifecycle(recipe: Recipe) -> None:
    """Find mistakes in the steps here, where the file still has the name its author knows. Raises ``RecipeError``."""
    from ggl.recipe.lifecycle import lifecycle_path, parse_lifecycle, select_lifecycle
    from ggl.recipe.model import RecipeError
    from ggl.recipe.platform import device_attributes, match_manifest

    manifest = match_manifest(recipe, device_attributes())
    if manifest is None:
        return  # the device may have attributes that are not known here
    try:
        parse_lifecycle(select_lifecycle(recipe, manifest)[0], path=lifecycle_path(manifest))
    except RecipeError as error:
        # A variable has no value yet: what it stands for is checked on the device.
        problems = [problem for problem in error.problems if "{" not in problem.text]
        if problems:
            raise RecipeError(problems) from None


def _only_recipe(folder: Path) -> Path:
    recipes = _recipes(folder)
    named = [path for path in recipes if path.stem.lower() == "recipe"]
    if len(named or recipes) == 1:
        return (named or recipes)[0]
    if not recipes:
        raise CliError(f"{folder} has no recipe", NOT_FOUND, hint="a component is a folder with a recipe.yaml")
    names = ", ".join(path.name for path in recipes)
    raise CliError(f"{folder} has several recipes: {names}", INVALID, hint="name one: ggl deploy local FILE")


def _recipes(folder: Path) -> list[Path]:
    """The files of ``folder`` that are recipes, whatever they are called."""
    if not folder.is_dir():
        return []
    candidates = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file())
    return [path for path in candidates if path.stem.lower() == "recipe" or _looks_like_recipe(path)]


def _looks_like_recipe(path: Path) -> bool:
    """By its two keys, without parsing: a folder may hold large files of other kinds."""
    with path.open("rb") as file:
        head = file.read(65536).lower()
    return b"recipeformatversion" in head and b"componentname" in head


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"cannot read {file}: {error}", INVALID) from None


def _suffix(file: Path) -> str:
    return ".json" if file.suffix.lower() == ".json" else ".yaml"
