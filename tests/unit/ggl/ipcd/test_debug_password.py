"""Passwords for the debug console."""

from __future__ import annotations

import re

from ggl.ipcd.debug_password import LIFETIME, MAX_PASSWORDS, DebugPasswords


def test_a_password_is_43_characters_of_base64url_and_no_two_are_the_same() -> None:
    made = {DebugPasswords().create(0) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", password) for password in made)


def test_a_password_lets_in_its_user_for_eight_hours() -> None:
    passwords = DebugPasswords()
    first = passwords.create(1000)
    second = passwords.create(2000)
    assert passwords.check("debug", first, 1001)
    assert passwords.check("debug", second, 1000 + LIFETIME)
    assert not passwords.check("debug", first, 1000 + LIFETIME)
    assert passwords.expire(1000 + LIFETIME)
    assert not passwords.expire(2000 + LIFETIME)


def test_nothing_else_lets_in() -> None:
    passwords = DebugPasswords()
    assert not passwords.check("debug", "", 0)
    password = passwords.create(0)
    for username, text in (
        ("root", password),
        ("", password),
        ("debug", ""),
        ("debug", password[:-1]),
        ("debug", password + "x"),
        ("debug", "ü" * 43),
        ("debug", "\ud800"),
    ):
        assert not passwords.check(username, text, 1)


def test_only_so_many_are_valid_at_a_time() -> None:
    passwords = DebugPasswords()
    made = [passwords.create(0) for _ in range(MAX_PASSWORDS + 1)]
    assert [passwords.check("debug", password, 1) for password in made] == [False] + [True] * MAX_PASSWORDS
