"""``ggl install`` and ``ggl uninstall`` on a machine with systemd, and ``ggl up`` and ``ggl down`` on such a device."""

from __future__ import annotations

import grp
import json
import os
import pty
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, connect
from ggl.host.detect import host_of
from ggl.host.systemd.core_units import directories
from ggl.host.systemd.layout import Layout
from ggl.paths import SYSTEM
from tests.cloud.processes import bound
from tests.integration.test_listen import is_open
from tests.system.runtime import CORE, TARGET, processes, systemctl, units_in, wait_until

PROGRAM = "/opt/ggl/bin/ggl"
UNITS = Path("/etc/systemd/system")
PLACES = (UNITS, Path("/etc/tmpfiles.d"), Path("/etc/sysusers.d"), Path("/run/systemd/system"))
RECIPE = {
    "RecipeFormatVersion": "2020-01-25",
    "ComponentName": "com.example.App",
    "ComponentVersion": "1.0.0",
    "Manifests": [{"Lifecycle": {"run": "id -un > user; exec sleep 1000"}}],
}


def ggl(*words: str, code: int = 0, **options: Any) -> str:
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def snapshot() -> dict[str, tuple[object, ...]]:
    """Everything that an installation makes, by its path, and the accounts."""
    found: dict[str, tuple[object, ...]] = {}
    for place in (*PLACES, SYSTEM.state, SYSTEM.config):
        for path in (place, *place.rglob("*")) if place.exists() else ():
            if place in PLACES and not path.name.startswith(("ggl", "greengrass")):
                continue
            try:
                about = path.lstat()
            except FileNotFoundError:
                continue  # a daemon has just removed it
            content = path.read_bytes() if stat.S_ISREG(about.st_mode) and place in PLACES else b""
            found[str(path)] = (about.st_mode, about.st_uid, about.st_gid, content)
    for user in ("ggcore", "ggc_user"):
        try:
            found[user] = tuple(pwd.getpwnam(user))
        except KeyError:
            pass
    return found


def settled() -> dict[str, tuple[object, ...]]:
    """The same, when the daemons that start with the runtime have written what they write at their start."""
    ggl("config", "get", "/system")
    wait_until(lambda: [*SYSTEM.state.glob("cli_ipc_info/user-*")])
    return snapshot()


@pytest.fixture(autouse=True)
def bare() -> Iterator[None]:
    """A machine without a runtime, before and after."""
    ggl("uninstall", "--purge", "--yes")
    assert snapshot() == {}
    yield
    ggl("uninstall", "--purge", "--yes")
    assert snapshot() == {}
    assert [*processes()] == []


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A recipe in a folder that nobody but its owner may enter."""
    folder = tmp_path / "app"
    folder.mkdir(mode=0o700)
    (folder / "recipe.json").write_text(json.dumps(RECIPE))
    return folder


USER = SYSTEM.work / "com.example.App/user"


def runs() -> None:
    """Wait until the script has said as whom it runs; the component is up a little before."""
    wait_until(lambda: USER.exists() and USER.read_text())


def states() -> list[str]:
    return [each["state"] for each in json.loads(ggl("status", "--json"))["components"]]


def deploy(app: Path) -> None:
    ggl("deploy", "local", str(app))
    runs()


def test_an_installed_device_runs_components_as_their_user(app: Path) -> None:
    ggl("install")
    assert host_of(SYSTEM) == "systemd"
    assert systemctl("is-enabled", TARGET).strip() == "enabled"
    deploy(app)
    assert USER.read_text() == "ggc_user\n"
    assert ggl("config", "get", "/system/rootPath").strip().strip('"') == str(SYSTEM.state)
    assert units_in("failed") == []


def test_the_directories_have_the_modes_that_they_say() -> None:
    ggl("install", "--no-start")
    for each in directories(Layout()):
        about = each.path.lstat()
        found = (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid)
        assert found == (each.mode, pwd.getpwnam(each.user).pw_uid, grp.getgrnam(each.group).gr_gid), each.path


def test_installing_again_changes_nothing() -> None:
    first = json.loads(ggl("install", "--json"))
    assert first["changed"]
    before = settled()
    since = systemctl("show", "--value", "-p", "InvocationID", TARGET)
    again = json.loads(ggl("install", "--json"))
    assert (again["changed"], again["actions"]) == (False, [])
    assert snapshot() == before
    assert systemctl("show", "--value", "-p", "InvocationID", TARGET) == since


def test_a_dry_run_says_what_is_done_and_does_nothing() -> None:
    said = json.loads(ggl("install", "--dry-run", "--json"))["actions"]
    assert snapshot() == {}
    assert said == json.loads(ggl("install", "--json"))["actions"]
    before = settled()
    said = json.loads(ggl("uninstall", "--purge", "--dry-run", "--json"))["actions"]
    assert snapshot() == before
    assert said == json.loads(ggl("uninstall", "--purge", "--yes", "--json"))["actions"]


def test_what_is_missing_or_was_changed_is_put_right() -> None:
    ggl("install", "--no-start")
    before = snapshot()
    (UNITS / "ggl.core.configd.service").unlink()
    (UNITS / "ggl.gg_health.socket").write_text("[Socket]\n")
    (UNITS / "ggl.core.formerd.service").write_text("[Service]\nExecStart=/bin/true\n")
    os.chmod(SYSTEM.units, 0o777)
    assert json.loads(ggl("install", "--no-start", "--json"))["actions"] == [
        f"write {UNITS}/ggl.core.configd.service",
        f"write {UNITS}/ggl.gg_health.socket",
        f"remove {UNITS}/ggl.core.formerd.service",
        f"make {SYSTEM.units} (ggcore:ggcore, 0700)",
        "tell systemd of the units (daemon-reload)",
    ]
    assert snapshot() == before


def test_an_administrators_drop_in_survives() -> None:
    ggl("install", "--no-start")
    drop_in = UNITS / "ggl.core.configd.service.d/limits.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nMemoryMax=300M\n")
    systemctl("daemon-reload")
    try:
        assert json.loads(ggl("install", "--no-start", "--json"))["actions"] == []
        ggl("up")
        ggl("config", "get", "/system")
        assert systemctl("show", "--value", "-p", "MemoryMax", "ggl.core.configd.service").strip() == str(300 << 20)
        ggl("uninstall", "--yes")
        assert drop_in.exists()
    finally:
        shutil.rmtree(drop_in.parent)


def test_uninstalled_the_state_stays_for_the_next_installation(app: Path) -> None:
    ggl("install")
    deploy(app)
    ggl("uninstall", "--yes")
    assert [*processes()] == []
    assert not SYSTEM.run.exists()
    assert [path for place in PLACES for path in place.glob("*ggl*")] == []
    assert pwd.getpwnam("ggcore")
    USER.unlink()
    ggl("install")
    runs()


def test_what_is_open_for_a_daemon_goes_with_the_installation() -> None:
    ggl("install")
    with bound() as held:
        port = held.getsockname()[1]
        ggl("bus", "call", "gg_host", "listen", json.dumps({"daemon": "tesserverd", "ports": [port]}))
    assert is_open(port)
    ggl("uninstall", "--yes")
    assert not is_open(port)
    assert units_in("active", "inactive", "failed") == []


def test_to_remove_it_must_be_confirmed() -> None:
    ggl("install", "--no-start")
    before = snapshot()
    assert "confirm with --yes" in ggl("uninstall", "--purge", code=2)
    assert at_a_terminal("uninstall", answer="n\n") == 1
    assert snapshot() == before
    assert at_a_terminal("uninstall", answer="y\n") == 0
    assert not (UNITS / TARGET).exists()


def at_a_terminal(*words: str, answer: str) -> int:
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, *words], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, answer.encode())
    try:
        while os.read(master, 4096):
            pass
    except OSError:
        pass  # its last reader has left
    os.close(master)
    return process.wait()


def test_up_and_down_start_and_stop_the_services(app: Path) -> None:
    assert "runtime started" in ggl("up", "--systemd")
    deploy(app)
    assert json.loads(ggl("up", "--wait", "--json"))["already_running"]
    stopped = json.loads(ggl("down", "--json"))
    assert (stopped["state"], stopped["was_running"]) == ("stopped", True)
    assert [*processes()] == []
    assert not json.loads(ggl("down", "--json"))["was_running"]
    assert "is not running" in ggl("config", "get", "/system", code=3)
    USER.unlink()
    started = json.loads(ggl("up", "--wait", "--json"))
    assert (started["state"], started["already_running"]) == ("running", False)
    assert states() == ["RUNNING"]
    runs()
    assert "foreground" in ggl("up", "--foreground", code=2)


def test_what_does_not_stop_in_time_is_killed(app: Path) -> None:
    recipe = {
        **RECIPE,
        "Manifests": [{"Lifecycle": {"run": "sleep 1000", "shutdown": {"Script": "sleep 999", "Timeout": 600}}}],
    }
    (app / "recipe.json").write_text(json.dumps(recipe))
    ggl("install")
    ggl("deploy", "local", str(app))
    ggl("down", "--timeout", "2")
    assert [*processes()] == []
    assert units_in("active", "failed") == []
    assert "is not running" in ggl("config", "get", "/system", code=3)
    assert "runtime started" in ggl("up")
    ggl("down", "--timeout", "2")


def test_up_opens_a_socket_that_was_stopped_on_its_own() -> None:
    ggl("install")
    systemctl("stop", "ggl.gg_host.socket", "ggl.core.hostd.service")
    ggl("status", code=4)
    assert "runtime started" in ggl("up")
    ggl("status")


def test_without_its_core_the_runtime_is_down(app: Path) -> None:
    ggl("install")
    deploy(app)
    systemctl("stop", CORE)
    assert systemctl("is-active", TARGET, CORE, check=False).split() == ["inactive", "inactive"]
    assert [*processes()] == []
    USER.unlink()
    ggl("up", "--wait")
    assert states() == ["RUNNING"]
    runs()


def test_the_target_can_be_restarted(app: Path) -> None:
    ggl("install")
    deploy(app)
    USER.unlink()
    systemctl("restart", TARGET)
    runs()
    assert systemctl("is-active", TARGET, CORE).split() == ["active", "active"]


@contextmanager
def under_a_supervisor() -> Iterator[subprocess.Popen[bytes]]:
    """Root runs the runtime of the device himself."""
    process = subprocess.Popen([PROGRAM, "up", "--foreground"], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: subprocess.run([PROGRAM, "status"], capture_output=True).returncode == 0)
        yield process
    finally:
        process.terminate()
        process.wait()
        ggl("down")


def test_a_device_is_not_run_by_a_supervisor_in_the_background(tmp_path: Path) -> None:
    assert "'ggl install'" in ggl("up", code=1)
    assert not SYSTEM.state.exists()
    other = "--root", str(tmp_path / "other")
    ggl("up", *other)
    ggl("down", *other)


def test_a_runtime_of_before_is_taken_over_with_its_state(app: Path) -> None:
    """Root has run it under the supervisor; now the daemons have a user of their own."""
    with under_a_supervisor():
        ggl("config", "set", "/services/aws.greengrass.NucleusLite/configuration/runWithDefault/posixUser", "nobody")
        deploy(app)
        assert "runtime running already" in ggl("up")
        assert "supervisor of its own" in ggl("install", code=1)
    assert SYSTEM.config_db.stat().st_uid == 0
    USER.unlink()
    ggl("install")
    assert SYSTEM.config_db.stat().st_uid == pwd.getpwnam("ggcore").pw_uid
    runs()


def test_what_root_ran_in_between_is_taken_over(app: Path) -> None:
    ggl("install")
    deploy(app)
    before = settled()
    ggl("uninstall", "--yes")
    with under_a_supervisor() as supervisor:
        deploy(app)
        supervisor.kill()
    assert SYSTEM.ipc_socket.is_socket()
    USER.unlink()
    ggl("install")
    runs()
    owners = {path: of for path, of in settled().items() if not path.startswith((f"{SYSTEM.logs}", "/run"))}
    changed = {path for path, of in owners.items() if before.get(path, of)[1:3] != of[1:3]}
    assert changed == set()
    assert {pwd.getpwuid(path.stat().st_uid).pw_name for path in (SYSTEM.run, *SYSTEM.logs.rglob("*"))} == {"ggcore"}
    assert units_in("failed") == []


def test_what_a_killed_supervisor_left_running_is_ended_first(app: Path) -> None:
    with under_a_supervisor() as supervisor:
        ggl("config", "set", "/services/aws.greengrass.NucleusLite/configuration/runWithDefault/posixUser", "nobody")
        deploy(app)
        supervisor.kill()
        supervisor.wait()
        assert "left processes" in ggl("install", code=1)
    ggl("install", "--no-start")


def test_the_links_of_another_nucleus_are_removed(app: Path) -> None:
    """They would prevail over our units of the same names."""
    ggl("install")
    deploy(app)
    ggl("uninstall", "--yes")
    theirs = SYSTEM.state / "ggl.com.example.App.service"
    theirs.write_text("[Service]\nExecStart=sleep 1000\n[Install]\nWantedBy=greengrass-lite.target\n")
    systemctl("enable", "--now", str(theirs))
    links = [UNITS / "greengrass-lite.target.wants/ggl.com.example.App.service", UNITS / "ggl.com.example.App.service"]
    own = UNITS / "multi-user.target.wants/ggl.com.example.App.service"
    own.parent.mkdir(exist_ok=True)
    own.symlink_to("/run/systemd/system/ggl.com.example.App.service")
    theirs.unlink()
    try:
        USER.unlink()
        actions = json.loads(ggl("install", "--json"))["actions"]
        assert sorted(actions[:2]) == sorted(f"remove {link}, of another nucleus" for link in links)
        runs()
        assert own.is_symlink()
    finally:
        own.unlink()


@pytest.mark.parametrize("directory", [UNITS, Path("/usr/lib/systemd/system")])
def test_another_nucleus_is_left_alone(directory: Path) -> None:
    target = directory / TARGET
    target.write_text("[Unit]\nDescription=Greengrass\n[Install]\nWantedBy=multi-user.target\n")
    try:
        for words in (["install"], ["up", "--systemd"], ["uninstall", "--yes"]):
            assert f"another Greengrass nucleus is installed on this device ({target})" in ggl(*words, code=1)
        assert host_of(SYSTEM) == "process"
    finally:
        target.unlink()


def test_boot_files_and_keys_that_only_root_may_read_are_opened_to_the_daemons() -> None:
    ggl("install", "--no-start")
    key = SYSTEM.config / "certs/key.pem"
    key.touch(0o600)
    path = SYSTEM.config / "config.d/secret.yaml"
    path.write_text("services: {com.example.App: {configuration: {kept: yes}}}")
    path.chmod(0o600)
    opened = [f"let the group ggcore read {each}" for each in (path, key)]
    assert json.loads(ggl("install", "--no-start", "--json"))["actions"] == opened
    for each in (path, key):
        assert (each.group(), stat.S_IMODE(each.stat().st_mode)) == ("ggcore", 0o640)
    ggl("up")
    assert "yes" in ggl("config", "get", "/services/com.example.App/configuration/kept")


def test_a_database_that_root_has_put_there_is_given_to_the_daemons() -> None:
    ggl("install")
    ggl("config", "set", "/services/com.example.App/configuration/kept", "yes")
    systemctl("stop", "ggl.core.configd.service")
    shutil.copy(SYSTEM.config_db, SYSTEM.config_db.with_name("backup"))
    os.replace(SYSTEM.config_db.with_name("backup"), SYSTEM.config_db)
    assert json.loads(ggl("install", "--json"))["actions"] == [f"hand {SYSTEM.state} over from root to ggcore"]
    assert "yes" in ggl("config", "get", "/services/com.example.App/configuration/kept")


def test_the_bus_is_open_to_the_group_and_closed_to_others() -> None:
    ggl("install")
    ggl("config", "get", "/system")

    def asks(group: int) -> bool:
        def become() -> None:
            os.setgroups([group])
            os.setgid(65534)
            os.setuid(65534)

        words = [PROGRAM, "status", "--json", "--root", str(SYSTEM.state)]
        return subprocess.run(words, preexec_fn=become, capture_output=True).returncode == 0

    assert asks(grp.getgrnam("ggcore").gr_gid)
    assert not asks(grp.getgrnam("ggc_group").gr_gid)


def test_who_may_connect_is_looked_at_again_behind_the_mode_of_the_socket() -> None:
    ggl("install")
    path = SYSTEM.bus_socket("gg_config")
    path.chmod(0o666)
    refused: list[BusError] = []

    def ask() -> None:
        try:
            with connect("gg_config", SYSTEM) as client:
                client.call("bus.ping")
        except BusError as error:
            refused.append(error)

    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        ask()
        os._exit(len(refused))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_only_root_installs() -> None:
    done = subprocess.run(
        [PROGRAM, "install"], user=65534, group=65534, extra_groups=[], capture_output=True, text=True
    )
    assert (done.returncode, "only root" in done.stderr) == (1, True)
    assert "leave out --root" in ggl("install", "--root", "/tmp/x", code=2)


def test_an_interpreter_that_the_daemons_cannot_reach_is_refused(tmp_path: Path) -> None:
    home = Path("/root/closed")
    home.mkdir(mode=0o700)
    try:
        # The same libraries by another road.
        (home / "python3").symlink_to("/opt/ggl/bin/python3")
        code = "import sys; sys.argv = ['ggl', 'install']; from gglcli.__main__ import main; main()"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(next(Path("/opt/ggl/lib").glob("*/site-packages"))),
        }
        done = subprocess.run([home / "python3", "-c", code], env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert "/root is hidden" in done.stderr
        assert "/opt/ggl" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    finally:
        shutil.rmtree(home)
    assert snapshot() == {}


def test_a_package_is_left_to_the_package_manager() -> None:
    packaged = Path("/usr/lib/systemd/system") / TARGET
    packaged.write_text(f"[Unit]\nRequires={CORE}\n")
    try:
        assert "a package has installed" in ggl("install", code=1)
        assert "a package has installed" in ggl("uninstall", "--yes", code=1)
    finally:
        packaged.unlink()


def test_the_shutdown_script_of_a_component_has_the_databus(tmp_path: Path) -> None:
    """Although every daemon was idle and gone when the runtime began to stop."""
    folder = tmp_path / "app"
    folder.mkdir()
    said = "ggl config get /system/rootPath --root /var/lib/greengrass > said 2>&1"
    lifecycle = {"run": "exec sleep 1000", "shutdown": {"Script": said, "RequiresPrivilege": True}}
    (folder / "recipe.json").write_text(json.dumps({**RECIPE, "Manifests": [{"Lifecycle": lifecycle}]}))
    ggl("install")
    ggl("deploy", "local", str(folder))
    systemctl("stop", "ggl.core.configd.service", "ggl.core.ipcd.service", "ggl.core.healthd.service")
    ggl("down")
    assert "/var/lib/greengrass" in (SYSTEM.work / "com.example.App/said").read_text()
