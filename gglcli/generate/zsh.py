"""Completion for zsh: one ``_arguments`` call per command."""

from __future__ import annotations

from collections.abc import Iterator

from gglcli.generate.tree import FILE_KINDS, FOLDER_KINDS, Argument, Node, Option, walk

_HEAD = """\
#compdef ggl
# zsh completion for ggl. Made from the command tree by `python -m gglcli.generate`; do not edit.

_ggl_values() {
    local -a values
    values=("${(@f)$(_call_program values ggl complete "$1" "${(q)PREFIX}" "${(q)root_option[@]}" 2>/dev/null)}")
    values=(${values:#})
    if [[ $1 == KEY ]]; then
        compadd -S '' -- "${values[@]}"
    else
        compadd -- "${values[@]}"
    fi
}
"""


def generate(root: Node) -> str:
    return "".join(_lines(root)) + '\n_ggl "$@"\n'


def _lines(root: Node) -> Iterator[str]:
    yield _HEAD
    for node in walk(root):
        yield f"\n{_function(node)}() {{\n"
        yield from _body(node)
        yield "}\n"


def _body(node: Node) -> Iterator[str]:
    specs = [
        *(_option(option) for option in node.options),
        "'(- *)'{-h,--help}'[Show the help.]'",
        *(_argument(argument) for argument in node.arguments),
    ]
    if not node.children:
        yield "    _arguments -s -S \\\n        " + " \\\n        ".join(specs) + "\n"
        return
    specs += ["'1: :->command'", "'*:: :->words'"]
    if not node.path:
        # Further down only a part of the words is left.
        yield "    local -a root_option\n    local index=${words[(I)--root]}\n"
        yield '    (( index )) && root_option=(--root "${words[index+1]}")\n'
    yield "    local context state state_descr line\n    typeset -A opt_args\n"
    yield "    _arguments -C -S -A '-*' \\\n        " + " \\\n        ".join(specs) + "\n"
    yield "    case $state in\n        command)\n            local -a commands=(\n"
    for child in node.children:
        yield f"                {_quote(f'{child.path[-1]}:{child.summary}')}\n"
    yield "            )\n            _describe command commands\n            ;;\n"
    yield "        words)\n            case $line[1] in\n"
    for child in node.children:
        yield f"                {child.path[-1]}) {_function(child)} ;;\n"
    yield "            esac\n            ;;\n    esac\n"


def _option(option: Option) -> str:
    text = f"[{_plain(option.help)}]"
    value = f":{_plain(option.metavar)}:{_action(option.metavar, option.choices)}" if option.metavar else ""
    repeat = "*" if option.repeatable else ""
    if len(option.names) == 1:
        return _quote(f"{repeat}{option.names[0]}{text}{value}")
    exclusive = repeat or f"({' '.join(option.names)})"
    return f"{_quote(exclusive)}{{{','.join(option.names)}}}{_quote(text + value)}"


def _argument(argument: Argument) -> str:
    # ':message:action' is required, '::message:action' optional, '*:message:action' any number
    head = "*:" if argument.repeatable else ":" if argument.required else "::"
    return _quote(f"{head}{_plain(argument.metavar)}:{_action(argument.metavar)}")


def _action(metavar: str, choices: tuple[str, ...] = ()) -> str:
    if choices:
        return f"({' '.join(choices)})"
    if metavar in FILE_KINDS:
        return "_files"
    if metavar in FOLDER_KINDS:
        return "_files -/"
    # The leading space keeps _arguments from putting options of compadd before the word.
    return f" _ggl_values {metavar}" if metavar.isalpha() else " "


def _plain(text: str) -> str:
    """Text without the signs that mean something to ``_arguments``."""
    for sign in "[]:":
        text = text.replace(sign, f"\\{sign}")
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _function(node: Node) -> str:
    return "_".join(["_ggl", *node.path])
