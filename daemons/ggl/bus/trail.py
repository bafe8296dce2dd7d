"""Trail ids: one id follows a request through every daemon it touches, and stands in every log line about it.

The id of the request being handled is per thread; a call made while handling a request passes it on.
"""

from __future__ import annotations

import os
from _thread import _local  # which is ``threading.local``, without what ``threading`` costs a daemon


class _Current(_local):
    trail = ""


current = _Current()


def new_trail() -> str:
    """A fresh id: 10 hexadecimal characters, unlikely enough to repeat in one device's logs."""
    return os.urandom(5).hex()
