"""What is wrong with access control policies, told when they have just been deployed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import command, connect


def warn_of_policies(components: Iterable[str]) -> None:
    """A remark on each of ``components`` that has policies with mistakes; none when that cannot be found out."""
    try:
        with connect("gg_config") as config, connect("gg_ipc") as client:
            for name in sorted(components):
                key_path = ["services", name, "configuration", "accessControl"]
                try:
                    config.call("read", {"key_path": key_path})  # without it, there is nothing to explain
                    problems = client.call("policy", {"component": name})["problems"]
                except BusError as error:
                    if error.code != ErrorCode.NOENTRY:
                        raise
                    continue
                if problems:
                    count = f"{len(problems)} mistake{'s' * (len(problems) != 1)}"
                    remedy = command(f"component policy {shlex.quote(name)}")
                    output.note(f"warning: the accessControl of {name} has {count}; to see what: {remedy}")
    except BusError:
        pass
