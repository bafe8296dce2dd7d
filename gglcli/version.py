"""``ggl version``."""

from __future__ import annotations

import os
import sys


def show_version() -> None:
    from ggl.version import NUCLEUS_VERSION, VERSION
    from gglcli.output import Fields, show

    python = ".".join(str(part) for part in sys.version_info[:3])
    data = {"version": VERSION, "nucleus_version": NUCLEUS_VERSION, "python": python, "machine": os.uname().machine}
    show(
        data,
        Fields(
            [
                ("ggl", VERSION),
                ("compatible with", f"Greengrass nucleus {NUCLEUS_VERSION}"),
                ("python", f"{python} ({os.uname().machine})"),
            ]
        ),
    )
