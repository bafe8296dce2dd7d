"""The manual page ``ggl(1)``, in the macros of man(7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ggl.version import VERSION
from gglcli.errors import EXIT_CODES
from gglcli.framework import Example
from gglcli.generate.tree import Node, Option, walk

_ENVIRONMENT = {
    "GGL_ROOT": "Directory of the runtime to work on; --root takes precedence.",
    "GGL_RUN, GGL_ETC": "Its run directory (sockets) and its boot configuration, when they are not below GGL_ROOT.",
    "GGL_DEBUG": "When set, errors come with a Python traceback.",
    "NO_COLOR": "When set, output has no colours.",
}
_FILES = {
    "/var/lib/greengrass": "State of a system install: configuration, components, logs.",
    "/run/greengrass": "Its sockets.",
    "/etc/greengrass/config.yaml, config.d/": "Its boot configuration.",
    "~/.local/state/greengrass": "State of a user's own runtime (XDG_STATE_HOME).",
}


def generate(root: Node) -> str:
    return "\n".join(_lines(root)) + "\n"


def _lines(root: Node) -> Iterator[str]:
    yield '.\\" Made from the command tree by "python -m gglcli.generate"; do not edit.'
    yield f'.TH GGL 1 "" "ggl {VERSION}" "Greengrass"'
    yield ".SH NAME"
    yield "ggl \\- run AWS IoT Greengrass v2 components on this device"
    yield ".SH SYNOPSIS"
    yield ".B ggl\n.RI [ OPTIONS ]\n.I COMMAND\n.RI [ ARGUMENTS ]"
    yield ".SH DESCRIPTION"
    yield from _text(root.help)
    yield ".SH OPTIONS"
    yield "These may stand before or after the command."
    yield from _options(root.options)
    yield ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nShow the help of a command."
    yield ".SH COMMANDS"
    for node in walk(root):
        if node.path:
            yield from _command(node)
    yield '.SH "EXIT STATUS"'
    yield from _definitions({str(code): text for code, text in EXIT_CODES.items()})
    yield ".SH ENVIRONMENT"
    yield from _definitions(_ENVIRONMENT)
    yield ".SH FILES"
    yield from _definitions(_FILES)
    yield ".SH EXAMPLES"
    yield from _examples(root.examples)


def _command(node: Node) -> Iterator[str]:
    yield f'.SS "{_escape(node.synopsis)}"'
    yield from _text(node.help)
    for argument in node.arguments:
        yield f".TP\n\\fI{_escape(argument.metavar)}\\fR\n{_escape(argument.help)}"
    yield from _options(node.own_options)
    if node.examples:
        yield ".PP\nExamples:"
        yield from _examples(node.examples)


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        names = ", ".join(f"\\fB{_escape(name)}\\fR" for name in option.names)
        value = f" \\fI{_escape(option.metavar)}\\fR" if option.metavar else ""
        default = f" The default is {option.default}." if option.default else ""
        yield f".TP\n{names}{value}\n{_escape(option.help + default)}"


def _text(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield ".PP\n" + _escape(paragraph.replace("\n", " "))


def _examples(examples: Iterable[Example]) -> Iterator[str]:
    yield ".PP\n.RS 4\n.nf"
    for example in examples:
        yield _escape(f"{example.command}  # {example.explanation}" if example.explanation else example.command)
    yield ".fi\n.RE"


def _definitions(entries: dict[str, str]) -> Iterator[str]:
    for name, text in entries.items():
        yield f".TP\n\\fB{_escape(name)}\\fR\n{_escape(text)}"


def _escape(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
