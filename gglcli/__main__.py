"""Entry point of the ``ggl`` command.

Two ways lead to a command. Scripts poll ``ggl status --json``, so the few commands of ``FAST`` are run without loading
Typer when the command line is nothing but their name and the global options; everything else, help and mistakes
included, goes through the command tree. Both ways call the same function.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gglcli import errors
from gglcli.session import reset, session

FAST = {
    "status": ("gglcli.status", "show_status"),
    "version": ("gglcli.version", "show_version"),
    "complete": ("gglcli.complete", "print_values"),
}
"""Commands with what runs them; words after the command are passed on to it."""


def main() -> NoReturn:
    """Run ``ggl`` with the arguments of this process, and exit."""
    # Nothing is garbage yet, and looking for it makes up a twentieth of a short command.
    gc.disable()
    code = run(sys.argv[1:])
    try:
        sys.stderr.flush()
    finally:
        # Taking the interpreter apart would take as long again as a quick command; everything is written already.
        os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. No exception but a fault in the interpreter leaves it."""
    reset()
    try:
        code = _dispatch(list(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _closed_pipe()
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    except Exception as error:
        return _failed(error)


def _dispatch(arguments: list[str]) -> int:
    arguments = _habitual(arguments)
    words = _fast_words(arguments)
    if words is not None:
        from importlib import import_module

        module, function = FAST[words[0]]
        session.command = words[0]
        result = getattr(import_module(module), function)(*words[1:])
        return result if isinstance(result, int) else errors.OK
    session.__dict__.update(root=None, json="--json" in arguments)  # the latter for errors while parsing
    return _dispatch_typer(arguments)


def _habitual(arguments: list[str]) -> list[str]:
    """What people type by habit, in our words: ``ggl --version``, ``ggl help deploy``."""
    if arguments[:1] in (["--version"], ["-V"]):
        return ["version", *arguments[1:]]
    if arguments[:1] == ["help"]:
        return [*arguments[1:], "--help"]
    return arguments


def _fast_words(arguments: list[str]) -> list[str] | None:
    """The words of a command line that needs no parser, with the global options taken out; ``None`` for any other."""
    words: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        if argument == "--json":
            session.json = True
        elif argument == "--root" and index + 1 < len(arguments):
            index += 1
            session.root = arguments[index]
        elif argument.startswith("--root="):
            session.root = argument[len("--root=") :]
        elif argument.startswith("-") and (not words or words[0] != "complete"):
            return None
        else:
            words.append(argument)
        index += 1
    plain = words and words[0] in FAST and (len(words) == 1 or words[0] == "complete")
    return words if plain else None


def _dispatch_typer(arguments: list[str]) -> int:
    # Read by Typer when it is imported: without a terminal nothing of rich is loaded.
    os.environ["TYPER_USE_RICH"] = "1" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else "0"
    import typer

    from gglcli.app import build

    del os.environ["TYPER_USE_RICH"]
    gc.enable()  # a command may run for days (logs -f)
    try:
        result = build().main(arguments, prog_name="ggl", standalone_mode=False)
    except typer.TyperException as error:
        from gglcli.errors import CliError

        words = f"ggl {session.command}".strip()
        raise CliError(error.format_message(), error.exit_code, hint=f"see '{words} --help'") from None
    except SystemExit as error:
        # Typer ends the process itself when the reader of its output went away.
        return errors.CLOSED_PIPE if error.code == 1 else int(error.code or 0)
    return result if isinstance(result, int) else errors.OK


def _failed(error: Exception) -> int:
    from ggl.bus import BusError
    from gglcli import output
    from gglcli.errors import CliError

    problem = error
    if isinstance(error, BusError):
        from gglcli.client import translate

        problem = translate(error)
    elif isinstance(error, OSError) and error.filename:
        code = "NOPERM" if isinstance(error, PermissionError) else "FAILURE"
        hint = "run ggl as the runtime's user, for example with sudo" if _is_of_runtime(error.filename) else ""
        problem = CliError(
            f"cannot use {error.filename}: {error.strerror}", hint=hint if code == "NOPERM" else "", code=code
        )
    if not isinstance(problem, CliError):
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        problem = CliError(f"unexpected error: {text}", hint="set GGL_DEBUG=1 to see where", code="INTERNAL")
    try:
        if os.environ.get("GGL_DEBUG"):
            import traceback

            traceback.print_exception(error)
        output.error(problem)
    except BrokenPipeError:
        return _closed_pipe()
    return problem.exit_code


def _is_of_runtime(path: object) -> bool:
    from gglcli.client import root

    return str(path).startswith(str(root().state))


def _closed_pipe() -> int:
    """Whoever read our output left: say nothing, also not when the interpreter flushes on exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    return errors.CLOSED_PIPE


if __name__ == "__main__":
    main()
