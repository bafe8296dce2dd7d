"""``ggl deploy`` and ``ggl component``: what the runtime is asked, and how progress and failures are told."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPE = """\
RecipeFormatVersion: "2020-01-25"
ComponentName: com.example.Hello
ComponentVersion: "1.2.0"
Manifests:
  - Lifecycle: {run: sh {artifacts:path}/hello.sh}
""".replace("{run: sh {artifacts:path}/hello.sh}", '{run: "sh {artifacts:path}/hello.sh"}')

SUCCESS = [
    {"status": "IN_PROGRESS", "message": "starting com.example.Hello"},
    {"states": {"com.example.Hello": "STARTING"}},
    {"states": {"com.example.Hello": "RUNNING"}},
    {"status": "SUCCEEDED", "finished": 1_795_315_202_000, "message": "every component is up"},
]
FAILURE = [
    {"status": "IN_PROGRESS", "message": "starting"},
    {"states": {"com.example.Hello": "BROKEN"}},
    {
        "status": "FAILED",
        "finished": 1_795_315_202_000,
        "broken": ["com.example.Hello"],
        "cause": "com.example.Hello is broken",
    },
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "hello"
    path.mkdir()
    (path / "recipe.yaml").write_text(RECIPE)
    (path / "hello.sh").write_text("echo hello")
    return path


def test_a_folder_is_staged_for_the_runtime_and_removed_again(ggl, runtime, folder) -> None:
    staged = []

    def look(request) -> None:
        recipes, artifacts = Path(request["recipe_directory_path"]), Path(request["artifacts_directory_path"])
        script = artifacts / "com.example.Hello" / "1.2.0" / "hello.sh"
        staged.append((sorted(p.name for p in recipes.iterdir()), script.read_text(), recipes))
        for path in (recipes.parent, recipes, script.parent):
            assert path.stat().st_mode & 0o555 == 0o555

    runtime.on_create = look
    runtime.progress = SUCCESS
    result = ggl("deploy", "local", str(folder))
    assert result.code == 0
    assert runtime.calls[0][1]["root_component_versions_to_add"] == {"com.example.Hello": "1.2.0"}
    names, text, recipes = staged[0]
    assert (names, text) == (["com.example.Hello-1.2.0.yaml"], "echo hello")
    assert not recipes.parent.exists()


def test_progress_in_a_pipe_is_a_line_for_each_change(ggl, runtime, folder) -> None:
    runtime.progress = SUCCESS
    assert ggl("deploy", "local", str(folder)).out.splitlines() == [
        "deployment 3f9a0000-0000-4000-8000-000000000001 QUEUED",
        "waiting for its turn",
        "starting com.example.Hello",
        "com.example.Hello 1.2.0 STARTING",
        "com.example.Hello 1.2.0 RUNNING",
        "deployment 3f9a0000-0000-4000-8000-000000000001 SUCCEEDED in 2.0s",
    ]


def test_with_json_there_is_only_the_outcome(ggl, runtime, folder) -> None:
    runtime.progress = SUCCESS
    result = ggl("deploy", "local", str(folder), "--json")
    assert result.json["status"] == "SUCCEEDED"
    assert result.err == ""


def test_a_failure_names_the_broken_and_shows_what_they_logged_since(ggl, runtime, folder) -> None:
    runtime.root.logs.mkdir(parents=True)
    lines = ["2026-11-22T02:39:00.000000Z INFO long ago"]
    lines += [f"2026-11-22T02:40:{second:02d}.000000Z WARN line {second}" for second in range(1, 15)]
    (runtime.root.logs / "com.example.Hello.log").write_text("\n".join(lines) + "\n")
    runtime.progress = FAILURE
    result = ggl("deploy", "local", str(folder))
    assert result.code == 8
    assert "failed: com.example.Hello is broken; see 'ggl logs com.example.Hello'" in result.err
    shown = [line.split()[-2:] for line in result.err.splitlines() if "WARN" in line]
    assert shown == [["line", str(second)] for second in range(5, 15)]
    runtime.deployments.clear()
    assert ggl("deploy", "local", str(folder), "--json").json["logs"]["com.example.Hello"][-1].endswith("line 14")


def test_no_wait_returns_at_once(ggl, runtime, folder) -> None:
    result = ggl("deploy", "local", str(folder), "--no-wait", "--json")
    assert result.code == 0
    assert result.json == {"deployment_id": "3f9a0000-0000-4000-8000-000000000001", "status": "QUEUED"}


def test_a_deployment_that_takes_too_long_goes_on(ggl, runtime, folder) -> None:
    ggl("deploy", "local", str(folder), "--no-wait")
    result = ggl("deploy", "wait", "--timeout", "0.1")
    assert result.code == 6
    assert "goes on; follow it with 'ggl deploy wait 3f9a0000" in result.err
    again = ggl("deploy", "wait", "last", "--timeout", "0.1", "--json")
    assert again.json == {"deployment_id": "3f9a0000-0000-4000-8000-000000000001", "status": "IN_PROGRESS"}
    assert again.error["code"] == "TIMEOUT"


def test_ctrl_c_says_that_it_goes_on(ggl, runtime, folder, monkeypatch) -> None:
    def interrupt(*_arguments) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gglcli.deployment._follow", interrupt)
    result = ggl("deploy", "local", str(folder))
    assert result.code == 130
    assert "goes on" in result.err


def test_directories_versions_and_the_rest_are_passed_on(ggl, runtime, tmp_path) -> None:
    runtime.progress = SUCCESS
    deployed_to(runtime, "thinggroup/lab", "old")
    (tmp_path / "r").mkdir()
    (tmp_path / "a").mkdir()
    words = ["-r", str(tmp_path / "r"), "-a", str(tmp_path / "a"), "-c", "com.example.Hello=1.2.0", "--remove", "old"]
    result = ggl(
        "deploy", "local", *words, "--group", "lab", "--rollback", "--config", '{"rate": 5}', "--timeout", "90"
    )
    assert result.code == 0
    request = runtime.calls[0][1]
    del request["requested_by"]
    assert request == {
        "root_component_versions_to_add": {"com.example.Hello": "1.2.0"},
        "root_components_to_remove": ["old"],
        "recipe_directory_path": str(tmp_path / "r"),
        "artifacts_directory_path": str(tmp_path / "a"),
        "group_name": "lab",
        "failure_handling_policy": "ROLLBACK",
        "timeout": 90.0,
        "component_to_configuration": {"com.example.Hello": {"MERGE": {"rate": 5}}},
    }


def test_nothing_to_deploy_is_a_mistake(ggl, runtime) -> None:
    assert ggl("deploy", "local").code == 2
    assert ggl("deploy", "local", "-c", "com.example.Hello").code == 2
    assert ggl("deploy", "local", "/nowhere/at/all").code == 4
    assert runtime.calls == []


def test_show_finds_by_beginning_and_last(ggl, runtime, folder) -> None:
    runtime.progress = SUCCESS
    ggl("deploy", "local", str(folder))
    for name in ("last", "3f9a", "3f9a0000-0000-4000-8000-000000000001"):
        assert ggl("deploy", "show", name, "--json").json["status"] == "SUCCEEDED"
    assert ggl("deploy", "show", "77").code == 4


def deployed_to(runtime, group: str, name: str = "com.example.Hello") -> None:
    groups = {"GroupToRootComponents": {group: {name: {"version": "1.2.0"}}}}
    runtime.config["services"] = {"DeploymentService": groups}


def test_only_what_was_deployed_by_name_to_the_group_can_be_removed(ggl, runtime) -> None:
    deployed_to(runtime, "thinggroup/lab")
    for words in (["component", "remove", "com.example.Hello"], ["deploy", "local", "--remove", "com.example.Hello"]):
        result = ggl(*words)
        assert result.code == 5
        assert (
            "was not deployed to the group LOCAL_DEPLOYMENT; it is one of the group lab: use --group lab" in result.err
        )
    deployed_to(runtime, "LOCAL_DEPLOYMENT", "com.example.Other")
    assert "com.example.Hello was not deployed by name" in ggl("component", "remove", "com.example.Hello").err
    assert runtime.calls == []


def test_remove_is_a_deployment_without_the_component(ggl, runtime) -> None:
    deployed_to(runtime, "LOCAL_DEPLOYMENT")
    gone = {"removed": ["com.example.Hello"], "changed": [], "components": {}}
    runtime.progress = [{"status": "SUCCEEDED", "finished": 1, **gone}]
    result = ggl("component", "remove", "com.example.Hello")
    assert result.code == 0
    assert runtime.calls[0][1]["root_components_to_remove"] == ["com.example.Hello"]
    assert "com.example.Hello REMOVED" in result.out
    runtime.progress = [{"status": "SUCCEEDED", "finished": 1, "removed": [], "changed": []}]
    assert ggl("component", "remove", "com.example.Hello").err == "com.example.Hello stays: others depend on it\n"


def test_restart_forgets_failures_and_reports_the_state(ggl, runtime) -> None:
    result = ggl("component", "restart", "com.example.Hello", "--json")
    assert result.code == 0
    assert [(name, params["names"]) for name, params in runtime.calls] == [
        ("reset", ["ggl.com.example.Hello"]),
        ("restart", ["ggl.com.example.Hello"]),
    ]
    assert result.json[0]["state"] == "RUNNING"


def test_a_component_that_breaks_on_restart_is_8(ggl, runtime) -> None:
    runtime.components[0]["state"] = "BROKEN"
    assert ggl("component", "start", "com.example.Hello").code == 8
    runtime.components[0]["state"] = "STARTING"
    assert ggl("component", "start", "com.example.Hello", "--timeout", "0.1").code == 6
