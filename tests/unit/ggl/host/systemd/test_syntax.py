"""Texts, words and names in unit files."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.host.systemd.syntax import NAME_LIMIT, TEXT_LIMIT, argument, escaped, text, unescaped, unit_name, word

ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from("%$\"'\\\n\r\t\0 @/;#-é"))


@pytest.mark.parametrize(
    ("given_text", "written"),
    [
        ("Heater controller", "Heater controller"),
        ("50 % of it, %n and %%", "50 %% of it, %%n and %%%%"),
        ("first\nExecStart=/bin/false\r\nthird", "first ExecStart=/bin/false third"),
        ("ends with \\", "ends with"),
        ("\\\\ \\", ""),
        ("C:\\temp", "C:\\temp"),
        (" \t around \x00\x1b[31m ", "around [31m"),
        ("half a pair \ud800, no character \ufffe\ufdd0", "half a pair , no character"),
    ],
)
def test_a_text_is_one_line_and_means_itself(given_text: str, written: str) -> None:
    assert text(given_text) == written


def test_a_very_long_text_is_cut() -> None:
    assert text("word " * 100).endswith("word…")
    assert len(text("x" * 1000)) == TEXT_LIMIT


@given(ANY_TEXT)
def test_no_text_leaves_its_line(value: str) -> None:
    written = text(value)
    written.encode()
    assert written.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f]", written)
    assert not written.endswith("\\")
    assert re.fullmatch(r"(?:[^%]|%%)*", written)


@pytest.mark.parametrize(
    ("given_text", "written"),
    [
        ("/opt/my ggl/bin/python3", '"/opt/my ggl/bin/python3"'),
        ("a\"b'c\\d%e$f", '"a\\"b\'c\\\\d%%e$f"'),
        ("line\nfeed\ttab\x07", '"line\\nfeed\\ttab\\x07"'),
        ("é", '"é"'),
        ("\udcff", '"\\xff"'),
    ],
)
def test_a_word_is_quoted(given_text: str, written: str) -> None:
    assert word(given_text) == written


def test_an_argument_is_no_variable_either() -> None:
    assert argument("$HOME ${X} %h") == '"$$HOME $${X} %%h"'


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("ggl.com.example.Heater", "ggl.com.example.Heater.service"),
        ("ggl.a-b_c:d", "ggl.a-b_c\\x3ad.service"),
        ("ggl.a@b", "ggl.a\\x40b.service"),
        ("ggl.a b\\c\n", "ggl.a\\x20b\\x5cc\\x0a.service"),
        ("ggl.ü", "ggl.\\xc3\\xbc.service"),
    ],
)
def test_the_name_of_a_unit(name: str, file: str) -> None:
    assert unit_name(name, "service") == file


def test_it_is_escaped_as_systemd_does_it() -> None:
    odd = "ggl.ü b%c'd\"e\\f@g"
    try:
        done = subprocess.run(["systemd-escape", odd], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("systemd-escape is not installed")
    assert unit_name(odd, "service") == done.stdout.strip() + ".service"


def test_long_names_are_cut_and_stay_different() -> None:
    names = ["ggl." + "ü" * 98 + last for last in ("a", "b")]
    files = [unit_name(name, "service") for name in names]
    assert files[0] != files[1]
    assert all(len(file) == NAME_LIMIT + len(".service") for file in files)


@given(ANY_TEXT)
def test_an_escaped_name_is_a_name_and_comes_back(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.\\-]*", escaped(name))
    assert unescaped(escaped(name)) == name
