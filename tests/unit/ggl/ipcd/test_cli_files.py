"""The files of command line clients: which there are, with which tokens, for whom."""

from __future__ import annotations

import grp
import json
import os
import stat
from pathlib import Path

import pytest

from ggl.ipcd.cli_files import GROUP, USER, CliClient, groups, read, write

ME = CliClient(USER, os.geteuid())
OURS = CliClient(GROUP, os.getegid())
SOCKET = "/run/x/gg-ipc.socket"


def complaint(text: str) -> None:
    pytest.fail(text)


def test_a_file_says_where_the_runtime_is_and_holds_the_token(tmp_path: Path) -> None:
    ((token, client),) = write(tmp_path / "d", SOCKET, [ME], complaint).items()
    assert client == ME
    path = tmp_path / "d" / ME.name
    assert json.loads(path.read_text()) == {"cli_auth_token": token, "domain_socket_path": SOCKET}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_right_stays_with_its_token(tmp_path: Path) -> None:
    first = write(tmp_path / "d", SOCKET, [ME, OURS], complaint)
    assert write(tmp_path / "d", SOCKET, [OURS, ME], complaint) == first
    assert read(tmp_path / "d", [ME, OURS]) == first
    assert stat.S_IMODE((tmp_path / "d" / OURS.name).stat().st_mode) == 0o640


def test_the_directory_can_be_listed_only_when_there_is_a_group_to_be_found(tmp_path: Path) -> None:
    for clients, mode in (([ME], 0o711), ([ME, OURS], 0o755), ([ME], 0o711)):
        write(tmp_path / "d", SOCKET, clients, complaint)
        assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == mode


def test_who_is_no_client_any_more_has_no_file_and_later_another_token(tmp_path: Path) -> None:
    first = write(tmp_path, SOCKET, [ME, OURS], complaint)
    (tmp_path / ".group-7.new").touch()  # left by a daemon that was killed
    assert list(write(tmp_path, SOCKET, [ME], complaint).values()) == [ME]
    assert os.listdir(tmp_path) == [ME.name]
    assert len(set(first) | set(write(tmp_path, SOCKET, [ME, OURS], complaint))) == 3


@pytest.mark.parametrize("damage", ["content", "mode", "link", "socket", "token"])
def test_a_file_that_is_not_right_is_made_anew(damage: str, tmp_path: Path) -> None:
    (before,) = write(tmp_path, SOCKET, [ME], complaint)
    path = tmp_path / ME.name
    if damage == "content":
        path.write_text('["')
    elif damage == "mode":
        path.chmod(0o644)
    elif damage == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to("elsewhere")
    elif damage == "socket":
        path.write_text(json.dumps({"cli_auth_token": before, "domain_socket_path": "/other"}))
    else:
        path.write_text(json.dumps({"cli_auth_token": "x", "domain_socket_path": SOCKET}))
    (after,) = write(tmp_path, SOCKET, [ME], complaint)
    assert after != before
    assert not path.is_symlink()
    assert json.loads(path.read_text())["cli_auth_token"] == after


@pytest.mark.skipif(os.geteuid() == 0, reason="root gives files to every group")
def test_a_group_that_we_may_not_give_files_to_is_told_of(tmp_path: Path) -> None:
    complaints: list[str] = []
    assert list(write(tmp_path, SOCKET, [ME, CliClient(GROUP, 54322)], complaints.append).values()) == [ME]
    assert "group-54322" in complaints[0]
    assert os.listdir(tmp_path) == [ME.name]


def test_groups_are_names_and_numbers_separated_by_commas() -> None:
    name = grp.getgrgid(os.getegid()).gr_name
    assert groups(f" 54322,, {name},54322 ", complaint) == [CliClient(GROUP, 54322), OURS]
    assert groups(54322, complaint) == [CliClient(GROUP, 54322)]
    assert groups(None, complaint) == groups("", complaint) == []


@pytest.mark.parametrize("text", ["no-such-group", "-1", "4294967295", "9" * 5000, "a\0b", "\ud800"])
def test_what_is_no_group_is_told_of_and_passed_over(text: str) -> None:
    complaints: list[str] = []
    assert groups(f"{text},54322", complaints.append) == [CliClient(GROUP, 54322)]
    assert len(complaints) == 1


def test_a_setting_of_another_type_authorizes_nobody() -> None:
    for setting in ({"a": 1}, [["root"]], True, 1.5):
        complaints: list[str] = []
        assert groups(setting, complaints.append) == []
        assert complaints == ['AuthorizedPosixGroups must be names of groups, separated by commas: "ggadmins,1200"']


def test_a_list_of_groups_is_taken_as_well() -> None:
    name = grp.getgrgid(os.getegid()).gr_name
    assert groups([name, 54322, " 54323, 54322"], complaint) == [
        OURS, CliClient(GROUP, 54322), CliClient(GROUP, 54323)
    ]  # fmt: skip
    assert groups([], complaint) == []
