"""The command tree as plain data, which the generators turn into text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gglcli.app import COMMANDS, build
from gglcli.framework import GLOBAL_PANEL, Command, Example, Group, arguments_of, options_of

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand
    from typer.core import TyperArgument, TyperOption

FILE_KINDS = ("FILE", "PATH", "FILE|JSON")
"""Metavars of parameters that are files or folders."""
FOLDER_KINDS = ("DIR",)


@dataclass(frozen=True)
class Option:
    names: tuple[str, ...]
    metavar: str
    """Empty for a flag."""
    help: str
    choices: tuple[str, ...]
    default: str
    repeatable: bool
    is_global: bool


@dataclass(frozen=True)
class Argument:
    metavar: str
    help: str
    required: bool
    repeatable: bool


@dataclass(frozen=True)
class Node:
    path: tuple[str, ...]
    """The words that lead to it, without ``ggl``."""
    help: str
    examples: tuple[Example, ...]
    options: tuple[Option, ...]
    arguments: tuple[Argument, ...]
    children: tuple[Node, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return self.help.partition("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip(".")

    @property
    def synopsis(self) -> str:
        words = ["ggl", *self.path, "[OPTIONS]"]
        words += ["COMMAND"] if self.children else [_usage(argument) for argument in self.arguments]
        return " ".join(words)

    @property
    def own_options(self) -> Sequence[Option]:
        return [option for option in self.options if not option.is_global]


def load() -> Node:
    """The whole tree; imports every command."""
    root = build()
    for name, entry in COMMANDS.items():
        if entry.hidden:
            del root.commands[name]
        else:
            root.load(name)
    return _node(root, ())


def walk(node: Node) -> Iterator[Node]:
    """``node`` and everything below it."""
    yield node
    for child in node.children:
        yield from walk(child)


def _node(command: ClickCommand, path: tuple[str, ...]) -> Node:
    commands = command.commands if isinstance(command, Group) else {}
    return Node(
        path=path,
        help=COMMANDS[path[0]].help if len(path) == 1 and not command.help else (command.help or "").strip(),
        examples=tuple(command.examples) if isinstance(command, Command | Group) else (),
        options=tuple(_option(option) for option in options_of(command)),
        arguments=tuple(_argument(argument) for argument in arguments_of(command)),
        children=tuple(_node(child, (*path, name)) for name, child in commands.items()),
    )


def _option(option: TyperOption) -> Option:
    choices = tuple(str(choice) for choice in getattr(option.type, "choices", ()))
    if not choices and option.metavar and option.metavar.islower():
        choices = tuple(option.metavar.split("|"))  # words as they are typed, where others are placeholders
    default = option.default
    return Option(
        names=tuple(sorted(option.opts, key=len)),
        metavar="" if option.is_flag else (option.metavar or "|".join(choices)),
        help=option.help or "",
        choices=choices,
        default="" if option.is_flag or default in (None, "") or callable(default) else f"{default}",
        repeatable=option.multiple,
        is_global=option.rich_help_panel == GLOBAL_PANEL,
    )


def _argument(argument: TyperArgument) -> Argument:
    return Argument(
        metavar=(argument.metavar or (argument.name or "").upper()).rstrip("."),
        help=argument.help or "",
        required=argument.required,
        repeatable=argument.nargs == -1,
    )


def _usage(argument: Argument) -> str:
    name = argument.metavar + ("..." if argument.repeatable else "")
    return name if argument.required else f"[{name}]"
