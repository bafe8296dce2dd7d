"""Who may connect as whom: tokens, users, processes and groups, with real processes of several users."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc.model import InvalidTokenError, RunWithInfo, UnauthorizedError

from ggl.bus import BusError
from ggl.host.unit import Command, Limits, Start, Unit, install_unit, main_unit
from tests.integration.conftest import PATIENCE, Runtime, children, running, wait_until
from tests.integration.ipc_clients import Components, eventually, publish
from tests.integration.units import limited

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run processes as somebody else")
TESTER = "tester"
STRANGER, TEAM = 54321, 54322
"""A user and a group without an entry in any file."""
METER, HEATER = "com.example.Meter", "com.example.Heater"
CLI = "aws.greengrass.Cli"

CONNECT = """
import json, socket, struct, sys
from binascii import crc32
payload = json.dumps(json.loads(sys.argv[2])).encode()
headers = b"\\x08:version\\x07\\x00\\x050.1.0"
for name, value in ((b":message-type", 4), (b":message-flags", 0), (b":stream-id", 0)):
    headers += bytes([len(name)]) + name + b"\\x04" + struct.pack("!i", value)
message = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
message += struct.pack("!I", crc32(message)) + headers + payload
message += struct.pack("!I", crc32(message))
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(message)
print(sock.recv(4096).hex(), flush=True)
"""
"""Connects with the members given as JSON, and prints the answer: plain Python, for processes of any kind and user."""


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        runtime.root.state.chmod(0o755)
        yield runtime


@pytest.fixture(scope="module")
def python() -> Iterator[str]:
    """A command that every user may run, to connect and print the answer."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        script = Path(directory, "connect.py")
        script.write_text(CONNECT)
        script.chmod(0o644)
        yield f"/usr/bin/python3 {script}"


class Answer:
    """What came for a connect request, in hexadecimal digits."""

    def __init__(self, text: str) -> None:
        raw = bytes.fromhex(text.strip())
        self.accepted = b":message-flags\x04\x00\x00\x00\x01" in raw
        self.refused = b":message-flags\x04\x00\x00\x00\x00" in raw
        _, found, rest = raw.partition(b"svcuid\x07\x00\x10")
        self.token = rest[:16].decode() if found else ""


def connect(runtime: Runtime, python: str, members: dict[str, Any], **who: Any) -> Answer:
    """Connect from a process of its own; ``who`` it is: ``user``, ``group``, ``extra_groups``."""
    done = subprocess.run(
        [*python.split(), str(runtime.root.ipc_socket), json.dumps(members)],
        **({"extra_groups": []} | who if who else {}), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answer = Answer(done.stdout)
    assert answer.accepted != answer.refused
    return answer


def load(
    runtime: Runtime, name: str, script: str, user: str = "", stop: Command | None = None, install: str = "",
    limits: Limits | None = None,
) -> None:  # fmt: skip
    units = [
        Unit(
            main_unit(name), component=name, phase="main", start=(Start("run", Command(script)),), user=user, stop=stop,
            restart_delay=0.1, install=install_unit(name) if install else "", revision=script,
            limits=limits or Limits(),
        )
    ]  # fmt: skip
    if install:
        units.append(
            Unit(
                install_unit(name), component=name, phase="install", start=(Start("oneshot", Command(install)),),
                user=user, revision=install,
            )
        )  # fmt: skip
    runtime.call("gg_host", "load", {"units": [unit.to_dict() for unit in units], "start": [main_unit(name)]})


@pytest.fixture
def component(runtime: Runtime) -> Iterator[Callable[..., None]]:
    """Loads components; they are gone afterwards."""
    names: list[str] = []

    def start(name: str, *arguments: Any, **more: Any) -> None:
        names.append(name)
        load(runtime, name, *arguments, **more)

    yield start
    units = [unit["name"] for unit in runtime.call("gg_host", "list") if unit["component"] in names]
    runtime.call("gg_host", "unload", {"names": units})


def written(path: Path) -> str:
    return wait_until(lambda: path.read_text() if path.exists() else "", lambda text: text.endswith("\n"), PATIENCE)


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory that every user may write to."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)


def request(component: str, **more: str) -> str:
    return json.dumps({"componentName": component, **more})


# -- tokens ------------------------------------------------------------------------------------------------------------


@ROOT_ONLY
def test_a_stolen_token_is_of_no_use_to_another_user(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    token = run_and_tell_token(component, METER, files, user=TESTER)
    assert connect(runtime, python, {"authToken": token}, user=TESTER, group=TESTER).accepted
    assert connect(runtime, python, {"authToken": token}, user=0, group=0).accepted
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).refused
    eventually(lambda: f"uid {STRANGER}): its connect request was refused: it has the token of {METER}, which does not "
               f"run as the user {STRANGER}" in runtime.log("ggl.core.ipcd"))  # fmt: skip
    assert token not in runtime.log("ggl.core.ipcd")


def run_and_tell_token(component: Callable[..., None], name: str, files: Path, **more: Any) -> str:
    target = files / f"token-{time.monotonic_ns()}"
    component(name, f"echo $SVCUID > {target}; exec sleep 1000", **more)
    return written(target).strip()


@ROOT_ONLY
def test_who_may_use_a_token_is_remembered_over_a_restart_of_the_daemon(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    token = run_and_tell_token(component, METER, files, user=TESTER)
    runtime.kill(runtime.pid_of("ipcd"))
    assert connect(runtime, python, {"authToken": token}, user=TESTER, group=TESTER).accepted
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).refused


@ROOT_ONLY
def test_another_user_takes_the_place_of_the_one_before(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    before = run_and_tell_token(component, HEATER, files, user=TESTER)
    runtime.call("gg_host", "stop", {"names": [main_unit(HEATER)]})
    token = run_and_tell_token(component, HEATER, files, user=f"{STRANGER}:{TEAM}")
    assert token == before
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).accepted
    assert connect(runtime, python, {"authToken": token}, user=TESTER, group=TESTER).refused


@ROOT_ONLY
@pytest.mark.parametrize("how", ["as root", "with a step that needs privilege"])
def test_what_runs_as_root_may_become_anybody(
    how: str, runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    """A component that drops its privileges by itself, as a server does."""
    name = f"com.example.Dropping{len(how)}"
    stop = Command("true", privileged=True) if how != "as root" else None
    token = run_and_tell_token(component, name, files, user=TESTER if stop else "root", stop=stop)
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).accepted


@ROOT_ONLY
def test_what_does_not_run_as_root_any_more_is_not_trusted_with_anybody(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    """The next version of a component, without the installation that needed root."""
    component("com.example.Old", "exec sleep 1000", user="root", install="true")
    token = runtime.call("gg_ipc", "token", {"component": "com.example.Old"})
    runtime.wait_for_unit(main_unit("com.example.Old"), "active")
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).accepted
    units = [main_unit("com.example.Old"), install_unit("com.example.Old")]
    runtime.call("gg_host", "unload", {"names": units})
    assert run_and_tell_token(component, "com.example.Old", files, user=TESTER) == token
    assert connect(runtime, python, {"authToken": token}, user=STRANGER, group=TEAM).refused


@ROOT_ONLY
def test_a_token_asked_for_by_hand_is_for_the_runtimes_user(runtime: Runtime, python: str) -> None:
    token = runtime.call("gg_ipc", "token", {"component": "com.example.ByHand"})
    assert connect(runtime, python, {"authToken": token}).accepted
    assert connect(runtime, python, {"authToken": token}, user=TESTER, group=TESTER).refused


@pytest.mark.parametrize("name", ["aws.greengrass.Nucleus", CLI, "greengrass-cli#user-0", "a/b"])
def test_what_cannot_be_a_component_has_no_token(name: str, runtime: Runtime) -> None:
    with pytest.raises(BusError, match=r"NOENTRY.*is no component, and cannot be one"):
        runtime.call("gg_ipc", "token", {"component": name})


def test_a_name_beside_a_token_must_be_the_right_one(runtime: Runtime, python: str) -> None:
    token = runtime.call("gg_ipc", "token", {"component": METER})
    right = connect(runtime, python, {"authToken": token, "componentName": METER})
    assert right.accepted
    assert right.token == ""
    assert connect(runtime, python, {"authToken": token, "componentName": HEATER}).refused
    assert connect(runtime, python, {}).refused


# -- a name and no token -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        "{connect}",
        "setsid {connect}",
        "env -i {connect}",
    ],
    ids=["a child", "in another session", "without an environment"],
)
@pytest.mark.parametrize("user", ["", pytest.param(TESTER, marks=ROOT_ONLY)])
def test_a_process_of_a_component_is_told_its_token(
    user: str, how: str, runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    answer = files / "answer"
    call = f'{python} {runtime.root.ipc_socket} "$REQUEST" > {answer}'
    script = f"REQUEST={json.dumps(request(METER))}; export REQUEST; " + how.replace("{connect}", call)
    component(METER, f"{script}; exec sleep 1000", user=user)
    told = Answer(written(answer))
    assert told.accepted
    assert told.token == runtime.call("gg_ipc", "token", {"component": METER})


ORPHAN = """
import os, sys, time
parent = os.getpid()
if os.fork():
    os._exit(0)
os.setsid()
while os.getppid() == parent:
    time.sleep(0.01)
os.execv("/bin/sh", ["sh", sys.argv[1]])
"""
"""Loses its parents, and runs a script then."""


def orphan(files: Path, script: str, mark: str = "") -> str:
    """The command by which a component runs ``script`` in an orphan whose environment has no more than ``mark``."""
    (files / "orphan.py").write_text(ORPHAN)
    (files / "script").write_text(script)
    forged = f"GGL_SUPERVISED=${{GGL_SUPERVISED%:*}}:{main_unit(mark)}" if mark else ""
    return f"env -i PATH=$PATH {forged} /usr/bin/python3 {files}/orphan.py {files}/script"


@pytest.mark.parametrize(("mark", "asked"), [("", METER), (METER, METER), (HEATER, HEATER)])
def test_a_process_without_parents_is_not_believed_what_its_environment_says(
    mark: str, asked: str, runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    component(HEATER, "exec sleep 1000")
    runtime.wait_for_unit(main_unit(HEATER), "active")
    answer = files / "answer"
    script = f"{python} {runtime.root.ipc_socket} '{request(asked)}' > {answer}; exec sleep 1000"
    component(METER, f"{orphan(files, script, mark)}; exec sleep 1000")
    assert Answer(written(answer)).refused
    why = (
        f"it says it is '{asked}' and has no token, but its process is not one of a component, or has lost its parents"
    )
    eventually(lambda: why in runtime.log("ggl.core.ipcd"))


@limited
def test_a_process_without_parents_is_known_by_the_cgroup_that_it_was_born_in(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    """Until others may have come there: what is paused is found by its mark, and moved."""
    connecting = f"{python} {runtime.root.ipc_socket} '{request(METER)}' > {files}/$n"
    script = f"for n in first second; do while [ ! -e {files}/go-$n ]; do sleep 0.05; done; {connecting}; done"
    component(METER, f"{orphan(files, script)}; exec sleep 1000", limits=Limits(memory=200_000))
    runtime.wait_for_unit(main_unit(METER), "active")
    (files / "go-first").touch()
    told = Answer(written(files / "first"))
    assert told.accepted
    assert told.token == runtime.call("gg_ipc", "token", {"component": METER})
    runtime.call("gg_host", "pause", {"names": [main_unit(METER)]})
    runtime.call("gg_host", "resume", {"names": [main_unit(METER)]})
    (files / "go-second").touch()
    assert Answer(written(files / "second")).refused


def test_the_installation_of_a_component_counts_as_the_component(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    answer = files / "answer"
    component(METER, "exec sleep 1000", install=f"{python} {runtime.root.ipc_socket} '{request(METER)}' > {answer}")
    assert Answer(written(answer)).token == runtime.call("gg_ipc", "token", {"component": METER})


def test_one_component_is_not_another(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    """Not even with the other's mark in its environment."""
    answer = files / "answer"
    component(HEATER, "exec sleep 1000")
    forged = f"GGL_SUPERVISED=${{GGL_SUPERVISED%:*}}:{main_unit(HEATER)}"
    component(METER, f"{forged} {python} {runtime.root.ipc_socket} '{request(HEATER)}' > {answer}; exec sleep 1000")
    assert Answer(written(answer)).refused
    eventually(lambda: f"but its process belongs to {METER}" in runtime.log("ggl.core.ipcd"))


@ROOT_ONLY
def test_a_name_counts_only_for_the_users_of_the_component(
    runtime: Runtime, python: str, component: Callable[..., None], files: Path
) -> None:
    """What it runs as somebody else has to be given the token."""
    answer = files / "answer"
    other = f"setpriv --reuid={TESTER} --regid={TESTER} --clear-groups"
    call = f"{other} {python} {runtime.root.ipc_socket} '{request(METER)}' > {answer}"
    component(METER, f"{call}; exec sleep 1000", user="root")
    assert Answer(written(answer)).refused
    uid = pwd.getpwnam(TESTER).pw_uid
    eventually(lambda: f"but the component does not run as the user {uid}" in runtime.log("ggl.core.ipcd"))


def test_an_outsider_is_no_component(runtime: Runtime, python: str, component: Callable[..., None]) -> None:
    component(METER, "exec sleep 1000")
    pid = runtime.wait_for_unit(main_unit(METER), "active")["main_pid"]
    environment = wait_until(Path(f"/proc/{pid}/environ").read_bytes, lambda found: b"GGL_SUPERVISED=" in found)
    mark = environment.partition(b"GGL_SUPERVISED=")[2].partition(b"\0")[0].decode()
    done = subprocess.run(
        [*python.split(), str(runtime.root.ipc_socket), request(METER)],
        env={**os.environ, "GGL_SUPERVISED": mark}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Answer(done.stdout).refused
    eventually(lambda: "but its process is not one of a component" in runtime.log("ggl.core.ipcd"))


def test_the_host_knows_its_processes(runtime: Runtime, component: Callable[..., None]) -> None:
    component(METER, "sleep 1000 & wait")
    status = runtime.wait_for_unit(main_unit(METER), "active")
    (child,) = wait_until(lambda: children(status["main_pid"]))
    assert runtime.call("gg_host", "unit_of", {"pid": child})["name"] == main_unit(METER)
    assert runtime.call("gg_host", "unit_of", {"pid": runtime.pid_of("ipcd")})["name"] == "ggl.core.ipcd"
    for pid in (os.getpid(), 1, 2**22 + 1):
        with pytest.raises(BusError, match="NOENTRY"):
            runtime.call("gg_host", "unit_of", {"pid": pid})


# -- clients of the command line tool ----------------------------------------------------------------------------------


def authorize(runtime: Runtime, groups: str) -> None:
    path = ["services", CLI, "configuration", "AuthorizedPosixGroups"]
    runtime.call("gg_config", "write", {"key_path": path, "value": groups})


def info(runtime: Runtime, name: str) -> dict[str, str]:
    path = runtime.root.state / "cli_ipc_info" / name
    content: dict[str, str] = json.loads(wait_until(lambda: path.read_text() if path.exists() else ""))
    return content


def test_the_runtimes_user_has_a_file_as_soon_as_the_runtime_is_up(runtime: Runtime) -> None:
    content = info(runtime, f"user-{os.geteuid()}")
    assert content["domain_socket_path"] == str(runtime.root.ipc_socket)
    path = runtime.root.state / "cli_ipc_info" / f"user-{os.geteuid()}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    runtime.kill(runtime.pid_of("ipcd"))
    with Components(runtime) as components:
        assert components.connect(content["cli_auth_token"]).list_components().components


def test_a_command_line_client_needs_no_policies(runtime: Runtime, tmp_path: Path) -> None:
    """What ``greengrass-cli`` does: components, local deployments, messages, a debug password; nothing else."""
    recipe = tmp_path / "com.example.ByCli-1.0.0.json"
    lifecycle = {"Lifecycle": {"run": "exec sleep 1000"}, "Platform": {"os": "linux"}}
    recipe.write_text(json.dumps({"RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.ByCli",
                                  "ComponentVersion": "1.0.0", "Manifests": [lifecycle]}))  # fmt: skip
    with Components(runtime) as components:
        client = components.connect(info(runtime, f"user-{os.geteuid()}")["cli_auth_token"])
        user = pwd.getpwuid(os.geteuid()).pw_name
        identifier = client.create_local_deployment(
            recipe_directory_path=str(tmp_path), root_component_versions_to_add={"com.example.ByCli": "1.0.0"},
            component_to_run_with_info={"com.example.ByCli": RunWithInfo(posix_user=user)},
        ).deployment_id  # fmt: skip
        status = wait_until(
            lambda: client.get_local_deployment_status(deployment_id=identifier).deployment.status,
            lambda status: status in ("SUCCEEDED", "FAILED"),
            120.0,
        )
        assert status == "SUCCEEDED"
        assert client.get_component_details(component_name="com.example.ByCli").component_details.version == "1.0.0"
        publish(client, "any/topic", {"from": "cli"})
        names = [each["component"] for each in runtime.call("gg_ipc", "connections")]
        assert f"greengrass-cli#user-{os.geteuid()}" in names
        with pytest.raises(UnauthorizedError):
            client.pause_component(component_name="com.example.ByCli")


def test_a_file_that_was_damaged_is_made_again_at_the_next_start(runtime: Runtime) -> None:
    path = runtime.root.state / "cli_ipc_info" / f"user-{os.geteuid()}"
    before = info(runtime, path.name)
    path.write_text("{")
    runtime.kill(runtime.pid_of("ipcd"))
    runtime.call("gg_ipc", "routes")
    after = json.loads(wait_until(path.read_text, lambda text: text != "{"))
    assert after["cli_auth_token"] != before["cli_auth_token"]


@ROOT_ONLY
def test_members_of_authorized_groups_are_clients_until_they_are_no_longer(runtime: Runtime, python: str) -> None:
    authorize(runtime, f"{TEAM}, no-such-group,{TESTER}")
    content = info(runtime, f"group-{TEAM}")
    directory = runtime.root.state / "cli_ipc_info"
    found = (directory / f"group-{TEAM}").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o640, TEAM)
    assert info(runtime, f"group-{pwd.getpwnam(TESTER).pw_gid}") != content
    eventually(lambda: "there is no group 'no-such-group'" in runtime.log("ggl.core.ipcd"))

    members = {"authToken": content["cli_auth_token"]}
    assert connect(runtime, python, members, user=STRANGER, group=TEAM).accepted
    assert connect(runtime, python, members, user=TESTER, group=TESTER, extra_groups=[7, TEAM]).accepted
    assert connect(runtime, python, members, user=TESTER, group=TESTER).refused
    eventually(lambda: f"has the token of greengrass-cli#group-{TEAM}, and is somebody else"
               in runtime.log("ggl.core.ipcd"))  # fmt: skip
    assert connect(runtime, python, {**members, "componentName": METER}, user=STRANGER, group=TEAM).refused

    # The connection that starts the daemon is not refused because the daemon does not know the groups yet.
    runtime.kill(runtime.pid_of("ipcd"))
    assert connect(runtime, python, members, user=STRANGER, group=TEAM).accepted

    authorize(runtime, "")
    wait_until(lambda: (directory / f"group-{TEAM}").exists(), lambda there: not there)
    assert connect(runtime, python, members, user=STRANGER, group=TEAM).refused
    assert sorted(os.listdir(directory)) == [f"user-{os.geteuid()}"]


@ROOT_ONLY
def test_a_changed_setting_is_heard_of_when_nobody_runs(runtime: Runtime) -> None:
    runtime.call("gg_host", "stop", {"names": ["ggl.core.ipcd"]})
    assert runtime.pid_of("ipcd") == 0
    authorize(runtime, str(TEAM))
    info(runtime, f"group-{TEAM}")
    authorize(runtime, "")
    wait_until(lambda: (runtime.root.state / "cli_ipc_info" / f"group-{TEAM}").exists(), lambda there: not there)


# -- passwords and tokens of others ------------------------------------------------------------------------------------


def test_a_debug_password_lets_in_for_eight_hours(runtime: Runtime) -> None:
    with Components(runtime) as components:
        client = components.connect(info(runtime, f"user-{os.geteuid()}")["cli_auth_token"])
        answer = client.create_debug_password()
        other = components.connect(runtime.call("gg_ipc", "token", {"component": METER}))
        with pytest.raises(UnauthorizedError):
            other.create_debug_password()
    assert answer.username == "debug"
    assert len(answer.password) == 43
    assert abs(answer.password_expiration.timestamp() - time.time() - 8 * 3600) < 600
    assert answer.certificate_sha1_hash is None

    def lets_in(username: str, password: str) -> Any:
        return runtime.call("gg_ipc", "check_debug_password", {"username": username, "password": password})

    assert lets_in("debug", answer.password) is True
    assert lets_in("debug", answer.password[:-1] + "~") is False
    assert lets_in("root", answer.password) is False


def test_the_stream_manager_asks_whether_a_token_is_one(runtime: Runtime) -> None:
    manager = runtime.call("gg_ipc", "token", {"component": "aws.greengrass.StreamManager"})
    token = runtime.call("gg_ipc", "token", {"component": METER})
    with Components(runtime) as components:
        client = components.connect(manager)
        assert client.validate_authorization_token(token=token).is_valid is True
        for wrong in ("A" * 16, ""):
            with pytest.raises(InvalidTokenError):
                client.validate_authorization_token(token=wrong)
        with pytest.raises(UnauthorizedError):
            components.connect(token).validate_authorization_token(token=token)
