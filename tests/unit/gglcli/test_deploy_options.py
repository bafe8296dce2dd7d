"""``ggl deploy local``: what its options ask the runtime for, what a dry run shows, what cannot be meant."""

from __future__ import annotations

import pytest

from tests.unit.gglcli.conftest import deployment

NAME = "com.example.Hello"
ONE = ["-c", f"{NAME}=1.2.0"]
DIFFERENCE = {
    "components": [
        {"component": NAME, "action": "update", "from": "1.1.0", "to": "1.2.0", "reasons": ["version", "script run"]},
        {"component": "com.example.Old", "action": "remove", "from": "1.0.0", "to": "", "reasons": []},
        {"component": "com.example.Base", "action": "keep", "from": "1.0.0", "to": "1.0.0", "reasons": []},
    ],
    "configuration": [
        {"component": NAME, "key": "/rate", "from": 5, "to": 10},
        {"component": NAME, "key": "/new", "to": {"a": [1]}},
        {"component": NAME, "key": "/old", "from": "x"},
    ],
    "files": {"added": ["recipes/a.yaml"], "changed": [], "removed": ["recipes/b.yaml"]},
    "roots": {
        "group": "LOCAL_DEPLOYMENT",
        "added": {},
        "changed": {NAME: ["1.1.0", "1.2.0"]},
        "removed": {"com.example.Old": "1.0.0"},
    },
}


def asked(runtime) -> dict:
    return runtime.calls[-1][1]


@pytest.mark.parametrize(
    ("words", "policy"),
    [
        (["--rollback"], "ROLLBACK"),
        (["--policy", "rollback"], "ROLLBACK"),
        (["--policy", "ROLLBACK"], "ROLLBACK"),
        (["--policy", "do-nothing"], "DO_NOTHING"),
        (["--policy", "DO_NOTHING"], "DO_NOTHING"),
        ([], None),
    ],
)
def test_the_policy_in_every_spelling(ggl, runtime, words, policy) -> None:
    assert ggl("deploy", "local", *ONE, *words, "--no-wait").code == 0
    assert asked(runtime).get("failure_handling_policy") == policy


def test_users_and_limits_of_named_components(ggl, runtime, tmp_path) -> None:
    (tmp_path / "limits.yaml").write_text(f"{NAME}: {{memory: 65536, cpus: 0.5}}\n")
    words = ["--run-with", f"{NAME}:posixUser=me:us", "--run-with", "other:posixUser=you"]
    assert ggl("deploy", "local", *ONE, *words, "--system-limits", str(tmp_path / "limits.yaml"), "--no-wait").code == 0
    assert asked(runtime)["component_to_run_with_info"] == {
        NAME: {"posixUser": "me:us", "systemResourceLimits": {"memory": 65536, "cpus": 0.5}},
        "other": {"posixUser": "you"},
    }


def test_users_and_limits_of_the_only_component(ggl, runtime) -> None:
    assert ggl("deploy", "local", *ONE, "--run-with", "me:us", "--system-limits", '{"cpus": 1}', "--no-wait").code == 0
    wanted = {NAME: {"posixUser": "me:us", "systemResourceLimits": {"cpus": 1}}}
    assert asked(runtime)["component_to_run_with_info"] == wanted


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--run-with", f"{NAME}:windowsUser=me"], 2, "use posixUser"),
        (["--run-with", f"{NAME}=me"], 2, "is not COMPONENT:posixUser=USER[:GROUP]"),
        (["-c", "b=1.0.0", "--run-with", "me"], 5, "not exactly one is being deployed"),
        (["--system-limits", '{"memory": 0}'], 5, "must be a number above 0"),
        (["--system-limits", f'{{"{NAME}": {{"disk": 1}}}}'], 5, "only memory and cpus"),
        (["--system-limits", "[]"], 5, "must be a map"),
        (["--system-limits", "/no/such/file"], 4, "cannot read /no/such/file"),
        (["--policy", "maybe"], 2, "neither of rollback, do-nothing"),
        (["--rollback", "--policy", "do-nothing"], 2, "exclude each other"),
        (["--watch"], 2, "needs files to watch"),
        (["--watch", "--dry-run"], 2, "--watch and --dry-run exclude each other"),
        (["--config", '{"a": '], 5, "not valid JSON: line 1"),
        (["--config", "a: ["], 5, "not valid YAML"),
        (["--config", "/no/such/file"], 4, "cannot read /no/such/file"),
        (["--config", "/"], 5, "it is a folder"),
        (["--config", '{"com.example.Helo": {"rate": 1}}'], 5, "'com.example.Helo' is no component of this deployment"),
        (["--system-limits", '{"mem": 1}'], 5, "'mem' is no limit, there are memory and cpus"),
        (["--remove", NAME], 2, f"{NAME} is to be deployed and to be removed"),
        (["--remove", "com.example.Nope"], 4, "there is no component 'com.example.Nope'"),
        (["--recipe-dir", "/no/such/folder"], 4, "is not a folder"),
        (["--recipe-dir", "/etc/hostname"], 5, "is not a folder"),
        *((["--timeout", seconds], 2, "a number of seconds above 0") for seconds in ("0", "-1", "nan", "inf")),
        *(([option, ""], 2, "it is empty") for option in ("--group", "--run-with", "--config", "--remove")),
    ],
)
def test_what_cannot_be_meant_is_told(ggl, runtime, words, code, said) -> None:
    result = ggl("deploy", "local", *ONE, *words)
    assert (result.code, result.err.count("\n")) == (code, 1), result
    assert said in result.err
    assert runtime.calls == []


def test_configuration_may_be_given_as_yaml_and_keys_may_have_dots(ggl, runtime) -> None:
    assert ggl("deploy", "local", *ONE, "--config", "rate: 5\na.b: x", "--no-wait").code == 0
    assert asked(runtime)["component_to_configuration"] == {NAME: {"MERGE": {"rate": 5, "a.b": "x"}}}


def test_a_dry_run_of_what_is_not_possible_ends_as_the_deployment_would(ggl, runtime) -> None:
    runtime.fail_preview = "no recipe"
    result = ggl("deploy", "local", *ONE, "--dry-run")
    assert (result.code, result.err) == (8, "error: ggl deploy local: no recipe\n")


def test_a_dry_run_during_a_deployment_says_so(ggl, runtime) -> None:
    runtime.deployments = [deployment(status="IN_PROGRESS")]
    assert "-000000000001 is IN_PROGRESS: what follows compares" in ggl("deploy", "local", *ONE, "--dry-run").err
    runtime.deployments = [deployment(status="SUCCEEDED")]
    assert ggl("deploy", "local", *ONE, "--dry-run").err == ""


def test_a_configuration_that_is_only_written_says_so(ggl, runtime) -> None:
    entry = {"component": NAME, "action": "configure", "from": "1.2.0", "to": "1.2.0", "reasons": []}
    runtime.difference = {"components": [entry], "configuration": [], "files": {}, "roots": {}}
    assert ggl("deploy", "local", *ONE, "--dry-run").out.splitlines()[-1].endswith("1.2.0  configuration")


def test_a_dry_run_shows_what_would_change_and_asks_for_nothing_else(ggl, runtime) -> None:
    runtime.difference = DIFFERENCE
    result = ggl("deploy", "local", *ONE, "--dry-run")
    assert result.code == 0
    assert [name for name, _ in runtime.calls] == ["preview"]
    assert asked(runtime)["root_component_versions_to_add"] == {NAME: "1.2.0"}
    assert (
        result.out
        == """\
the deployment would change:

group LOCAL_DEPLOYMENT: com.example.Hello 1.1.0 -> 1.2.0, remove com.example.Old

COMPONENT          ACTION  FROM   TO     REASON
com.example.Hello  update  1.1.0  1.2.0  version, script run
com.example.Old    remove  1.0.0  -      -

COMPONENT          KEY    CHANGE
com.example.Hello  /rate  5 -> 10
com.example.Hello  /new   new: {"a": [1]}
com.example.Hello  /old   removed: "x"

CHANGE   FILE
new      recipes/a.yaml
removed  recipes/b.yaml

com.example.Base stays as it is
"""
    )
    assert ggl("deploy", "local", *ONE, "--dry-run", "--json").json == DIFFERENCE


def test_a_dry_run_that_finds_nothing_says_so(ggl, runtime) -> None:
    runtime.difference = {"components": [DIFFERENCE["components"][2]], "configuration": [], "files": {}, "roots": {}}
    assert ggl("deploy", "local", *ONE, "--dry-run").out == "the deployment: nothing would change\n"
