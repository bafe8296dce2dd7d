"""What is generated from the command tree: fresh, complete, and working."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gglcli.app import COMMANDS
from gglcli.generate.__main__ import SOURCE_TREE, stale
from gglcli.generate.tree import load, walk

ROOT = load()


def test_the_committed_files_are_fresh() -> None:
    assert stale() == [], "run python -m gglcli.generate"


def test_every_command_has_help_and_examples_and_every_parameter_is_explained() -> None:
    for node in walk(ROOT):
        assert node.help, node.path
        assert node.examples, node.path
        for example in node.examples:
            assert example.command.startswith("ggl"), example
        for parameter in (*node.options, *node.arguments):
            assert parameter.help, (node.path, parameter)
            assert parameter.help.endswith("."), (node.path, parameter.help)


def test_no_example_is_wider_than_a_terminal() -> None:
    for node in walk(ROOT):
        width = max((len(each.command) for each in node.examples if each.explanation), default=0)
        for each in node.examples:
            line = f"  {each.command.ljust(width)}  # {each.explanation}" if each.explanation else f"  {each.command}"
            assert len(line) <= 80, line


def test_the_line_of_a_command_in_the_help_of_all_is_about_the_same_thing() -> None:
    for node in ROOT.children:
        assert COMMANDS[node.path[0]].help.split()[0] == node.help.split()[0], node.path


def test_every_command_is_in_every_generated_file() -> None:
    for name in (
        "completions/ggl.bash",
        "completions/_ggl",
        "completions/ggl.fish",
        "man/ggl.1",
        "docs/reference/cli.md",
    ):
        text = (SOURCE_TREE / name).read_text()
        for node in walk(ROOT):
            assert all(word in text for word in node.path), (name, node.path)


# A shell waits for a second at most; here it may take longer.
PATIENT_GGL = "import gglcli.complete, gglcli.__main__; gglcli.complete.TIMEOUT = 60; gglcli.__main__.main()"


def complete(line: str) -> set[str]:
    """What bash offers at the end of ``line``."""
    words = line.split(" ")
    script = f"""
        source {SOURCE_TREE}/completions/ggl.bash
        ggl() {{ {sys.executable} -c '{PATIENT_GGL}' "$@"; }}
        COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}
        _ggl 2>/dev/null
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_bash_completes_commands_options_and_choices(root) -> None:
    assert complete("ggl comp") == {"component"}
    assert complete("ggl component re") == {"restart", "remove", "resume"}
    assert complete("ggl --root /x component re") == {"restart", "remove", "resume"}
    assert complete("ggl component restart --no") == {"--no-wait"}
    assert complete("ggl logs --level W") == {"WARN"}
    assert "--json" in complete("ggl status --")
    assert complete("ggl complet") == set()


def test_bash_completes_what_the_runtime_knows(runtime) -> None:
    runtime.config["services"] = {"com.example.Hello": {"configuration": {"rate": 1, "range": 2, "other": 3}}}
    assert complete("ggl component restart com.") == {"com.example.Hello"}
    assert complete("ggl component restart com.example.Hello com.") == {"com.example.Hello"}
    assert complete("ggl config get com") == {"com.example.Hello"}
    assert complete("ggl config set com.example.Hello/ra") == {"com.example.Hello/rate", "com.example.Hello/range"}
    assert complete("ggl config get /services/") == {"/services/com.example.Hello"}
    assert complete("ggl bus call gg_he") == {"gg_health"}
    runtime.generations = [{"number": 3}, {"number": 14}]
    assert complete("ggl config diff -g ") == complete("ggl rollback --to ") == {"3", "14"}


@pytest.mark.parametrize("words", ["component restart ", "config get com", "deploy show ", "bus call "])
def test_completion_is_silent_when_the_runtime_is_down(root, words) -> None:
    assert complete(f"ggl {words}") <= {"last"}


def test_the_manual_page_has_no_faults() -> None:
    page = (SOURCE_TREE / "man/ggl.1").read_text()
    assert page.startswith('.\\"')
    allowed = (".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".RI", ".RS", ".RE", ".nf", ".fi", '.\\"')
    assert all(line.startswith(allowed) for line in page.splitlines() if line.startswith("."))
