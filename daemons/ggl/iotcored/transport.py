"""The socket as the MQTT library sees it: reads and writes in large pieces, and bounded.

The library reads a byte or two at a time and writes each packet by itself. Here one read takes all that has come, and
what is written in one round of the loop goes out at once; and a broker cannot make us hold more than a packet may have.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

READ_SIZE = 65536
MAX_PACKET = 4 * 1024 * 1024
"""Bytes of a packet that is taken. AWS IoT Core sends no more than 128 KiB; its configuration allows for 2.5 MiB."""
MAX_UNSENT = 1024 * 1024
"""Bytes that may wait to be sent before the library has to wait with more."""
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TooLarge(ConnectionError):
    """The broker announced a packet that is larger than any it may send."""


class Transport:
    """``sock`` is connected, and does not block. What went wrong is kept in ``error``.

    ``on_write`` is called when there is something to be sent, ``on_close`` before the socket is closed.
    """

    __slots__ = ("_at", "_input", "_on_close", "_on_write", "_output", "_sock", "error")

    def __init__(self, sock: socket.socket, on_write: Callable[[], None], on_close: Callable[[], None]) -> None:
        self._sock = sock
        self._input = b""
        self._at = 0
        self._output = bytearray()
        self._on_write = on_write
        self._on_close: Callable[[], None] | None = on_close
        self.error: OSError | None = None

    # -- for the library ---------------------------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """What has come, up to ``size`` bytes; the library asks for exactly what is missing of a packet."""
        if size > MAX_PACKET:
            self.error = TooLarge(f"the broker announced a packet of {size} bytes; {MAX_PACKET} is the most")
            raise self.error
        at = self._at
        data = self._input[at : at + size]
        if data:
            self._at = at + len(data)
            return data
        self._input, self._at = b"", 0
        try:
            found = self._sock.recv(READ_SIZE)
        except _NOT_NOW:
            raise BlockingIOError from None
        except OSError as error:
            self.error = error
            raise
        if len(found) <= size:
            return found
        self._input = found
        self._at = size
        return found[:size]

    def send(self, data: bytes | bytearray) -> int:
        if len(self._output) > MAX_UNSENT:
            raise BlockingIOError
        if not self._output:
            self._on_write()
        self._output += data
        return len(data)

    def fileno(self) -> int:
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:
        self._sock.setblocking(flag)

    def close(self) -> None:
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
            with contextlib.suppress(OSError):
                self.flush()  # a good-bye, mostly
            self._sock.close()

    # -- for the loop ------------------------------------------------------------------------------------------------

    @property
    def unread(self) -> bool:
        """Whether there is more to read that the kernel does not know of."""
        if self._at < len(self._input):
            return True
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._output)

    def flush(self) -> bool:
        """Send what can be sent; whether nothing is left. Raises ``OSError``."""
        while self._output:
            try:
                sent = self._sock.send(self._output)
            except _NOT_NOW:
                return False
            except OSError as error:
                self.error = error
                raise
            del self._output[:sent]
        return True
