"""The command reference, ``docs/reference/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

from gglcli.errors import EXIT_CODES
from gglcli.generate.tree import Node, Option, walk

_INTRODUCTION = """\
<!-- Made from the command tree by `python -m gglcli.generate`; do not edit. -->
# Command reference

{help}

- [Global options](#global-options)
- [Output](#output)
- [Exit codes](#exit-codes)
{contents}

## Global options

They may stand before or after the command.

{options}

## Output

On a terminal there are tables and colours (`NO_COLOR` turns colours off). A narrow terminal gets fewer columns, and
reasons below their row; ids are cut to 8 characters, which every command takes. In a pipe there is plain text: columns
separated by at least two spaces, `-` for an empty cell, every id in full.

Tables show a time as an age in one unit (`12s`, `4m`, `3h`, `45d`); everywhere else it is UTC
(`2026-11-22T02:40:01.123Z`).

With `--json` there is one JSON document on stdout, or one document a line for commands that go on (`logs`,
`config watch`, `status --watch`, `bus monitor`, `ipc trace`, `pubsub sub`, `pubsub pub --lines`). Times in JSON are
milliseconds since the epoch, except in `logs` and `config watch`. Members are added at times, and none is removed or
renamed.

An error is one line on stderr: what failed and why, what to do next, and the trail id of the request if there is one
(`ggl logs --trail ID` shows everything that any daemon logged about it). With `--json` it is an object:

```json
{{"error": {{"code": "NOENTRY", "message": "...", "hint": "...", "trail": "3f9a2b11c0"}}}}
```

`code` is an error code of the databus, or one of `USAGE`, `NOT_RUNNING`, `NOPERM`, `BROKEN`, `DEPLOYMENT_FAILED`,
`INTERRUPTED`, `INTERNAL`.

## Exit codes

They are stable.

| code | meaning |
|---|---|
{exit_codes}
"""


def generate(root: Node) -> str:
    nodes = [node for node in walk(root) if node.path]
    contents = "\n".join(
        f"{'  ' * (len(node.path) - 1)}- [`ggl {' '.join(node.path)}`](#ggl-{'-'.join(node.path)}): {node.summary}"
        for node in nodes
    )
    head = _INTRODUCTION.format(
        help=root.help,
        contents=contents,
        options="\n".join(_option(option) for option in root.options),
        exit_codes="\n".join(f"| {code} | {_cell(text)} |" for code, text in EXIT_CODES.items()),
    )
    return head + "".join("\n" + "\n".join(_command(node)) + "\n" for node in nodes)


def _command(node: Node) -> Iterator[str]:
    yield f"{'##' if len(node.path) == 1 else '###'} ggl {' '.join(node.path)}"
    yield f"\n```text\n{node.synopsis}\n```\n"
    yield node.help
    if node.children:
        yield "\n" + "\n".join(
            f"- [`{child.path[-1]}`](#ggl-{'-'.join(child.path)}): {child.summary}" for child in node.children
        )
    parameters = [f"- `{argument.metavar}`: {argument.help}" for argument in node.arguments]
    parameters += [_option(option) for option in node.own_options]
    if parameters:
        yield "\n" + "\n".join(parameters)
    if node.examples:
        width = max(len(example.command) for example in node.examples)
        lines = [
            f"{example.command.ljust(width)}  # {example.explanation}" if example.explanation else example.command
            for example in node.examples
        ]
        yield "\n```sh\n" + "\n".join(lines) + "\n```"


def _option(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.names)
    value = f" `{option.metavar}`" if option.metavar else ""
    default = f" Default: {option.default}." if option.default else ""
    return f"- {names}{value}: {option.help}{default}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
