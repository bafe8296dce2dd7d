"""How output looks on a terminal, in a pipe and for a program; and what is loaded for it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gglcli import output
from tests.unit.gglcli.conftest import deployment

GGL = [sys.executable, "-m", "gglcli"]


def on_terminal(
    arguments: list[str], interrupt_at: str = "", program: tuple[str, ...] = ("-m", "gglcli"), **environment: str
) -> tuple[str, int]:
    """Run ggl with a terminal as its stdin, stdout and stderr; returns what it wrote and its exit code.

    ``interrupt_at``: what it has written when somebody presses Ctrl-C.
    """
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "100", **environment})
        os.execv(sys.executable, [sys.executable, *program, *arguments])
    chunks = []
    while True:
        try:
            chunk = os.read(fd, 4096)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
        if interrupt_at and interrupt_at.encode() in b"".join(chunks):
            interrupt_at = ""
            os.write(fd, b"\x03")
    echoes = bool(termios.tcgetattr(fd)[3] & termios.ECHOCTL)
    os.close(fd)
    assert echoes, "the terminal was not left as it was found"
    return b"".join(chunks).decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_pipe(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GGL, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_a_terminal_gets_colours(runtime) -> None:
    text, code = on_terminal(["status"])
    assert code == 0
    assert re.search(r"\x1b\[[0-9;]*32m *RUNNING", text)


def test_no_color_means_no_escape_sequences(runtime) -> None:
    for arguments in (["status"], ["component", "list"], ["--help"], ["config", "get", "nope"], ["logs"]):
        text, _ = on_terminal(arguments, NO_COLOR="1")
        assert "\x1b" not in text, arguments


def test_ctrl_c_does_not_disturb_a_live_display(runtime) -> None:
    runtime.deployments = [deployment()]
    text, code = on_terminal(["deploy", "wait"], interrupt_at="QUEUED")
    assert code == 130
    assert "interrupted; deployment 3f9a0000 goes on" in text
    assert "^C" not in text


def test_a_terminal_of_the_simplest_kind_gets_plain_text(runtime) -> None:
    text, _ = on_terminal(["status"], TERM="dumb")
    assert "\x1b" not in text


def test_a_pipe_gets_plain_text(runtime) -> None:
    result = in_pipe(["status"])
    assert "\x1b" not in result.stdout
    assert "com.example.Hello  1.2.0" in result.stdout


def test_a_time_is_an_age_in_a_table_and_milliseconds_in_json(runtime) -> None:
    since = int((time.time() - 3 * 3600 - 60) * 1000)
    runtime.components[0]["since"] = since
    assert in_pipe(["component", "list"]).stdout.splitlines()[1].endswith("  3h")
    assert on_terminal(["component", "list"])[0].splitlines()[1].endswith("  3h")
    assert json.loads(in_pipe(["component", "list", "--json"]).stdout)[0]["since"] == since
    # Beside a name there is room for both.
    assert f"since         {output.iso_time(since)}\n" in in_pipe(["component", "show", "com.example.Hello"]).stdout
    assert f"{output.iso_time(since)} (3h ago)" in on_terminal(["component", "show", "com.example.Hello"])[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.5, "59s"), (60, "1m"), (3599, "59m"), (3600, "1h"), (172_799, "47h"), (172_800, "2d")],
)
def test_an_age_has_one_unit(seconds, text, monkeypatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert output.age(int((2_000_000_000 - seconds) * 1000)) == text


def test_a_time_from_before_the_clock_was_set_or_in_the_future_is_itself(monkeypatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert output.age(12_345) == "1970-01-01T00:00:12.345Z"
    assert output.age(2_000_003_600_000).startswith("2033-05-18T04:33:20")


def test_a_narrow_terminal_loses_unimportant_columns_and_no_words(runtime) -> None:
    runtime.break_component()
    wide = on_terminal(["component", "list"], COLUMNS="120", NO_COLOR="1")[0].splitlines()
    assert wide[0].split() == ["COMPONENT", "VERSION", "STATE", "PID", "RESTARTS", "SINCE", "REASON"]
    assert wide[2].endswith("RUN_ERROR exit code 3")
    narrow = on_terminal(["component", "list"], COLUMNS="40", NO_COLOR="1")[0].splitlines()
    assert narrow[0].split() == ["COMPONENT", "STATE", "SINCE"]
    assert narrow[2].split()[:2] == ["com.example.Broken", "BROKEN"]
    assert narrow[3] == "  RUN_ERROR exit code 3"
    assert max(map(len, narrow)) <= 40


def test_a_list_of_problems_is_one_line() -> None:
    message = "recipe.yaml: 2 problems\n  A: is missing\n  B: is wrong"
    assert output._one_line(message) == "recipe.yaml: 2 problems: A: is missing; B: is wrong"
    assert output._one_line("it failed.") == "it failed"


def test_json_on_a_terminal_is_plain_json(runtime) -> None:
    text, _ = on_terminal(["component", "list", "--json"])
    assert json.loads(text) == runtime.components


def test_a_map_is_yaml_on_a_terminal_and_json_in_a_pipe(runtime) -> None:
    runtime.config["system"] = {"thingName": "core-1", "ports": [1, 2]}
    text, _ = on_terminal(["config", "get", "/system"])
    assert text.replace("\r\n", "\n").rstrip() == "thingName: core-1\nports:\n- 1\n- 2"
    assert json.loads(in_pipe(["config", "get", "/system"]).stdout) == runtime.config["system"]


def test_a_terminal_gets_no_control_sequences_of_a_component(root) -> None:
    root.logs.mkdir(parents=True)
    line = b"2026-11-22T02:40:01.123456Z INFO a\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\n"
    (root.logs / "a.log").write_bytes(line)
    text, _ = on_terminal(["logs", "a"])
    assert "\x1b[31mred\x1b[0m" in text
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text
    assert in_pipe(["logs", "a"]).stdout.encode() == line.replace(b"INFO ", b"INFO  ")


HOSTILE = "a\x1b]0;title\x07\x1b[31mred\x9b2J\x7f\nforged\u202eline"
SHOW_HOSTILE = f"""
from gglcli import output
from gglcli.errors import CliError
from gglcli.output import Document, Fields, Id, State, Table, Text
text = {HOSTILE!r}
table = Table([text, "WHY"], [[State(text), text], [Id(text), text]])
blocks = [Text(text), Fields([(text, text)]), table, Table([], [], text)]
output.show(None, *blocks)
for block in blocks:
    output.item(None, block)
with output.Live() as live:
    live.update(blocks, [text])
output.note(text)
output.error(CliError(text, hint=text, trail=text))
print("---")
output.show(None, Document({{text: [text]}}), Document(text if output.on_terminal() else "x"))
output.session.json = True
output.show([text])
output.item(text, blocks[0])
output.error(CliError(text, hint=text))
"""
"""Everything that can be shown, made of what a component said."""


def test_no_text_of_foreign_origin_reaches_a_terminal_as_controls_or_leaves_its_line() -> None:
    text, _ = on_terminal(["-c", SHOW_HOSTILE], program=(), NO_COLOR="1", COLUMNS="1000")
    piped = subprocess.run([sys.executable, "-c", SHOW_HOSTILE], capture_output=True, text=True, check=True)
    for shown in (text.replace("\r\n", "\n"), piped.stdout, piped.stderr):
        shown = re.sub("\x1b\\[(\\?25[lh]|1A|2K)|\r", "", shown)  # of the live display
        assert not [character for character in shown if not character.isprintable() and character not in "\n\u202e"]
        assert "\nforged" not in shown.partition("---")[0]
        assert "forged" in shown


def test_a_reader_that_leaves_is_no_error(root) -> None:
    root.logs.mkdir(parents=True)
    line = b"2026-11-22T02:40:01.123456Z INFO hello\n"
    (root.logs / "a.log").write_bytes(line * 50_000)
    command = f"{sys.executable} -m gglcli logs -n all | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "141"
    assert result.stderr == ""


def loaded(arguments: list[str], modules: list[str], tmp_path: Path) -> set[str]:
    """Which of ``modules`` are loaded after the command line has run."""
    program = (
        f"import sys\nfrom gglcli.__main__ import run\nrun({arguments!r})\n"
        f"open({str(tmp_path / 'loaded')!r}, 'w').write(' '.join(m for m in {modules!r} if m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set((tmp_path / "loaded").read_text().split())


@pytest.mark.parametrize("words", [["version"], ["status", "--json"], ["status"], ["complete", "DAEMON"]])
def test_what_scripts_poll_loads_no_command_line_library(runtime, tmp_path, words) -> None:
    heavy = ["typer", "rich", "dataclasses", "yaml", "gglcli.app"]
    assert loaded(words, heavy, tmp_path) <= {"dataclasses"}  # ggl.paths may bring it


def test_help_imports_no_command(root, tmp_path) -> None:
    modules = [
        "rich",
        "ggl.bus",
        "ggl.paths",
        "yaml",
        *(f"gglcli.commands.{name}" for name in ("up", "status", "deploy")),
    ]
    assert loaded(["--help"], modules, tmp_path) == set()


def test_a_command_imports_only_its_own_module(runtime, tmp_path) -> None:
    modules = ["rich", "yaml", *(f"gglcli.commands.{name}" for name in ("up", "deploy", "config", "logs", "bus"))]
    assert loaded(["config", "list"], modules, tmp_path) == {"gglcli.commands.config"}
