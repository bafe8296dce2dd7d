"""Writing what others have named into unit files (systemd.syntax(7), systemd.unit(5)), so that it means only itself.

A unit file is lines of UTF-8: no text may end its line, continue it, begin a setting of its own, or be taken for a
specifier, a variable or an option. What is not UTF-8, and the characters that systemd does not count as such, have no
place there: with them in an argument nobody could ask for the unit's properties any more. So a unit's own name is
handed on in the escaped form that the name of its file has as well (``escaped``).
"""

from __future__ import annotations

NAME_LIMIT = 230
"""Bytes of a unit's name without its type: systemd takes 255 for both, and a directory for additions needs some too."""
TEXT_LIMIT = 200
"""Characters of a free text."""

_NAME_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_WORD_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=-")
_ESCAPED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\", "%": "%%"}


def text(value: str) -> str:
    """A free text, such as a description: one line, without what is no character; cut when it is very long."""
    line = "".join(character if _is_plain(character) else " " for character in value)
    line = " ".join(line.split())
    if len(line) > TEXT_LIMIT:
        line = line[: TEXT_LIMIT - 1].rstrip() + "…"
    # A backslash at the end would join the next line to this one.
    return line.rstrip("\\ ").replace("%", "%%")


def word(value: str) -> str:
    """One word in quotes, exactly as it is, where a setting takes words."""
    return '"' + "".join(_ESCAPED.get(character) or _as_it_is(character) for character in value) + '"'


def word_of(value: str) -> str:
    """One word, in quotes only where it needs them."""
    return value if value and _WORD_CHARACTERS.issuperset(value) else word(value)


def argument(value: str) -> str:
    """One argument of a command line, exactly as it is. (For the program itself it is ``word``.)"""
    return word(value).replace("$", "$$")


def unit_name(name: str, kind: str) -> str:
    """The name of the unit ``name`` of the type ``kind`` (service): the same, if systemd allows it as it is.

    What it does not allow is escaped as systemd-escape(1) does, and so is what has a meaning (``@``, and ``:`` where
    files are named to systemd's tools). What would be too long is cut, with a digest of the whole at its end.
    """
    whole = escaped(name)
    if len(whole) > NAME_LIMIT:
        from hashlib import sha256

        digest = sha256(whole.encode()).hexdigest()[:16]
        whole = f"{whole[: NAME_LIMIT - len(digest) - 1]}_{digest}"
    return f"{whole}.{kind}"


def escaped(name: str) -> str:
    """``name`` in the characters that systemd allows in names; those of most names are such anyway."""
    encoded = name.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in _NAME_CHARACTERS else f"\\x{byte:02x}" for byte in encoded)


def unescaped(name: str) -> str:
    """What was ``escaped``."""
    first, *rest = name.encode().split(b"\\x")
    return b"".join((first, *(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest))).decode(
        "utf-8", "surrogatepass"
    )


def _is_plain(character: str) -> bool:
    code = ord(character)
    if code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000:
        return False
    return not (0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE)


def _as_it_is(character: str) -> str:
    if _is_plain(character):
        return character
    # Halves of pairs that stand for a byte that was no UTF-8 become that byte again.
    errors = "surrogateescape" if 0xDC80 <= ord(character) <= 0xDCFF else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))
