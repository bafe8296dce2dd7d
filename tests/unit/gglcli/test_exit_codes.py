"""What an error of the runtime, or a mistake on the command line, does to the exit code and to stderr."""

from __future__ import annotations

import pytest

from ggl.bus import BusError, ErrorCode

EXPECTED = {
    "NOENTRY": 4,
    "NODATA": 4,
    "INVALID": 5,
    "PARSE": 5,
    "RANGE": 5,
    "UNSUPPORTED": 5,
    "CONFIG": 5,
    "TIMEOUT": 6,
    "BUSY": 7,
    "RETRY": 7,
    "NOMEM": 7,
    "NOCONN": 7,
    "FAILURE": 1,
    "FATAL": 1,
    "REMOTE": 1,
}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_bus_error_has_its_exit_code(ggl, runtime, code) -> None:
    result = ggl("bus", "call", "gg_odd", code.value.lower(), "--json")
    assert result.code == EXPECTED[code.value]
    assert result.out == ""
    assert result.error["code"] == code.value
    assert result.error["message"] == "it did not work"
    assert result.error["trail"]


def test_an_error_is_one_line_with_what_why_next_and_trail(ggl, runtime) -> None:
    result = ggl("bus", "call", "gg_odd", "failure")
    assert result.err.count("\n") == 1
    assert result.err.startswith("error: ggl bus call: it did not work; see 'ggl logs --trail ")
    assert "[trail " in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("words", [["component", "list"], ["config", "get"], ["deploy", "list"], ["bus", "list"]])
def test_a_runtime_that_is_down_is_3(ggl, words) -> None:
    result = ggl(*words)
    assert result.code == 3
    assert "is not running; start it with 'ggl up'" in result.err


def test_a_suggested_command_keeps_the_root(ggl, tmp_path) -> None:
    result = ggl("--root", str(tmp_path / "other place"), "component", "list")
    assert f"'ggl up --root '{tmp_path}/other place''" in result.err


@pytest.mark.parametrize(
    "words",
    [["verison"], ["status", "--nope"], ["config", "set", "x"], ["deploy", "local"], ["logs", "--level", "LOUD"]],
)
def test_a_mistake_on_the_command_line_is_2(ggl, words) -> None:
    result = ggl(*words)
    assert result.code == 2
    assert result.err.startswith("error: ggl")
    assert result.err.count("\n") == 1


def test_a_typo_gets_a_suggestion(ggl) -> None:
    assert "Did you mean 'status'?" in ggl("statsu").err


def test_a_group_without_a_command_shows_its_help(ggl) -> None:
    result = ggl("config")
    assert result.code == 2
    assert "Usage: ggl config" in result.out


def test_an_unexpected_error_is_one_line_without_a_trace(ggl, monkeypatch) -> None:
    monkeypatch.setattr("gglcli.version.show_version", lambda: 1 / 0)
    result = ggl("version")
    assert result.code == 1
    assert result.err == (
        "error: ggl version: unexpected error: ZeroDivisionError: division by zero; set GGL_DEBUG=1 to see where\n"
    )
    monkeypatch.setenv("GGL_DEBUG", "1")
    assert "Traceback" in ggl("version").err


def test_an_unknown_component_is_4_with_a_suggestion(ggl, runtime) -> None:
    result = ggl("component", "restart", "com.example.Helo")
    assert result.code == 4
    assert "did you mean 'com.example.Hello'" in result.err


def test_another_users_runtime_is_told_as_such(ggl, runtime, monkeypatch) -> None:
    def refuse(*_arguments) -> None:
        raise BusError(ErrorCode.NOCONN, "no permission")

    monkeypatch.setattr("gglcli.client.os.access", lambda *_: False)
    monkeypatch.setattr("ggl.bus.client.connect", refuse)
    monkeypatch.setattr("ggl.bus.connect", refuse, raising=False)
    for words in (["status"], ["component", "list"], ["down"]):
        result = ggl(*words, "--json")
        assert result.code == 1, words
        assert result.error["code"] == "NOPERM"


def test_a_file_that_cannot_be_read_is_one_line(ggl, root) -> None:
    (root.logs / "a.log").mkdir(parents=True)
    result = ggl("logs", "a")
    assert result.code == 1
    assert result.err == f"error: ggl logs: cannot use {root.logs}/a.log: Is a directory\n"


def test_what_people_type_by_habit_works(ggl, root) -> None:
    assert ggl("--version").out == ggl("-V").out == ggl("version").out
    assert ggl("--version", "--json").json == ggl("version", "--json").json
    assert ggl("help", "deploy", "show").out == ggl("deploy", "show", "--help").out
    assert ggl("help").out == ggl("--help").out


@pytest.mark.parametrize(
    "words",
    [
        ["config", "load"],
        ["config", "restore"],
        ["config", "backup", "--force"],
        ["config", "dump"],
        ["deploy", "file"],
        ["bus", "call", "gg_config", "read"],
    ],
)
def test_files_that_are_missing_are_4_and_folders_are_5(ggl, runtime, tmp_path, words) -> None:
    at = "@" if words[0] == "bus" else ""
    assert ggl(*words, f"{at}{tmp_path}/no/such").code == 4
    assert ggl(*words, f"{at}{tmp_path}").code == 5


@pytest.mark.parametrize("words", [["deploy", "wait"], ["component", "start", "x"], ["rollback"], ["up"]])
def test_no_time_to_wait_is_a_mistake(ggl, runtime, words) -> None:
    result = ggl(*words, "--timeout", "0")
    assert (result.code, result.err.count("it must be a number of seconds above 0")) == (2, 1)
