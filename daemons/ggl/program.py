"""A daemon as a program of its own: ``python -m ggl.<name>``, under a service manager or started by hand.

Sockets that the service manager passed are taken (sd_listen_fds(3)); what did not arrive is bound here. ``--root``
names the runtime, else ``GGL_ROOT`` or the usual place.
"""

from __future__ import annotations

from ggl.lazy import lean

lean()

import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402

from ggl.catalog import Daemon, find  # noqa: E402
from ggl.daemon import BUS_DIRECTORY_MODE, Context, bind, run, socket_mode, socket_paths, take_sockets  # noqa: E402
from ggl.paths import find_root  # noqa: E402


def main(name: str) -> None:
    """Be the daemon ``name`` of the catalogue until told to leave, or idle."""
    start(find(name))


def start(daemon: Daemon, setup: Callable[[Context], None] | None = None) -> None:
    """Be ``daemon``; ``setup`` in place of the function of that name in ``daemon.module``. Exits when it cannot be."""
    program = f"ggl.{daemon.name}"
    root = find_root(_root_argument(program) if len(sys.argv) > 1 else None)
    _set_title(daemon.name)
    sockets = take_sockets()
    missing = {name: path for name, path in socket_paths(daemon, root).items() if name not in sockets}
    try:
        if missing:
            root.run.mkdir(mode=0o755, parents=True, exist_ok=True)
            root.bus_dir.mkdir(mode=BUS_DIRECTORY_MODE, exist_ok=True)
        for name, path in missing.items():
            sockets[name] = bind(path, socket_mode(daemon, name))
    except OSError as error:
        sys.exit(f"{program}: cannot listen: {error}")
    os.environ.update(root.environment())
    run(daemon, root, sockets, setup=setup)


def _set_title(name: str) -> None:
    """Show ``name`` in top, where all programs in Python look alike."""
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
    except OSError:
        pass  # nothing depends on it


def _root_argument(program: str) -> str | None:
    import argparse  # when somebody types: a service is started without arguments, and it would cost it memory

    parser = argparse.ArgumentParser(prog=program, description="A daemon of the runtime; see 'ggl status'.")
    parser.add_argument("--root", help="directory of the runtime (default: GGL_ROOT, or the usual place)")
    root: str | None = parser.parse_args().root
    return root
