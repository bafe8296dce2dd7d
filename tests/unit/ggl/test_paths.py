"""Which root a command or daemon works on."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ggl.paths import SOCKET_PATH_LIMIT, SYSTEM, find_root


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GGL_ROOT", "GGL_RUN", "GGL_ETC", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_option_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGL_ROOT", "/tmp/a")
    assert find_root("/tmp/b").state == Path("/tmp/b")
    assert find_root().state == Path("/tmp/a")


def test_root_without_a_choice_is_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_root() == SYSTEM


def test_the_system_is_known_by_any_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(SYSTEM.state)
    assert find_root(str(tmp_path / "link")) == find_root(f"{SYSTEM.state}/../greengrass") == SYSTEM


def test_a_user_without_a_choice_has_xdg_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/u")
    root = find_root()
    assert (root.state, root.config) == (Path("/home/u/.local/state/greengrass"), Path("/home/u/.config/greengrass"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert find_root().run in (tmp_path / "greengrass", find_root().run)


@pytest.mark.parametrize("length", [10, 60, 90, 100, 200])
@pytest.mark.parametrize("letter", ["d", "ü"])
def test_socket_paths_fit_whatever_the_root(length: int, letter: str) -> None:
    root = find_root("/" + letter * length)
    assert len(os.fsencode(root.bus_socket("gg_registration"))) <= SOCKET_PATH_LIMIT
    assert len(os.fsencode(root.ipc_socket)) <= SOCKET_PATH_LIMIT


def test_long_roots_do_not_share_their_sockets() -> None:
    assert find_root("/" + "d" * 200).run != find_root("/" + "e" * 200).run


@pytest.mark.parametrize(("uid", "own"), [(0, False), (1000, True)])
def test_the_sockets_of_root_are_where_the_users_of_components_may_go(
    monkeypatch: pytest.MonkeyPatch, uid: int, own: bool
) -> None:
    with TemporaryDirectory(dir="/tmp") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        socket = find_root("/" + "d" * 200).ipc_socket
    assert socket.parent.parent == (Path(runtime) if own else Path("/tmp"))


def test_a_child_finds_the_same_root(monkeypatch: pytest.MonkeyPatch) -> None:
    root = find_root("/" + "d" * 200)
    for name, value in root.environment().items():
        monkeypatch.setenv(name, value)
    assert find_root() == root
