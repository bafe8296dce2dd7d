"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    # A shell without job control makes what it runs in the background deaf to Ctrl-C, and what that starts inherits it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) is signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
