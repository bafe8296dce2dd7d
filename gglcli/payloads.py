"""Where the content of a message comes from: the command line, standard input, a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gglcli.files import unusable


def payloads(message: str | None, file: str, lines: bool) -> Iterator[bytes]:
    """The content of each message: ``message`` itself, unless it is ``-`` or there is none; with ``lines`` each line.

    Raises ``CliError`` when ``file`` cannot be read.
    """
    if message not in (None, "-"):
        # What the shell passed on, also if it is no UTF-8.
        yield str(message).encode("utf-8", "surrogateescape")
        return
    if not file:
        stdin = sys.stdin.buffer
        yield from (line.rstrip(b"\r\n") for line in stdin) if lines else (stdin.read(),)
        return
    try:
        with Path(file).open("rb") as opened:
            yield from (line.rstrip(b"\r\n") for line in opened) if lines else (opened.read(),)
    except OSError as error:
        raise unusable(file, error) from None
