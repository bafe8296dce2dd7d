"""What the unit of a component runs: ``python -m ggl.host.systemd.step start|stop|post UNIT``, the name escaped.

As root, and for a moment only: ``start`` becomes the component's script, ``stop`` runs its shutdown script beside it,
``post`` is run when it has ended, however that came: it decides whether that was an error, runs recover and shutdown
then, counts, and tells systemd to give up. It is on the way of every start, so that it imports no more than it needs.
``prepare`` and ``keep`` are what the others have done outside, when an administrator's sandbox is around them.
"""

from __future__ import annotations

import os
import sys

from ggl.lazy import lean

lean()

ACTIONS = ("start", "stop", "post", "prepare", "keep")


def main(arguments: list[str]) -> int:
    """The exit status. A ``start`` that succeeds does not return."""
    if len(arguments) < 2 or arguments[0] not in ACTIONS:
        os.write(2, b"<3>usage: step start UNIT KIND | stop UNIT | post UNIT\n")
        return 2
    action, name, *rest = arguments
    if "HOME" not in os.environ:
        import pwd

        os.environ["HOME"] = pwd.getpwuid(0).pw_dir  # a service has none, as long as it has no user
    from ggl.host.systemd.surroundings import Surroundings
    from ggl.host.systemd.syntax import unescaped

    here = Surroundings(unescaped(name))
    if action == "start":
        from ggl.host.systemd.step_start import start

        return start(here, *rest)
    if action == "stop":
        from ggl.host.systemd.step_stop import stop

        return stop(here)
    if action in ("prepare", "keep"):
        from ggl.host.systemd.outside import serve

        return serve(here, action, *rest)
    from ggl.host.systemd.step_post import post

    return post(here)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
