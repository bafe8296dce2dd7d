"""Tokens of components, and the file they outlive the daemon in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ggl.ipcd.tokens import Tokens, new_token


def test_a_token_is_16_upper_case_letters_and_digits() -> None:
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(len(token) == 16 and token.isalnum() and token.isascii() and token == token.upper() for token in tokens)


def test_a_component_keeps_its_token_over_a_restart(tmp_path: Path) -> None:
    first = Tokens(tmp_path / "tokens")
    token = first.token_of("com.example.A")
    other = first.token_of("com.example.B")
    assert first.token_of("com.example.A") == token != other
    again = Tokens(tmp_path / "tokens")
    assert again.token_of("com.example.A") == token
    assert again.component_of(token) == "com.example.A"
    assert again.component_of(other) == "com.example.B"
    assert again.component_of(new_token()) is None


def test_whose_token_was_shown(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    of = {tokens.token_of(component): component for component in ("com.example.A", "com.example.B", "com.example.C")}
    for token, component in of.items():
        assert tokens.shown(token) == component
        assert tokens.shown(token[:-1]) is None
    assert tokens.shown(new_token()) is None


def test_the_file_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.touch(mode=0o644)
    Tokens(path).token_of("a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token = Tokens(path).token_of("a")
    with path.open("a") as file:
        file.write("ABCDEFGHIJKL")
    tokens = Tokens(path)
    assert tokens.component_of(token) == "a"
    second = tokens.token_of("b")
    assert Tokens(path).component_of(second) == "b"
    assert Tokens(path).component_of(token) == "a"


def test_an_unfinished_line_grants_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{new_token()} com.exam")
    assert Tokens(path)._components == {}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    token = Tokens(tmp_path / "target").token_of("a")
    (tmp_path / "tokens").symlink_to(tmp_path / "target")
    tokens = Tokens(tmp_path / "tokens")
    assert tokens.component_of(token) is None
    new = tokens.token_of("a")
    assert Tokens(tmp_path / "tokens").component_of(new) == "a"
    assert Tokens(tmp_path / "target").component_of(token) == "a"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_another_user_is_not_believed_and_replaced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tokens"
    token = Tokens(path).token_of("a")
    os.chown(path, 65534, 65534)
    tokens = Tokens(path)
    assert tokens.component_of(token) is None
    assert "belong to another user" in capfd.readouterr().err
    new = tokens.token_of("a")
    assert Tokens(path).component_of(new) == "a"
    assert path.stat().st_uid == os.geteuid()


# -- for whom a token is good ------------------------------------------------------------------------------------------


def test_a_token_asked_for_without_users_is_for_none(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    tokens.token_of("a")
    assert tokens.users_of("a") == tokens.users_of("unknown") == set()


def test_each_phase_has_its_users_and_a_later_start_replaces_them(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    tokens.runs_as("a", "install", [1001])
    tokens.runs_as("a", "main", [1002, 0])
    assert tokens.users_of("a") == {1001, 1002, 0}
    tokens.runs_as("a", "main", [1004])
    for read in (tokens, Tokens(tmp_path / "tokens")):
        assert read.users_of("a") == {1001, 1004}
        assert read.users_of("b") == set()
    tokens.runs_as("a", "install", [])
    for read in (tokens, Tokens(tmp_path / "tokens")):
        assert read.users_of("a") == {1004}


def test_starting_again_as_the_same_user_writes_nothing(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    tokens.runs_as("a", "main", [1001])
    size = (tmp_path / "tokens").stat().st_size
    for read in (tokens, Tokens(tmp_path / "tokens")):
        read.runs_as("a", "main", [1001])
        read.runs_as("a", "install", [])
    assert (tmp_path / "tokens").stat().st_size == size


def test_users_cut_short_by_a_kill_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token = Tokens(path).token_of("a")
    with path.open("a") as file:
        file.write(f"{token} a main 1001,10")
    assert Tokens(path).users_of("a") == set()
