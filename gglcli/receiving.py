"""Messages that are printed as they come, until Ctrl-C, enough of them, or the time is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gglcli import output
from gglcli.errors import OK, TIMEOUT, CliError
from gglcli.following import follow
from gglcli.line import Columns
from gglcli.messages import Message


def receive(
    interface: str,
    requests: Sequence[tuple[str, dict[str, Any]]],
    read: Callable[[dict[str, Any]], Message],
    subscribed: Callable[[], None],
    *,
    raw: bool,
    count: int | None,
    timeout: float | None,
) -> int:
    """Print what ``read`` makes of each item; returns the exit status. ``timeout`` in seconds.

    Raises ``CliError`` when the time is over before there were ``count`` messages, or any.
    """
    columns = Columns()
    seen = 0
    try:
        for item in follow(interface, requests, timeout, subscribed):
            if item is None:
                continue
            message = read(item)
            if raw:
                message.write_raw()
            else:
                output.item(message.to_dict(), message.line(columns))
            seen += 1
            if seen == count:
                return OK
    except KeyboardInterrupt:
        return OK
    if seen < (count or 1):
        what = f"{seen} of {count} messages" if count and count > 1 else "no message"
        raise CliError(f"{what} in {timeout:g} s", TIMEOUT)
    return OK
