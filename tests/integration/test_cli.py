"""The ``ggl`` command as people and scripts run it, against a real runtime: every command once, every exit code.

Each command is a process of its own with its output in a pipe. The runtime of this module is shared: a test leaves it
as it found it, or changes only what the tests after it do not look at.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gglcli.errors import EXIT_CODES
from tests.cli_result import Result
from tests.integration.conftest import Runtime, running, wait_until

GGL = [sys.executable, "-m", "gglcli"]
HELLO, UPPER = "com.example.Hello", "com.example.Upper"

RECIPE = """\
RecipeFormatVersion: "2020-01-25"
ComponentName: {name}
ComponentVersion: "1.0.0"
ComponentConfiguration: {{DefaultConfiguration: {{greeting: Hello}}}}
{more}
Manifests:
  - Lifecycle: {lifecycle}
"""
SLEEP = "{run: exec sleep 1000}"


class Ggl:
    """Runs command lines; what they must end with is said by the caller."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "GGL_ROOT": str(root)}

    def __call__(self, *words: str | Path, code: int = 0, stdin: str = "") -> Result:
        done = subprocess.run(
            [*GGL, *map(str, words)],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert result.code == code, result
        assert "\x1b" not in done.stdout + done.stderr
        return result

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """A command that goes on. Its output is a pipe; its SIGINT is that of a command in the foreground."""
        return subprocess.Popen(
            [*GGL, *map(str, words)],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def component(parent: Path, name: str, lifecycle: str = SLEEP, more: str = "") -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE.format(name=name, lifecycle=lifecycle, more=more))
    return folder


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    """One runtime for all tests here, with two components that were deployed through the command."""
    with running() as runtime:
        yield runtime


@pytest.fixture(scope="module")
def deployed(shared: Runtime, tmp_path_factory: pytest.TempPathFactory) -> Result:
    parent = tmp_path_factory.mktemp("components")
    script = "{run: 'echo {configuration:/greeting} world; echo careful >&2; exec sleep 1000'}"
    folders = [
        component(parent, HELLO, script),
        component(parent, UPPER, more=f'ComponentDependencies: {{{HELLO}: {{VersionRequirement: "^1.0.0"}}}}'),
    ]
    result = Ggl(shared.root.state)("deploy", "local", *folders)
    wait_until(lambda: "careful" in shared.log(HELLO))
    return result


@pytest.fixture
def ggl(shared: Runtime, deployed: Result) -> Ggl:
    return Ggl(shared.root.state)


# -- every command -------------------------------------------------------------------------------------------------


def test_deploy_local_tells_its_progress_line_by_line(ggl: Ggl, tmp_path: Path, deployed: Result) -> None:
    assert deployed.err == ""
    before, one, two = "com.example.Before", "com.example.One", "com.example.Two"
    gated = f"{{startup: 'until test -e {tmp_path}/gate; do sleep 0.05; done'}}"
    # Behind a deployment that goes on until the command looks on: what was done before that it could not tell.
    ggl("deploy", "local", component(tmp_path, before, gated), "--no-wait")
    with ggl.begin("deploy", "local", component(tmp_path, one), component(tmp_path, two)) as command:
        assert command.stdout
        first = command.stdout.readline()
        (tmp_path / "gate").touch()
        out, error = command.communicate()
    *between, last = out.splitlines()
    assert re.fullmatch(r"deployment [0-9a-f-]{36} QUEUED\n", first)
    assert re.fullmatch(r"deployment [0-9a-f-]{36} SUCCEEDED in [0-9.]+s", last)
    assert "choosing versions" in between
    assert {f"{one} 1.0.0 RUNNING", f"{two} 1.0.0 RUNNING"} <= set(between)
    assert len(between) == len(set(between))
    assert error == ""
    ggl("component", "remove", before, one, two)


def test_status(ggl: Ggl) -> None:
    text = ggl("status").out
    assert re.search(rf"^{HELLO} +1\.0\.0 +RUNNING +\d+ +0 +\d+[smhd]$", text, re.MULTILINE)
    status = ggl("status", "--json").json
    assert set(status) == {"runtime", "healthy", "daemons", "components", "recovering", "cloud", "last_deployment"}
    assert (status["healthy"], status["runtime"]["root"]) == (True, str(ggl.root))
    assert [each["component"] for each in status["components"]] == [HELLO, UPPER]
    assert all(each["since"] > 1_600_000_000_000 for each in status["components"])


def test_up_of_a_runtime_that_runs(ggl: Ggl) -> None:
    assert ggl("up").out.startswith("runtime running already (pid ")
    assert ggl("up", "--wait", "--json").json["already_running"] is True


def test_component_list_and_show(ggl: Ggl) -> None:
    assert [line.split()[0] for line in ggl("component", "list").out.splitlines()] == ["COMPONENT", HELLO, UPPER]
    assert [each["state"] for each in ggl("component", "list", "--json").json] == ["RUNNING", "RUNNING"]
    shown = ggl("component", "show", UPPER).out
    assert re.search(rf"^dependencies +{HELLO}:HARD$", shown, re.MULTILINE)
    data = ggl("component", "show", HELLO, "--json").json
    assert data["configuration"] == {"greeting": "Hello"}
    assert Path(data["paths"]["log"]).is_file()
    assert data["groups"] == ["LOCAL_DEPLOYMENT"]


def test_component_stop_start_and_restart(ggl: Ggl) -> None:
    assert ggl("component", "stop", UPPER, "--json").json[0]["state"] == "FINISHED"
    assert ggl("component", "start", UPPER, "--json").json[0]["state"] == "RUNNING"
    before = ggl("component", "show", UPPER, "--json").json["pid"]
    assert "RUNNING" in ggl("component", "restart", UPPER).out
    assert ggl("component", "show", UPPER, "--json").json["pid"] != before


def test_deploy_list_and_show(ggl: Ggl) -> None:
    header, row, *_ = ggl("deploy", "list").out.splitlines()
    assert header.split() == ["DEPLOYMENT", "STATUS", "TYPE", "GENERATION", "AGE", "WHAT"]
    identifier = row.split()[0]
    assert row.split()[1] == "SUCCEEDED"
    assert ggl("deploy", "list", "--json").json[0]["deployment_id"] == identifier
    assert "\nstatus        SUCCEEDED\n" in ggl("deploy", "show", identifier[:8]).out
    shown = ggl("deploy", "wait", identifier, "--json").json
    assert shown["components"] == {HELLO: "1.0.0", UPPER: "1.0.0"}


def test_config_set_get_list_and_unset(ggl: Ggl) -> None:
    key = f"{HELLO}/server"
    assert ggl("config", "set", key, '{"port": 8080, "name": "a"}').out == ""
    assert ggl("config", "get", f"{key}/port").out == "8080\n"
    assert ggl("config", "get", key, "--json").json == {"port": 8080, "name": "a"}
    assert ggl("config", "get", key, "--timestamps", "--json").json["port"]["v"] == 8080
    assert ggl("config", "list", key).out == "port\nname\n"
    assert ggl("config", "list", "/services", "--json").json.count(HELLO) == 1
    assert ggl("config", "diff", "-", "--key", f"{key}/port", stdin="{}", code=9).out.endswith("/server/port: 8080\n")
    stored = ggl("config", "set", f"{key}/name", "-", "--json", stdin="b\n").json
    assert stored == {"key": f"/services/{HELLO}/configuration/server/name", "value": "b"}
    assert ggl("config", "unset", key, "--json").json == {"key": f"/services/{HELLO}/configuration/server"}
    assert ggl("config", "get", HELLO, "--json").json == {"greeting": "Hello"}


def test_config_watch(ggl: Ggl) -> None:
    for options, accept in (
        ([], lambda line: re.fullmatch(rf"\S+Z /services/{HELLO}/configuration/watched = \d+\n", line)),
        (["--json"], lambda line: json.loads(line)["key"] == f"/services/{HELLO}/configuration/watched"),
    ):
        with ggl.begin("config", "watch", HELLO, "--count", "1", *options) as watcher:
            number = 0
            while watcher.poll() is None:  # it may not have subscribed yet
                number += 1
                ggl("config", "set", f"{HELLO}/watched", str(number))
            assert watcher.stdout
            assert accept(watcher.stdout.read())
        assert watcher.returncode == 0
    ggl("config", "unset", f"{HELLO}/watched")


def test_logs(ggl: Ggl) -> None:
    first, second = ggl("logs", HELLO, "-n", "2").out.splitlines()
    assert re.fullmatch(r"\S+Z INFO  Hello world", first)
    assert re.fullmatch(r"\S+Z WARN  careful", second)
    record = ggl("logs", HELLO, "--level", "warn", "--grep", "^care", "--since", "1h", "--json").json
    assert (record["unit"], record["level"], record["message"]) == (HELLO, "WARN", "careful")
    trail = ggl("deploy", "list", "--json").json[0]["trail"]
    assert "deployment: deployment " in ggl("logs", "--trail", trail).out
    assert ggl("logs", "--grep", "no such words").err == "no record matches\n"


def test_bus(ggl: Ggl) -> None:
    assert re.search(r"^gg_host +ggld +running +/", ggl("bus", "list").out, re.MULTILINE)
    assert "gg_config" in [each["interface"] for each in ggl("bus", "list", "--json").json]
    assert {"read", "write", "bus.ping"} <= set(ggl("bus", "list", "gg_config").out.split())
    assert ggl("bus", "call", "gg_config", "read", '{"key_path": ["system"]}').json == {"rootPath": str(ggl.root)}
    assert ggl("bus", "call", "gg_config", "read", "-", stdin='{"key_path": ["system", "rootPath"]}').out.strip() == (
        f'"{ggl.root}"'
    )
    message = '{"topic": "a/b", "payload": {"jsonMessage": {}}, "publisher": "me"}'
    assert ggl("bus", "notify", "gg_pubsub", "publish", message).out == ""
    monitored = ggl("bus", "monitor", "gg_health", "subscribe", "--timeout", "0.1", "--json", code=6)
    assert [each["component"] for each in monitored.json] == [HELLO, UPPER]


def test_version_and_help(ggl: Ggl) -> None:
    assert ggl("version", "--json").json["version"] == ggl("--version").out.split()[1]
    assert ggl("help", "deploy", "local").out == ggl("deploy", "local", "--help").out


# -- every exit code -----------------------------------------------------------------------------------------------


def test_every_documented_exit_code_is_tested_here() -> None:
    tested = {int(code) for code in re.findall(r"code=(\d+)", Path(__file__).read_text())}
    assert tested | {0, 7, 130, 141} == set(EXIT_CODES)  # these four are compared with in another way


def test_1_the_runtime_cannot_start(ggl: Ggl) -> None:
    result = ggl("--root", "/dev/null/nowhere", "up", code=1)
    assert result.err.startswith("error: ggl up: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("words", [["statsu"], ["config", "set", HELLO], ["deploy", "local"], ["logs", "--nope"]])
def test_2_a_mistake_on_the_command_line(ggl: Ggl, words: list[str]) -> None:
    assert ggl(*words, code=2).err.count("\n") == 1
    assert ggl(*words, "--json", code=2).error["code"] == "USAGE"


@pytest.mark.parametrize(
    "words", [["component", "list"], ["config", "get"], ["deploy", "list"], ["bus", "list"], ["deploy", "local", "."]]
)
def test_3_the_runtime_does_not_run(ggl: Ggl, tmp_path: Path, words: list[str]) -> None:
    folder = str(component(tmp_path, HELLO))
    words = [folder if word == "." else word for word in words]
    result = ggl("--root", tmp_path / "none", *words, code=3)
    assert f"is not running; start it with 'ggl up --root {tmp_path}/none'" in result.err
    assert ggl("--root", tmp_path / "none", "status", "--json", code=3).json["runtime"]["state"] == "stopped"
    assert ggl("--root", tmp_path / "none", "down", "--json").json["was_running"] is False


@pytest.mark.parametrize(
    "words",
    [
        ["component", "show", "com.example.Helo"],
        ["config", "get", f"{HELLO}/nothing"],
        ["deploy", "show", "nothing"],
        ["deploy", "local", "/nowhere"],
        ["bus", "call", "gg_nothing", "x"],
        ["logs", "nothing"],
    ],
)
def test_4_what_was_named_does_not_exist(ggl: Ggl, words: list[str]) -> None:
    assert ggl(*words, code=4).err.count("\n") == 1
    assert ggl(*words, "--json", code=4).error["code"] == "NOENTRY"


def test_5_a_value_is_not_acceptable(ggl: Ggl, tmp_path: Path) -> None:
    folder = component(tmp_path, "com.example.Wrong")
    (folder / "recipe.yaml").write_text("RecipeFormatVersion: '2020-01-25'\nComponentName: a\nManifests: []\n")
    error = ggl("deploy", "local", folder, code=5).err
    assert f"{folder}/recipe.yaml: ComponentVersion: " in error
    assert error.count("\n") == 1
    assert "must be a map" in ggl("config", "set", HELLO, "10", code=5).err
    assert "stdin is empty" in ggl("config", "set", f"{HELLO}/x", "-", code=5).err
    assert ggl("bus", "call", "gg_config", "read", "{", "--json", code=5).error["code"] == "INVALID"


def test_6_and_130_a_deployment_goes_on_when_nobody_waits(ggl: Ggl, tmp_path: Path, shared: Runtime) -> None:
    name = "com.example.Gated"
    folder = component(tmp_path, name, f"{{startup: 'until test -e {tmp_path}/gate; do sleep 0.05; done'}}")
    ggl("deploy", "local", folder, "--no-wait")
    late = ggl("deploy", "wait", "last", "--timeout", "0.2", "--json", code=6)
    assert late.error["code"] == "TIMEOUT"
    identifier = late.json["deployment_id"]
    with ggl.begin("deploy", "wait", identifier) as waiting:
        assert waiting.stdout
        assert waiting.stdout.readline().startswith(f"deployment {identifier} ")
        waiting.send_signal(signal.SIGINT)
        _, error = waiting.communicate()
    assert waiting.returncode == 130
    assert f"interrupted; deployment {identifier} goes on; follow it with 'ggl deploy wait" in error
    (tmp_path / "gate").touch()
    assert ggl("deploy", "wait", identifier, "--json").json["status"] == "SUCCEEDED"
    removed = ggl("component", "remove", name).out.splitlines()
    assert f"{name} REMOVED" in removed
    assert not any("RUNNING" in line for line in removed)
    assert name not in [each["component"] for each in ggl("component", "list", "--json").json]


def test_7_the_daemon_that_was_asked_goes_away(ggl: Ggl, shared: Runtime) -> None:
    with ggl.begin("bus", "monitor", "gg_health", "subscribe") as command:
        assert command.stdout
        assert command.stdout.readline()
        shared.kill(shared.pid_of("healthd"))
        _, error = command.communicate()
    assert command.returncode == 7
    assert "try again in a moment" in error
    assert ggl("status", "--json").json["healthy"] is True  # it is started again by the next request


def test_8_a_broken_component(ggl: Ggl, tmp_path: Path) -> None:
    name = "com.example.Broken"
    # Its run script would count as up, if it were slow to fail.
    folder = component(tmp_path, name, "{startup: 'echo out of order >&2; exit 3'}")
    failed = ggl("deploy", "local", folder, code=8)
    assert re.search(r"^  \S+Z WARN  out of order$", failed.err, re.MULTILINE)
    last = failed.err.splitlines()[-1]
    assert f"failed: {name} is broken: STARTUP_ERROR the startup script exited with code 3" in last
    assert f"see 'ggl logs {name}'" in last
    assert ggl("status", "--json", code=8).json["healthy"] is False
    assert ggl("component", "show", name, "--json", code=8).json["status_code"] == "STARTUP_ERROR"
    assert ggl("deploy", "wait", "last", "--json", code=8).error["code"] == "DEPLOYMENT_FAILED"
    again = ggl("component", "remove", name, "--json").json
    assert (again["status"], again["removed"]) == ("SUCCEEDED", [name])
    ggl("status")


def test_10_the_doctor_warns(ggl: Ggl) -> None:
    nucleus = "aws.greengrass.NucleusLite"
    keys = {
        **{f"/system/{name}": "/nowhere" for name in ("certificateFilePath", "privateKeyPath", "rootCaPath")},
        "/system/thingName": "Nobody",
        f"{nucleus}/awsRegion": "eu-central-1",
        f"{nucleus}/iotDataEndpoint": "localhost:1",
    }
    for key, value in keys.items():
        ggl("config", "set", key, value)
    try:
        assert "no AWS credentials" in ggl("doctor", "configuration", code=10).out
    finally:
        for key in keys:
            ggl("config", "unset", key)


def test_130_a_command_that_goes_on_is_ended_with_ctrl_c(ggl: Ggl) -> None:
    for words in (["logs", "-f", HELLO], ["status", "--watch"], ["bus", "monitor", "gg_health", "subscribe"]):
        with ggl.begin(*words) as command:
            assert command.stdout
            assert command.stdout.readline()
            command.send_signal(signal.SIGINT)
            _, error = command.communicate()
        assert (command.returncode, error) == (130, "")


def test_141_the_reader_goes_away(ggl: Ggl) -> None:
    with ggl.begin("status", "--watch") as command:
        assert command.stdout
        assert command.stdout.readline()
        command.stdout.close()
        ggl("component", "restart", UPPER)  # it writes again
        assert command.stderr
        assert command.stderr.read() == ""
    assert command.returncode == 141


def test_a_component_is_removed_only_if_it_was_asked_for_and_nobody_needs_it(ggl: Ggl, tmp_path: Path) -> None:
    base, top = "com.example.Base", "com.example.Top"
    needs = f'ComponentDependencies: {{{base}: {{VersionRequirement: "*"}}}}'
    folders = [component(tmp_path, base), component(tmp_path, top, more=needs)]
    ggl("deploy", "local", *folders, "--group", "lab")
    assert "use --group lab" in ggl("component", "remove", base, code=5).err
    assert ggl("component", "remove", base, "--group", "lab").err == f"{base} stays: others depend on it\n"
    assert "was not deployed by name" in ggl("component", "remove", base, "--group", "lab", code=5).err
    removed = ggl("component", "remove", top, "--group", "lab", "--json").json["removed"]
    assert sorted(removed) == [base, top]


# -- what can be deployed ------------------------------------------------------------------------------------------


def gdk(folder: Path, name: str, version: str, build: dict[str, Any]) -> None:
    settings = {"author": "Me", "version": version, "build": build, "publish": {"bucket": "b", "region": "r"}}
    (folder / "gdk-config.json").write_text(json.dumps({"component": {name: settings}, "gdk_version": "1.3.0"}))


def test_a_gdk_project_with_a_zip_build_runs(ggl: Ggl, tmp_path: Path, shared: Runtime) -> None:
    folder = tmp_path / "zipped"
    folder.mkdir()
    gdk(folder, "com.example.Zipped", "NEXT_PATCH", {"build_system": "zip"})
    (folder / "main.sh").write_text("echo from the archive; exec sleep 1000\n")
    (folder / "recipe.yaml").write_text("""\
RecipeFormatVersion: "2020-01-25"
ComponentName: "{COMPONENT_NAME}"
ComponentVersion: "{COMPONENT_VERSION}"
ComponentPublisher: "{COMPONENT_AUTHOR}"
Manifests:
  - Artifacts:
      - {URI: "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/zipped.zip", Unarchive: ZIP}
    Lifecycle: {run: "exec sh {artifacts:decompressedPath}/zipped/main.sh"}
""")
    outcome = ggl("deploy", "local", folder, "--json").json
    assert outcome["states"]["com.example.Zipped"] == "RUNNING"
    assert outcome["components"]["com.example.Zipped"] == "1.0.0"
    wait_until(lambda: "from the archive" in shared.log("com.example.Zipped"))
    ggl("component", "remove", "com.example.Zipped")


def test_a_gdk_project_with_a_build_of_its_own_runs(ggl: Ggl, tmp_path: Path, shared: Runtime) -> None:
    name = "com.example.Custom"
    gdk(tmp_path, name, "1.4.2", {"build_system": "custom", "custom_build_command": ["sh", "build.sh"]})
    (tmp_path / "recipe.json").write_text(
        json.dumps(
            {
                "RecipeFormatVersion": "2020-01-25",
                "ComponentName": "{COMPONENT_NAME}",
                "ComponentVersion": "{COMPONENT_VERSION}",
                "Manifests": [
                    {
                        "Lifecycle": {"run": "exec sh {artifacts:path}/app.sh"},
                        "Artifacts": [{"URI": "s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/app.sh"}],
                    }
                ],
            }
        )
    )
    (tmp_path / "build.sh").write_text(f"""\
echo building
mkdir -p greengrass-build/artifacts/{name}/NEXT_PATCH greengrass-build/recipes
echo 'echo custom build; exec sleep 1000' > greengrass-build/artifacts/{name}/NEXT_PATCH/app.sh
cp recipe.json greengrass-build/recipes/
""")
    result = ggl("deploy", "local", tmp_path, "--json")
    assert (result.json["states"][name], result.json["components"][name]) == ("RUNNING", "1.4.2")
    assert result.err == "building\n"
    wait_until(lambda: "custom build" in shared.log(name))
    ggl("component", "remove", name)


def test_recipe_and_artifact_directories_run(ggl: Ggl, tmp_path: Path, shared: Runtime) -> None:
    name = "com.example.Split"
    store = tmp_path / "artifacts" / name / "1.0.0"
    store.mkdir(parents=True)
    (store / "text").write_text("from the directory\n")
    lifecycle = "{run: 'cat {artifacts:path}/text; exec sleep 1000'}"
    recipe = RECIPE.format(name=name, lifecycle=lifecycle, more="") + "    Artifacts: [{URI: 's3://b/text'}]\n"
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "split.yaml").write_text(recipe)
    places = ["--recipe-dir", tmp_path / "recipes", "--artifact-dir", tmp_path / "artifacts"]
    assert f"{name} 1.0.0 RUNNING" in ggl("deploy", "local", *places, "--add-component", f"{name}=1.0.0").out
    wait_until(lambda: "from the directory" in shared.log(name))
    ggl("component", "remove", name)


def test_down_and_up_bring_everything_back(ggl: Ggl, shared: Runtime) -> None:
    assert ggl("down").out == "runtime stopped\n"
    assert ggl("status", code=3).out.startswith("runtime  stopped\n")
    assert ggl("logs", HELLO, "-n", "1").out  # the files are still there
    assert ggl("up", "--wait", "--json").json["already_running"] is False
    assert [each["state"] for each in ggl("component", "list", "--json").json] == ["RUNNING", "RUNNING"]
