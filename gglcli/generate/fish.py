"""Completion for fish: one ``complete`` line per option, subcommand and argument."""

from __future__ import annotations

from collections.abc import Iterator

from gglcli.generate.tree import FILE_KINDS, FOLDER_KINDS, Node, Option, walk

_HEAD = """\
# fish completion for ggl. Made from the command tree by `python -m gglcli.generate`; do not edit.

function __ggl_words
    # The words typed so far that are no options.
    set -l is_value 0
    for word in (commandline -opc)[2..]
        if test $is_value = 1
            set is_value 0
            continue
        end
        switch $word
            case --root
                set is_value 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

function __ggl_at
    # Whether exactly these words, and possibly arguments, have been typed.
    set -l words (__ggl_words)
    test (count $words) -ge (count $argv); or return 1
    for index in (seq (count $argv))
        test "$words[$index]" = "$argv[$index]"; or return 1
    end
end

function __ggl_next
    # Whether a subcommand of these words comes next.
    set -l words (__ggl_words)
    test (count $words) -eq (count $argv); and __ggl_at $argv
end

function __ggl_values
    set -l words (commandline -opc)
    set -l root_option
    if set -l index (contains -i -- --root $words)
        set root_option --root $words[(math $index + 1)]
    end
    ggl complete $argv[1] (commandline -ct) $root_option 2>/dev/null
end

complete -c ggl -f
complete -c ggl -s h -l help -d 'Show the help.'
"""


def generate(root: Node) -> str:
    return "".join(_lines(root))


def _lines(root: Node) -> Iterator[str]:
    yield _HEAD
    for option in root.options:
        yield _option("", option)
    for node in walk(root):
        at = " ".join(["__ggl_at", *node.path])
        if node.path:
            for option in node.own_options:
                yield _option(f" -n {_quote(at)}", option)
        for child in node.children:
            after = " ".join(["__ggl_next", *node.path])
            yield f"complete -c ggl -n {_quote(after)} -a {child.path[-1]} -d {_quote(child.summary)}\n"
        for metavar in dict.fromkeys(argument.metavar for argument in node.arguments):
            if value := _value(metavar):
                yield f"complete -c ggl -n {_quote(at)}{value}\n"


def _option(condition: str, option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    value = ""
    if option.metavar:
        value = f" -x -a {_quote(' '.join(option.choices))}" if option.choices else " -r" + _value(option.metavar)
    return f"complete -c ggl{condition} {names}{value} -d {_quote(option.help)}\n"


def _value(metavar: str) -> str:
    if metavar in FILE_KINDS:
        return " -F"
    if metavar in FOLDER_KINDS:
        return " -a '(__fish_complete_directories)'"
    return f" -a '(__ggl_values {metavar})'" if metavar.isalpha() else ""


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
