"""What a path holds: the configuration of which nucleus, in which format. The content decides, not the name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ggl.configdb import SQLITE_MAGIC
from ggl.documents import BadDocument, parse_yaml
from gglcli.errors import CliError
from gglcli.migrate import lite, tlog
from gglcli.migrate.tree import BadSource
from gglcli.trees import MAX_DEPTH, check_shape, stamp

JAVA, LITE = "Java nucleus", "lite nucleus"
_LOGS = ("config.tlog.old", "config.tlog", "config.tlog~", "bootstrap.tlog", "bootstrap.tlog~")
"""In the order in which the nucleus trusts them: the first is there only while the second is being rewritten."""
_YAML = "effectiveConfig.yaml"
_WHAT = "a Java nucleus (its root, its config folder, config.tlog or effectiveConfig.yaml) or a lite one (config.db)"


@dataclass(frozen=True)
class Source:
    """A configuration as it was found. ``tree`` is stamped; ``format`` says in which form it was stored."""

    nucleus: str
    format: str
    path: Path
    tree: dict[str, Any]
    notes: tuple[str, ...] = ()


def find_source(path: Path) -> Source:
    """Read what is at ``path``, a file or a folder. Raises ``BadSource`` and ``OSError``."""
    path = path.absolute()  # "." says nothing in a message
    return _folder(path) if path.is_dir() else _file(path)


def _folder(path: Path) -> Source:
    config = path / "config" if (path / "config").is_dir() else path
    logs = [config / name for name in _LOGS if (config / name).exists()]
    database, text = path / "config.db", config / _YAML
    if (logs or text.exists()) and database.exists():
        raise BadSource(
            f"{path} holds the files of two nuclei", f"name the one you mean: {(logs or [text])[0]} or {database}"
        )
    notes: list[str] = []
    first: BadSource | None = None
    for log in logs:
        try:
            found = _file(log)
        except BadSource as error:
            notes.append(f"passed over: {error.message}")
            first = first or error
        else:
            return Source(found.nucleus, found.format, found.path, found.tree, (*notes, *found.notes))
    if text.exists():
        found = _file(text)
        return Source(found.nucleus, found.format, found.path, found.tree, (*notes, *found.notes))
    if database.exists():
        return _file(database)
    if first is not None:
        raise first
    raise BadSource(f"there is no configuration of a nucleus in {path}", f"name {_WHAT}")


def _file(path: Path) -> Source:
    with open(path, "rb") as file:
        head = file.read(65536)
    if not head:
        raise BadSource(f"{path} is empty", tlog.REMEDY)
    if head.startswith(SQLITE_MAGIC):
        if not lite.is_lite(path):
            raise BadSource(
                f"{path} is a database, but not of the lite nucleus",
                "what 'ggl config backup' made is put back with 'ggl config restore'",
            )
        return Source(LITE, "config.db", path, *_with_notes(lite.read(path)))
    if head.lstrip().startswith(b"{") and b'"TP"' in head.partition(b"\n")[0]:
        return Source(JAVA, "transaction log", path, *_with_notes(tlog.replay(path)))
    if b'"TP"' in head:
        raise BadSource(f"{path}, line 1: not an entry of a transaction log", tlog.REMEDY)
    return _yaml(path)


def _with_notes(read: tuple[dict[str, Any], list[str]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    tree, notes = read
    return tree, tuple(notes)


def _yaml(path: Path) -> Source:
    """A tree without timestamps: everything is as old as the file."""
    try:
        tree = parse_yaml(path.read_text("utf-8-sig"), MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise BadSource(f"{path} is not text (byte {error.start})", f"name {_WHAT}") from None
    except BadDocument as error:
        raise BadSource(f"{path}: {error}", "mend that place, or use another copy of the file") from None
    if not isinstance(tree, dict) or not {key.casefold() for key in tree} & {"services", "system"}:
        raise BadSource(f"{path} holds no configuration of a nucleus: neither services nor system", f"name {_WHAT}")
    try:
        check_shape(tree, str(path))
    except CliError as error:
        raise BadSource(error.message, "mend that place, or use another copy of the file") from None
    time = int(path.stat().st_mtime * 1000)
    notes = ("it has no timestamps: its values count as of the time the file was written",)
    return Source(JAVA, "YAML", path, stamp(tree, time), notes)
