"""From a developer's folder to recipes and artifacts."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from gglcli.errors import CliError
from gglcli.project.configuration import read_configuration
from gglcli.project.detect import detect
from gglcli.project.ignore import glob_pattern
from gglcli.project.source import Component
from gglcli.project.stage import Stage


def recipe(*uris: str, name: str = "com.example.Hello", version: str = "1.0.0") -> str:
    manifest = {
        "Platform": {"os": "linux"},
        "Lifecycle": {"run": "true"},
        "Artifacts": [{"URI": uri} for uri in uris],
    }
    other = {"Platform": {"os": "windows"}, "Artifacts": [{"URI": "s3://bucket/windows-only.exe"}]}
    return json.dumps(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "Manifests": [manifest, other] if uris else [manifest],
        }
    )


def make(folder: Path, **files: str) -> Path:
    """Files by name, in which ``__`` is a dot and ``___`` a slash."""
    for name, text in files.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def staged(components: list[Component]) -> dict[str, bytes]:
    with Stage() as stage:
        for component in components:
            stage.add(component)
        return {
            path.relative_to(stage.directory).as_posix(): path.read_bytes()
            for path in sorted(stage.directory.rglob("*"))
            if path.is_file()
        }


STORE = "artifacts/com.example.Hello/1.0.0"


def test_without_declared_artifacts_every_file_becomes_one(tmp_path: Path) -> None:
    make(tmp_path, recipe__json=recipe(), main__py="x", lib___util__py="y", __hidden="h", __git___config="g")
    make(tmp_path, __pycache_____a__pyc="c")
    make(tmp_path, env___pyvenv__cfg="v", env___lib__py="v")
    make(tmp_path, greengrass_build="not the folder")
    make(tmp_path / "greengrass-build", a="b")
    (tmp_path / "__pycache__").mkdir(exist_ok=True)
    (tmp_path / "__pycache__" / "a.pyc").write_text("c")
    files = set(staged(detect(tmp_path)))
    assert {f"{STORE}/main.py", f"{STORE}/lib/util.py", "recipes/com.example.Hello-1.0.0.json"} <= files
    assert not any(part in name for name in files for part in ("hidden", ".git", "pyc", "env/", "greengrass-build"))


def test_declared_artifacts_are_found_by_name_and_nothing_else_is_taken(tmp_path: Path) -> None:
    make(tmp_path, component__json=recipe("s3://bucket/some/where/main.py"), src___main__py="x", other__py="y")
    assert set(staged(detect(tmp_path))) == {"recipes/com.example.Hello-1.0.0.json", f"{STORE}/main.py"}


def test_a_declared_zip_is_made_of_the_folder_of_its_name(tmp_path: Path) -> None:
    make(tmp_path, recipe__json=recipe("s3://bucket/app.zip"), app___main__py="x", app___lib___a__py="y")
    files = staged(detect(tmp_path))
    (tmp_path / "out.zip").write_bytes(files[f"{STORE}/app.zip"])
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["main.py", "lib/a.py"]


def test_a_missing_artifact_is_told_with_what_to_do(tmp_path: Path) -> None:
    make(tmp_path, recipe__json=recipe("s3://bucket/app.zip"))
    with pytest.raises(CliError, match=r"declares the artifact 'app.zip'.*which is not in") as caught:
        detect(tmp_path)
    assert caught.value.exit_code == 4
    assert "app/ to be zipped" in caught.value.hint


def test_a_recipe_file_may_be_named_itself(tmp_path: Path) -> None:
    make(tmp_path, one__json=recipe(), two__json=recipe(name="com.example.Two"))
    with pytest.raises(CliError, match=r"several recipes: one\.json, two\.json"):
        detect(tmp_path)
    assert detect(tmp_path / "two.json")[0].name == "com.example.Two"


def test_a_folder_without_a_recipe_is_told(tmp_path: Path) -> None:
    make(tmp_path, settings__json="{}")
    with pytest.raises(CliError, match="has no recipe"):
        detect(tmp_path)


def test_an_invalid_recipe_is_told_by_file_and_place(tmp_path: Path) -> None:
    make(tmp_path, recipe__yaml="RecipeFormatVersion: 2020-01-25\nComponentName: x\nManifests: []\n")
    with pytest.raises(CliError, match=r"recipe.yaml: ComponentVersion.*; Manifests") as caught:
        detect(tmp_path)
    assert caught.value.exit_code == 5


def test_an_invalid_step_is_told_by_the_name_that_its_author_gave_the_file(tmp_path: Path) -> None:
    make(tmp_path, recipe__json=recipe().replace('"true"', '{"Skript": "true"}'))
    with pytest.raises(CliError, match=r"recipe.json: Manifests\[0\].Lifecycle.run.Script: is missing"):
        detect(tmp_path)


def test_a_variable_in_a_step_is_left_to_the_device(tmp_path: Path) -> None:
    step = '{"Script": "true", "Timeout": "{configuration:/limit}"}'
    assert detect(make(tmp_path, recipe__json=recipe().replace('"true"', step)))


def test_recipes_and_artifacts_folders_give_the_highest_versions(tmp_path: Path) -> None:
    make(
        tmp_path,
        recipes___a__json=recipe(version="1.9.0"),
        recipes___b__json=recipe("s3://b/main.py", version="1.10.0"),
        recipes___c__json=recipe(name="com.example.Dep"),
    )
    store = tmp_path / "artifacts" / "com.example.Hello" / "1.10.0"
    store.mkdir(parents=True)
    (store / "main.py").write_text("x")
    found = {component.name: component.version for component in detect(tmp_path)}
    assert found == {"com.example.Hello": "1.10.0", "com.example.Dep": "1.0.0"}
    assert "artifacts/com.example.Hello/1.10.0/main.py" in staged(detect(tmp_path))


# -- GDK projects --------------------------------------------------------------------------------------------------

GDK_RECIPE = """\
RecipeFormatVersion: '2020-01-25'
ComponentName: "{COMPONENT_NAME}"
ComponentVersion: "{COMPONENT_VERSION}"
ComponentPublisher: "{COMPONENT_AUTHOR}"
Manifests:
  - Lifecycle:
      run: python3 {artifacts:decompressedPath}/app/main.py $COMPONENT_NAME
    Artifacts:
      - URI: "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/app.zip"
        Unarchive: ZIP
"""


def gdk(folder: Path, version: str = "NEXT_PATCH", **build: object) -> Path:
    build = {"build_system": "zip", "options": {"zip_name": "app", "excludes": ["notes.txt", "**/*.md"]}, **build}
    config = {"component": {"com.example.Gdk": {"author": "Me", "version": version, "build": build}}}
    (folder / "gdk-config.json").write_text(json.dumps(config))
    if not (folder / "recipe.yaml").exists():
        (folder / "recipe.yaml").write_text(GDK_RECIPE)
    return folder


def test_a_gdk_project_is_zipped_with_its_placeholders_filled_in(tmp_path: Path) -> None:
    make(
        gdk(tmp_path),
        main__py="x",
        lib___a__py="y",
        lib___README__md="no",
        notes__txt="no",
        lib___notes__txt="yes",
        tests___t__py="no",
        node_modules___m__js="no",
    )
    (component,) = detect(tmp_path)
    assert (component.name, component.version) == ("com.example.Gdk", "1.0.0")
    assert 'ComponentPublisher: "Me"' in component.recipe
    assert "s3://BUCKET_NAME/com.example.Gdk/1.0.0/app.zip" in component.recipe
    assert "$COMPONENT_NAME" in component.recipe  # not a placeholder: a variable of the script
    names = zipfile.ZipFile(tmp_path / "zip-build" / "app.zip").namelist()
    assert names == ["main.py", "lib/a.py", "lib/notes.txt"]


def test_the_configured_version_wins_over_next_patch(tmp_path: Path) -> None:
    (component,) = detect(gdk(tmp_path, version="2.3.4"))
    assert component.version == "2.3.4"


def test_next_patch_becomes_the_version_that_the_recipe_names(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(GDK_RECIPE.replace('"{COMPONENT_VERSION}"', "3.1.0"))
    (component,) = detect(gdk(tmp_path))
    assert component.version == "3.1.0"


def test_a_custom_build_is_run_and_its_next_patch_folder_is_found(tmp_path: Path) -> None:
    script = (
        "mkdir -p greengrass-build/recipes greengrass-build/artifacts/com.example.Gdk/NEXT_PATCH && "
        "cp recipe.yaml greengrass-build/recipes/ && "
        "echo zip > greengrass-build/artifacts/com.example.Gdk/NEXT_PATCH/app.zip"
    )
    gdk(tmp_path, build_system="custom", custom_build_command=["sh", "-c", script])
    assert staged(detect(tmp_path))["artifacts/com.example.Gdk/1.0.0/app.zip"] == b"zip\n"
    gdk(tmp_path, build_system="custom", custom_build_command="false")
    assert staged(detect(tmp_path, build=False))["artifacts/com.example.Gdk/1.0.0/app.zip"] == b"zip\n"
    with pytest.raises(CliError, match="false ended with status 1"):
        detect(tmp_path)


def test_a_build_tool_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CliError, match="cannot run mvn"):
        detect(gdk(tmp_path, build_system="maven"))


def test_an_unusable_gdk_config_is_told(tmp_path: Path) -> None:
    make(tmp_path, recipe__yaml=GDK_RECIPE)
    for text in ("{", "[]", '{"component": {}}', '{"component": {"a": {"build": {"build_system": "make"}}}}'):
        (tmp_path / "gdk-config.json").write_text(text)
        with pytest.raises(CliError, match=r"gdk-config.json") as caught:
            detect(tmp_path)
        assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*.txt", ["a.txt"], ["b/a.txt"]),
        ("**/*.txt", ["a.txt", "b/c/a.txt"], ["a.md"]),
        ("**/test*", ["test", "a/tests"], ["a/latest"]),
        ("build/[!a].o", ["build/b.o"], ["build/a.o"]),
    ],
)
def test_exclude_patterns_are_relative_to_the_project(glob: str, matching: list[str], other: list[str]) -> None:
    assert all(glob_pattern(glob).fullmatch(path) for path in matching)
    assert not any(glob_pattern(glob).fullmatch(path) for path in other)


# -- --config ------------------------------------------------------------------------------------------------------


def test_configuration_is_read_in_every_form(tmp_path: Path) -> None:
    one = ["com.example.Hello"]
    merge = {"com.example.Hello": {"MERGE": {"rate": 5}}}
    assert read_configuration('{"com.example.Hello": {"MERGE": {"rate": 5}}}', one) == merge
    assert read_configuration('{"com.example.Hello": {"rate": 5}}', one) == merge
    assert read_configuration('{"rate": 5}', one) == merge
    assert read_configuration('{"merge": {"rate": 5}}', one) == merge
    assert read_configuration('{"RESET": ["/a"]}', one) == {"com.example.Hello": {"RESET": ["/a"]}}
    assert read_configuration('{"other": {"MERGE": {"a": 1}}}', one) == {"other": {"MERGE": {"a": 1}}}
    (tmp_path / "c.yaml").write_text("com.example.Hello:\n  rate: 5\n")
    assert read_configuration(str(tmp_path / "c.yaml"), one) == merge


@pytest.mark.parametrize("text", ["/no/such/file", "[1]", "{broken", '{"a": {"MERGE": 1}}', '{"a": {"RESET": "/x"}}'])
def test_configuration_that_makes_no_sense_is_told(text: str) -> None:
    with pytest.raises(CliError, match="--config"):
        read_configuration(text, ["a", "b"])
