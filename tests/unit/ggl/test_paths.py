"""Which root a command or daemon works on."""

from __future__ import annotations

import os
from pathlib import Path

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


def test_a_user_without_a_choice_has_xdg_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/u")
    root = find_root()
    assert (root.state, root.config) == (Path("/home/u/.local/state/greengrass"), Path("/home/u/.config/greengrass"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert find_root().run in (tmp_path / "greengrass", find_root().run)


@pytest.mark.parametrize("length", [10, 60, 90, 100, 200])
def test_socket_paths_fit_whatever_the_root(length: int) -> None:
    root = find_root("/" + "d" * length)
    assert len(str(root.bus_socket("gg_deployment"))) <= SOCKET_PATH_LIMIT
    assert len(str(root.ipc_socket)) <= SOCKET_PATH_LIMIT


def test_long_roots_do_not_share_their_sockets() -> None:
    assert find_root("/" + "d" * 200).run != find_root("/" + "e" * 200).run


def test_a_child_finds_the_same_root(monkeypatch: pytest.MonkeyPatch) -> None:
    root = find_root("/" + "d" * 200)
    for name, value in root.environment().items():
        monkeypatch.setenv(name, value)
    assert find_root() == root
