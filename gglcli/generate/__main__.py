"""Write every generated file, or with ``--check`` say which ones are not fresh."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from gglcli.generate import bash, fish, man, markdown, zsh
from gglcli.generate.tree import load

SOURCE_TREE = Path(__file__).resolve().parents[2]


def texts() -> Mapping[str, str]:
    """Path in the source tree and text of every generated file."""
    root = load()
    return {
        "completions/ggl.bash": bash.generate(root),
        "completions/_ggl": zsh.generate(root),
        "completions/ggl.fish": fish.generate(root),
        "man/ggl.1": man.generate(root),
        "docs/reference/cli.md": markdown.generate(root),
    }


def stale(tree: Path = SOURCE_TREE) -> list[str]:
    """The files that differ from what would be generated now."""
    return [name for name, text in texts().items() if not (tree / name).is_file() or (tree / name).read_text() != text]


def main(arguments: list[str]) -> int:
    old = stale()
    if arguments == ["--check"]:
        for name in old:
            print(f"{name} is not fresh: run python -m gglcli.generate", file=sys.stderr)
        return 1 if old else 0
    generated = texts()
    for name in old:
        path = SOURCE_TREE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated[name])
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
