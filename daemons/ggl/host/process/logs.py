"""The supervisor's side of logging: the pipes of every unit, and the log writer that reads them."""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ggl.bus.loop import WRITABLE, Loop
from ggl.host.process.logwriter import STAY
from ggl.log import get_logger

_log = get_logger("ggld")


@dataclass(frozen=True)
class Outputs:
    """The pipes of one unit. The supervisor keeps all four ends, so that nothing is lost when a reader dies."""

    stdout: int
    stderr: int
    readers: tuple[int, int]

    def close(self) -> None:
        for fd in (self.stdout, self.stderr, *self.readers):
            os.close(fd)


class Logs:
    """Hands out a unit's outputs, and gives their reading ends to whichever log writer is alive.

    While there is none, since nobody had anything to say, it looks out for the first who has.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._outputs: dict[str, Outputs] = {}
        self._control: socket.socket | None = None
        self._wake: Callable[[], None] | None = None
        # What the log writer is to be told and the socket does not take yet, in order.
        self._waiting: deque[tuple[str, tuple[int, ...]]] = deque()

    def connect(self) -> socket.socket:
        """A new log writer is about to start: returns its end of the control socket."""
        self._disconnect()
        if self._wake is not None:
            self._wake = None
            for outputs in self._outputs.values():
                self._look_away(outputs)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # (``send_fds`` takes no heed of a flag that says so)
        self._control = ours
        for name, outputs in self._outputs.items():
            self._hand_over(name, outputs)
        return theirs

    def rest(self, wake: Callable[[], None]) -> None:
        """The log writer has left: call ``wake``, which connects one, when there is something to read."""
        self._disconnect()
        self._wake = wake
        for outputs in self._outputs.values():
            self._look_out(outputs)

    def outputs(self, name: str) -> Outputs:
        """The outputs of the log called ``name``, made at the first call."""
        outputs = self._outputs.get(name)
        if outputs is None:
            out_r, out_w = os.pipe2(os.O_CLOEXEC)
            try:
                err_r, err_w = os.pipe2(os.O_CLOEXEC)
            except OSError:
                os.close(out_r)
                os.close(out_w)
                raise
            outputs = self._outputs[name] = Outputs(out_w, err_w, (out_r, err_r))
            if self._wake is None:
                self._hand_over(name, outputs)
            else:
                self._look_out(outputs)
        return outputs

    def keep_writer(self) -> None:
        """The log writer that is there must not leave any more."""
        self._send(STAY, ())

    def forget(self, name: str) -> None:
        """The unit is gone for good: the log writer closes its file."""
        if self._wake is not None and name in self._outputs:
            self._wake()  # its last words may be in the pipe
        outputs = self._outputs.pop(name, None)
        if outputs is not None:
            # A handover that was not taken yet would send descriptors that are closed now.
            self._waiting = deque(each for each in self._waiting if each[0] != name)
            self._send(name, ())
            outputs.close()

    def close(self) -> None:
        """Nobody speaks any more: the log writer leaves when it has written down what is in the pipes."""
        self._disconnect()
        while self._outputs:
            self._outputs.popitem()[1].close()

    def _disconnect(self) -> None:
        if self._control is not None:
            self._loop.unwatch(self._control.fileno())
            self._control.close()
            self._control = None
        self._waiting.clear()

    def _look_out(self, outputs: Outputs) -> None:
        for fd in outputs.readers:
            self._loop.watch(fd, lambda _events: self._wake and self._wake())

    def _look_away(self, outputs: Outputs) -> None:
        for fd in outputs.readers:
            self._loop.unwatch(fd)

    def _hand_over(self, name: str, outputs: Outputs) -> None:
        self._send(name, outputs.readers)

    def _send(self, name: str, fds: tuple[int, ...]) -> None:
        self._waiting.append((name, fds))
        if self._control is not None and len(self._waiting) == 1:
            self._flush(self._control)

    def _flush(self, control: socket.socket) -> None:
        self._loop.unwatch(control.fileno())
        while self._waiting:
            name, fds = self._waiting[0]
            message = [json.dumps({"name": name}).encode()]
            try:
                if fds:
                    socket.send_fds(control, message, list(fds))
                else:
                    control.send(message[0])
            except BlockingIOError:
                # Many units at once, or a log writer that is busy: it reads on.
                self._loop.watch(control.fileno(), lambda _events: self._flush(control), WRITABLE)
                return
            except OSError as error:
                # The next log writer gets everything again.
                _log.debug("the log writer does not listen: %s", error)
                self._waiting.clear()
                return
            self._waiting.popleft()
