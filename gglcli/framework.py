"""Our kinds of Typer commands: the global options everywhere, examples under the help, groups that load late.

The docstring of a command is its help. A section that begins with a line ``Examples:`` is kept apart from it: one
command a line, with an optional explanation behind `` # ``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from gglcli.session import session

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand
    from typer._click import Context, HelpFormatter, Parameter

GLOBAL_PANEL = "Global options"


@dataclass(frozen=True)
class Example:
    command: str
    explanation: str = ""


def _set_root(_context: typer.Context, _parameter: typer.CallbackParam, value: str | None) -> None:
    if value is not None:
        session.root = value


def _set_json(_context: typer.Context, _parameter: typer.CallbackParam, value: bool) -> None:
    if value:
        session.json = True


def global_options() -> list[Parameter]:
    """``--root`` and ``--json``, as options of one command."""
    return [
        TyperOption(
            param_decls=["--root"],
            metavar="DIR",
            expose_value=False,
            callback=_set_root,
            help="Work on the runtime whose state is in DIR (else GGL_ROOT, else the default of this user).",
            rich_help_panel=GLOBAL_PANEL,
        ),
        TyperOption(
            param_decls=["--json"],
            is_flag=True,
            default=False,
            expose_value=False,
            callback=_set_json,
            help="Write JSON: one document, or one a line for a stream.",
            rich_help_panel=GLOBAL_PANEL,
        ),
    ]


def split_help(text: str | None) -> tuple[str, list[Example]]:
    """The help without its examples, and the examples."""
    body, _, tail = (text or "").partition("\nExamples:\n")
    examples = []
    for line in tail.splitlines():
        if line.strip():
            command, _, explanation = line.strip().partition("  # ")
            examples.append(Example(command.strip(), explanation.strip()))
    # Where a line of the docstring ends means nothing on a terminal of another width.
    return re.sub(r"(?<=\S)\n(?=\S)", " ", body.rstrip()), examples


class Command(TyperCommand):
    """A command with the global options and examples."""

    def __init__(self, name: str | None, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002
        text, self.examples = split_help(help)
        super().__init__(name, help=text, **settings)
        self.params += global_options()

    def parse_args(self, context: Context, arguments: list[str]) -> list[str]:
        session.command = context.command_path.partition(" ")[2]
        return super().parse_args(context, arguments)

    def format_help(self, context: Context, formatter: HelpFormatter) -> None:
        super().format_help(context, formatter)
        _format_examples(self, self.examples, formatter)


class Group(TyperGroup):
    """A group with the global options and examples. Without a subcommand it shows its help."""

    def __init__(self, *, help: str | None = None, **settings: Any) -> None:  # noqa: A002
        text, self.examples = split_help(help)
        super().__init__(help=text, **settings)
        self.params += global_options()

    def parse_args(self, context: Context, arguments: list[str]) -> list[str]:
        session.command = context.command_path.partition(" ")[2]
        if not arguments and not context.resilient_parsing:
            typer.echo(context.get_help())
            context.exit(2)
        return super().parse_args(context, arguments)

    def format_help(self, context: Context, formatter: HelpFormatter) -> None:
        super().format_help(context, formatter)
        _format_examples(self, self.examples, formatter)


@dataclass(frozen=True)
class Lazy:
    """Where a top-level command lives: imported when the command runs."""

    module: str
    """In ``gglcli.commands``; it holds a function, or an ``app`` for a group."""
    help: str
    """The line of ``ggl --help``."""
    attribute: str = ""
    hidden: bool = False


class LazyGroup(Group):
    """A group whose commands are imported when they run; listing them needs ``table`` only."""

    table: Mapping[str, Lazy] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, entry in self.table.items():
            # A placeholder: enough for the help page and for "did you mean".
            self.commands[name] = TyperCommand(
                name, help=entry.help, hidden=entry.hidden, rich_markup_mode=self.rich_markup_mode
            )

    def load(self, name: str) -> ClickCommand:
        """The command itself in place of its placeholder."""
        entry = self.table[name]
        target = getattr(import_module(f"gglcli.commands.{entry.module}"), entry.attribute or "app")
        app = target if isinstance(target, typer.Typer) else _single(name, target)
        command = typer.main.get_command(app)
        command.name = name
        self.commands[name] = command
        return command

    def resolve_command(
        self, context: Context, arguments: list[str]
    ) -> tuple[str | None, ClickCommand | None, list[str]]:
        name, command, rest = super().resolve_command(context, arguments)
        if name is not None:
            command = self.load(name)
        return name, command, rest


def new_group(help: str) -> typer.Typer:  # noqa: A002
    """The Typer application of one command group."""
    return typer.Typer(cls=Group, help=help, add_completion=False, pretty_exceptions_enable=False)


def subcommand(app: typer.Typer, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return app.command(name, cls=Command)


def _single(name: str, function: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name, cls=Command)(function)
    return app


def _format_examples(command: Command | Group, examples: list[Example], formatter: HelpFormatter) -> None:
    if not examples:
        return
    width = max((len(example.command) for example in examples if example.explanation), default=0)
    lines = [
        f"  {example.command.ljust(width)}  # {example.explanation}" if example.explanation else f"  {example.command}"
        for example in examples
    ]
    if command.rich_markup_mode is None:
        formatter.write("\nExamples:\n" + "\n".join(lines) + "\n")
        return
    # rich help is printed, not returned
    from gglcli.output import Text, terminal

    terminal().show([Text("Examples:", "dim"), *(Text(line) for line in lines)])


def arguments_of(command: ClickCommand) -> list[TyperArgument]:
    return [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]


def options_of(command: ClickCommand) -> list[TyperOption]:
    return [parameter for parameter in command.params if isinstance(parameter, TyperOption)]
