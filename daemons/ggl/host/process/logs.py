"""The supervisor's side of logging: the pipes of every unit, and the log writer that reads them."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from ggl.log import get_logger

_log = get_logger("ggld")


@dataclass(frozen=True)
class Outputs:
    """The pipes of one unit. The supervisor keeps all four ends, so that nothing is lost when a reader dies."""

    stdout: int
    stderr: int
    readers: tuple[int, int]


class Logs:
    """Hands out a unit's outputs, and gives their reading ends to whichever log writer is alive."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._outputs: dict[str, Outputs] = {}
        self._control: socket.socket | None = None

    def connect(self) -> socket.socket:
        """A new log writer is about to start: returns its end of the control socket."""
        if self._control is not None:
            self._control.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        for name, outputs in self._outputs.items():
            self._hand_over(name, outputs)
        return theirs

    def outputs(self, name: str) -> Outputs:
        """The outputs of the log called ``name``, made at the first call."""
        outputs = self._outputs.get(name)
        if outputs is None:
            out_r, out_w = os.pipe2(os.O_CLOEXEC)
            err_r, err_w = os.pipe2(os.O_CLOEXEC)
            outputs = self._outputs[name] = Outputs(out_w, err_w, (out_r, err_r))
            self._hand_over(name, outputs)
        return outputs

    def forget(self, name: str) -> None:
        """The unit is gone for good: the log writer closes its file."""
        outputs = self._outputs.pop(name, None)
        if outputs is not None:
            self._send(name, ())
            for fd in (outputs.stdout, outputs.stderr, *outputs.readers):
                os.close(fd)

    def _hand_over(self, name: str, outputs: Outputs) -> None:
        self._send(name, outputs.readers)

    def _send(self, name: str, fds: tuple[int, ...]) -> None:
        if self._control is None:
            return
        message = [json.dumps({"name": name}).encode()]
        try:
            if fds:
                socket.send_fds(self._control, message, list(fds), socket.MSG_DONTWAIT)
            else:
                self._control.send(message[0], socket.MSG_DONTWAIT)
        except OSError as error:
            # The next log writer gets everything again.
            _log.debug("the log writer does not listen: %s", error)
