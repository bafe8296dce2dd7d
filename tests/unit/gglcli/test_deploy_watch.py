"""``ggl deploy local --watch``: rounds, what makes one, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gglcli.project.changes import changed_files, next_change, snapshot
from tests.unit.gglcli.test_deploy import FAILURE, RECIPE, SUCCESS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "hello"
    path.mkdir()
    (path / "recipe.yaml").write_text(RECIPE)
    (path / "hello.sh").write_text("echo hello")
    return path


@pytest.fixture
def edits(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What happens between the rounds, and then Ctrl-C; the real thing looks at the files."""

    def make(*steps: Callable[[], object]) -> None:
        todo = list(steps)

        def edit_and_look(places: Sequence[Path], before: object) -> object:
            if not todo:
                raise KeyboardInterrupt
            todo.pop(0)()
            return next_change(places, before)  # type: ignore[arg-type]

        monkeypatch.setattr("gglcli.redeploy.next_change", edit_and_look)

    return make


def test_a_saved_file_is_a_round_and_ctrl_c_ends_it(ggl, runtime, folder, edits) -> None:
    runtime.progress = SUCCESS
    edits(lambda: (folder / "hello.sh").write_text("echo hello again"))
    result = ggl("deploy", "local", str(folder), "--watch")
    assert result.code == 130
    assert result.err == f"watching {folder}; Ctrl-C ends it\n"
    assert len(runtime.calls) == 2
    assert f" changed: {folder}/hello.sh\n" in result.out
    assert result.out.count("SUCCEEDED in 2.0s") == 2


def test_the_same_text_or_another_file_deploys_nothing(ggl, runtime, folder, edits) -> None:
    (folder / "recipe.yaml").write_text(RECIPE + '    Artifacts: [{URI: "s3://b/hello.sh"}]\n')
    runtime.progress = SUCCESS
    edits(lambda: (folder / "hello.sh").touch(), lambda: (folder / "README").write_text("read me"))
    result = ggl("deploy", "local", str(folder), "-w")
    assert len(runtime.calls) == 1
    assert result.out.count("nothing to deploy") == 2


def test_after_a_failure_the_same_text_is_tried_again(ggl, runtime, folder, edits) -> None:
    runtime.progress = FAILURE
    edits(lambda: (folder / "hello.sh").touch())
    result = ggl("deploy", "local", str(folder), "--watch", "--json")
    first, second = (json.loads(line) for line in result.out.splitlines())
    assert (first["changed"], first["deployment"]["status"], first["error"]["code"]) == (
        [],
        "FAILED",
        "DEPLOYMENT_FAILED",
    )
    assert second["changed"] == [str(folder / "hello.sh")]
    assert len(runtime.calls) == 2


def test_a_broken_recipe_is_told_and_the_next_save_is_a_round(ggl, runtime, folder, edits) -> None:
    runtime.progress = SUCCESS
    edits(lambda: (folder / "recipe.yaml").write_text("}"), lambda: (folder / "recipe.yaml").write_text(RECIPE + "\n"))
    result = ggl("deploy", "local", str(folder), "--watch")
    assert "recipe.yaml" in result.err
    assert result.err.count("error:") == 1
    assert len(runtime.calls) == 2


def test_what_a_build_leaves_behind_is_no_reason_to_build_again(folder, runtime, root) -> None:
    from gglcli.errors import CliError
    from gglcli.project.request import Local
    from gglcli.redeploy import Rounds

    build = '{"build_system": "custom", "custom_build_command": ["sh", "-c", "date +%N > built; exit 1"]}'
    (folder / "gdk-config.json").write_text(f'{{"component": {{"com.example.Hello": {{"build": {build}}}}}}}')
    rounds = Rounds(Local([folder]))
    with pytest.raises(CliError, match="ended with status 1"):
        rounds.run()
    assert rounds.files == snapshot([folder])


def test_without_a_runtime_or_files_there_is_nothing_to_watch(ggl, root, folder) -> None:
    assert ggl("deploy", "local", str(folder), "--watch").code == 3
    assert ggl("deploy", "local", "/no/such/folder", "--watch").code == 4


def test_files_that_are_new_gone_or_different_and_those_that_do_not_count(tmp_path) -> None:
    for name in ("same", "gone", "other", ".hidden"):
        (tmp_path / name).write_text("x")
    before = snapshot([tmp_path])
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("x")
    (tmp_path / "other").write_text("xy")
    (tmp_path / ".hidden").write_text("xy")
    (tmp_path / "greengrass-build").mkdir()
    (tmp_path / "greengrass-build" / "x").write_text("x")
    names = [path.name for path in changed_files(before, next_change([tmp_path], before))]
    assert names == ["gone", "new", "other"]
