"""How output looks on a terminal, in a pipe and for a program; and what is loaded for it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

GGL = [sys.executable, "-m", "gglcli"]


def on_terminal(arguments: list[str], **environment: str) -> tuple[str, int]:
    """Run ggl with a terminal as its stdin, stdout and stderr; returns what it wrote and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "COLUMNS": "100", **environment})
        os.execv(sys.executable, [*GGL, *arguments])
    chunks = []
    while True:
        try:
            chunk = os.read(fd, 4096)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(fd)
    return b"".join(chunks).decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_pipe(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GGL, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_a_terminal_gets_colours(runtime) -> None:
    text, code = on_terminal(["status"])
    assert code == 0
    assert re.search(r"\x1b\[[0-9;]*32m *RUNNING", text)
    assert "ago" in text


def test_no_color_means_no_escape_sequences(runtime) -> None:
    for arguments in (["status"], ["component", "list"], ["--help"], ["config", "get", "nope"], ["logs"]):
        text, _ = on_terminal(arguments, NO_COLOR="1")
        assert "\x1b" not in text, arguments


def test_a_terminal_of_the_simplest_kind_gets_plain_text(runtime) -> None:
    text, _ = on_terminal(["status"], TERM="dumb")
    assert "\x1b" not in text


def test_a_pipe_gets_plain_text(runtime) -> None:
    result = in_pipe(["status"])
    assert "\x1b" not in result.stdout
    assert "2026-11-22T02:40:00.000Z" in result.stdout


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
