"""The Debian package on a device: what happens to what was deployed when it is upgraded, removed, and purged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ggl.version import VERSION
from tests.system.runtime import TARGET, processes, systemctl, units_in, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = ("daemons", "gglcli", "completions", "man", "packaging", "pyproject.toml", "README.md", "LICENSE")
PURGED = (
    "/usr/lib/ggl",
    "/usr/bin/ggl",
    "/var/lib/greengrass",
    "/var/lib/ggc_user",
    "/run/greengrass",
    "/etc/greengrass",
)
STATE = Path("/var/lib/greengrass")
APP = "com.example.App"
LATER = f"{VERSION}+1"

pytestmark = pytest.mark.skipif(shutil.which("dpkg") is None, reason="no Debian")


def run(*words: str | Path, status: int = 0) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}"
    return done.stdout


def ggl(*words: str | Path) -> Any:
    done = subprocess.run(["/usr/bin/ggl", *words, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return json.loads(done.stdout)


def dpkg(action: str, what: str | Path) -> str:
    return run("dpkg", action, what)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package of the present version, and one of a later version, by their versions."""
    tree = tmp_path_factory.mktemp("package")
    for name in SOURCES:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, tree)
    build = tree / "packaging/debian/build.sh"
    if subprocess.run([build, "--can"], capture_output=True).returncode and os.environ.get("CI") != "true":
        pytest.skip(run(build, "--can", status=1).strip())
    built = [tree / run(build, *arguments).strip() for arguments in ((), (LATER,))]
    return {str(path.name).split("_")[1]: path for path in built}


@pytest.fixture(scope="module")
def policy() -> Iterator[None]:
    """Images of containers, of which this machine may be a view, forbid packages to start anything."""
    forbids, aside = Path("/usr/sbin/policy-rc.d"), Path("/usr/sbin/policy-rc.d.aside")
    if there := forbids.exists():
        forbids.rename(aside)
    yield
    if there:
        aside.rename(forbids)


@pytest.fixture
def device(packages: dict[str, Path], policy: None) -> Iterator[Path]:
    """A device without ggl; yields the package of the present version. Afterwards nothing of it may be left."""
    run("/usr/local/bin/ggl", "uninstall", "--purge", "--yes")
    yield packages[VERSION]
    dpkg("--purge", "ggl")


def deploy(folder: Path, lifecycle: str) -> subprocess.Popen[str]:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(
        f"RecipeFormatVersion: '2020-01-25'\nComponentName: {APP}\nComponentVersion: 1.0.0\n"
        f"Manifests:\n  - Platform: {{os: linux}}\n    Lifecycle: {lifecycle}\n"
    )
    words = ("/usr/bin/ggl", "deploy", "local", folder)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def states() -> list[tuple[str, str]]:
    done = subprocess.run(["/usr/bin/ggl", "status", "--json"], capture_output=True, text=True)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    return [(each["component"], each["state"]) for each in found.get("components", [])]


def wait_for_running() -> None:
    wait_until(states, [(APP, "RUNNING")].__eq__)


def log() -> list[str]:
    """What the scripts of the component have written down."""
    path = STATE / "work" / APP / "log"
    return path.read_text().split() if path.exists() else []


def wait_for_log(*words: str) -> None:
    """A component is up a little before its script has written anything."""
    wait_until(log, lambda found: len(found) >= len(words))
    assert log() == [*words]


def accounts() -> set[str]:
    return {line.partition(":")[0] for base in ("passwd", "group") for line in run("getent", base).splitlines()}


def test_the_life_of_a_package(device: Path, packages: dict[str, Path], tmp_path: Path) -> None:
    dpkg("--install", device)
    assert (systemctl("is-active", TARGET), systemctl("is-enabled", TARGET)) == ("active\n", "enabled\n")
    assert ggl("version")["version"] == VERSION
    # The daemons cannot write it.
    modules = {path for path in Path("/usr/lib/ggl").rglob("*.py") if "lib2to3" not in path.parts}
    compiled = {
        path.parent.parent / f"{path.name.partition('.')[0]}.py" for path in Path("/usr/lib/ggl").rglob("*.pyc")
    }
    assert modules == compiled

    lifecycle = "{run: 'echo run >> log; exec sleep 1000', shutdown: 'echo shutdown >> log'}"
    deploy(tmp_path / "app", lifecycle).communicate()
    wait_for_running()
    wait_for_log("run")
    run("/usr/bin/ggl", "config", "set", f"{APP}/color", "green")

    # An upgrade stops it in order, and starts it again.
    dpkg("--install", packages[LATER])
    assert ggl("version")["version"] == LATER
    assert systemctl("is-active", TARGET) == "active\n"
    wait_for_running()
    wait_for_log("run", "shutdown", "run")
    assert units_in("failed") == []

    # Removed: nothing runs, what was deployed is kept.
    dpkg("--remove", "ggl")
    assert list(processes()) == []
    assert units_in("active", "activating", "deactivating", "failed") == []
    assert systemctl("show", "--value", "--property=LoadState", TARGET) == "not-found\n"
    assert log() == ["run", "shutdown", "run", "shutdown"]

    # Installed again: it is back, with its configuration.
    dpkg("--install", device)
    wait_for_running()
    assert run("/usr/bin/ggl", "config", "get", f"{APP}/color").strip() == "green"

    dpkg("--purge", "ggl")
    assert list(processes()) == []
    assert [path for path in PURGED if os.path.lexists(path)] == []
    assert [each for each in accounts() if each.startswith("gg")] == []
    assert [
        str(path) for path in Path("/etc/systemd/system").rglob("*g*") if path.name.startswith(("ggl", "greengrass"))
    ] == []
    assert list(Path("/run/systemd/system").glob("ggl*")) == []


def test_a_deployment_outlives_an_upgrade(device: Path, packages: dict[str, Path], tmp_path: Path) -> None:
    dpkg("--install", device)
    waiting = deploy(
        tmp_path / "app",
        "{install: 'echo install >> log; while ! [ -e go ]; do sleep 0.1; done',"
        " run: 'echo run >> log; exec sleep 1000'}",
    )
    work = STATE / "work" / APP
    wait_until(log)
    dpkg("--install", packages[LATER])
    (work / "go").touch()
    waiting.communicate()
    wait_until(lambda: [each["status"] for each in ggl("deploy", "list")], ["SUCCEEDED"].__eq__)
    wait_for_running()
    wait_for_log("install", "install", "run")


def test_two_installations_do_not_share_a_device(device: Path) -> None:
    run("/usr/local/bin/ggl", "install", "--no-start")
    said = run("dpkg", "--install", device, status=1)
    assert "ggl uninstall" in said
    run("/usr/local/bin/ggl", "uninstall", "--yes")
    dpkg("--install", device)
    assert "apt remove ggl" in run("/usr/local/bin/ggl", "uninstall", "--yes", status=1)
    assert "ggl up" in run("/usr/local/bin/ggl", "install", status=1)
