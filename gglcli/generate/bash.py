"""Completion for bash: one function that walks the words typed so far down the command tree."""

from __future__ import annotations

from collections.abc import Iterator

from gglcli.generate.tree import FILE_KINDS, FOLDER_KINDS, Node, Option, walk

_HEAD = """\
# bash completion for ggl. Made from the command tree by `python -m gglcli.generate`; do not edit.

_ggl_values() {
    # Values of one kind, from the runtime if it is up; $root_option leads to it.
    "${COMP_WORDS[0]}" complete "$1" "$cur" "${root_option[@]}" 2>/dev/null
}

_ggl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local path="" position=0 word i options="" kind="" skip=0
    local -a root_option=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((skip)); then
            skip=0
            continue
        fi
        case "$word" in
            --root) root_option=(--root "${COMP_WORDS[i+1]}"); skip=1 ;;
            -*) case "$path $word" in
"""

_TAIL = """\
    esac
    if [[ -z $kind && $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options --root --json --help -h" -- "$cur"))
        return
    fi
    case "$kind" in
        "") ;;
        @file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
        @folder) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")) ;;
        =*) COMPREPLY=($(compgen -W "${kind#=}" -- "$cur")) ;;
        *)
            COMPREPLY=($(compgen -W "$(_ggl_values "$kind")" -- "$cur"))
            [[ $kind == KEY ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
}

complete -F _ggl ggl
"""


def generate(root: Node) -> str:
    return "".join(_lines(root))


def _lines(root: Node) -> Iterator[str]:
    yield _HEAD
    for node in walk(root):
        names = [name for option in node.own_options if option.metavar for name in option.names]
        if names:
            patterns = "|".join(f'"{_path(node)} {name}"' for name in names)
            yield f"                {patterns}) skip=1 ;;\n"
    yield "                esac ;;\n"
    yield '            *) case "$path $word" in\n'
    for node in walk(root):
        for child in node.children:
            yield f'                "{_path(node)} {child.path[-1]}") path="{_path(child)}" ;;\n'
    yield "                *) ((position++)) ;;\n"
    yield "                esac ;;\n        esac\n    done\n"
    yield '    case "$prev" in\n        --root) kind=@folder ;;\n    esac\n'
    yield '    case "$path" in\n'
    for node in walk(root):
        yield from _node(node)
    yield _TAIL


def _node(node: Node) -> Iterator[str]:
    yield f'    "{_path(node)}")\n'
    options = " ".join(name for option in node.own_options for name in option.names)
    if options:
        yield f'        options="{options}"\n'
    valued = [option for option in node.own_options if option.metavar]
    if valued:
        yield '        case "$prev" in\n'
        for option in valued:
            yield f"            {'|'.join(option.names)}) kind={_quoted(_option_kind(option))} ;;\n"
        yield "        esac\n"
    if node.children:
        names = " ".join(child.path[-1] for child in node.children)
        yield f'        [[ -z $kind && $cur != -* ]] && kind="={names}"\n'
    elif node.arguments:
        yield '        if [[ -z $kind && $cur != -* ]]; then\n            case "$position" in\n'
        for number, argument in enumerate(node.arguments):
            pattern = "*" if argument.repeatable else str(number)
            yield f"                {pattern}) kind={_quoted(_kind(argument.metavar))} ;;\n"
        yield "            esac\n        fi\n"
    yield "        ;;\n"


def _option_kind(option: Option) -> str:
    # A value that cannot be completed still is a value: no options are offered in its place.
    return "=" + " ".join(option.choices) if option.choices else _kind(option.metavar)


def _kind(metavar: str) -> str:
    if metavar in FILE_KINDS:
        return "@file"
    return "@folder" if metavar in FOLDER_KINDS else metavar


def _quoted(text: str) -> str:
    return f'"{text}"'


def _path(node: Node) -> str:
    return " ".join(node.path)
