"""How a place in the configuration is written on the command line.

``/services/com.example.Hello/configuration/mode`` is a JSON pointer from the root of the whole tree.
``com.example.Hello/mode`` is a place in the configuration of that component, ``com.example.Hello`` all of it.
In both, ``~1`` stands for a slash inside a key and ``~0`` for a tilde.
"""

from __future__ import annotations

from collections.abc import Sequence

from gglcli.errors import INVALID, CliError


def parse_key(text: str) -> list[str]:
    """The path from the root of the tree; ``/`` is the root itself."""
    if text in ("", "/"):
        return []
    if text.startswith("/"):
        return _decode(text[1:], text)
    component, _, rest = text.rstrip("/").partition("/")
    return ["services", *_decode(component, text), "configuration", *(_decode(rest, text) if rest else [])]


def format_key(path: Sequence[str]) -> str:
    """The JSON pointer of ``path``."""
    return "/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)


def _decode(text: str, whole: str) -> list[str]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in text.rstrip("/").split("/")]
    if "" in parts:
        raise CliError(
            f"the key '{whole}' has an empty part", INVALID, hint="write it as COMPONENT/key/sub or /services/…"
        )
    return parts
