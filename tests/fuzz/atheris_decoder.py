"""Coverage-guided fuzzing of the event stream decoder and of what comes right behind it, for long runs by hand:

    pip install -e '.[fuzz]'
    python -m tests.fuzz.atheris_decoder [CORPUS_DIRECTORY] [-max_total_time=SECONDS] [-max_len=4096]

The options are those of libFuzzer (``-help=1`` lists them); without any it runs until it finds something, which it
leaves as a file ``crash-*``. Such a file as the only argument plays it again. Nothing here needs a runtime.

The first byte of an input chooses how it is taken: as it is, or with lengths and checksums repaired so that the fuzzer
need not guess a CRC. What comes out is held against a decoder that knows no header block yet: what was decoded before
must never change a meaning. Connect and request payloads go on into a connection, as ipcd has it.
"""

from __future__ import annotations

import sys
from typing import Any

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["ggl.ipcd", "ggl.ipc", "json"]):
    from ggl.ipcd import eventstream as es
    from ggl.ipcd.connection import Connection
    from ggl.ipcd.identity import Identified, Identity
    from ggl.ipcd.stream import Stream
    from ggl.ipcd.trace import Tracer
    from ggl.ipcd.unfinished import Unfinished

from tests.fuzz.frames import JSON, VERSION, block, sealed, text

CONNECTED = sealed(b"".join(block(es.CONNECT, 0, 0, VERSION)), b'{"authToken":"T"}')
OPERATION = text(b"operation", b"aws.greengrass#GetConfiguration")


class _Output:
    """Takes what the connection sends, and looks whether it is a message."""

    def __init__(self) -> None:
        self.decoder = es.Decoder()
        self.finished = False
        self.behind = 0

    def send(self, data: bytes) -> None:
        self.decoder.feed(data)

    def finish(self) -> None:
        self.finished = True

    def hold(self, on: bool) -> None:
        pass

    def pause(self, seconds: float) -> None:
        pass


def _meaning(data: bytes) -> list[es.Message] | None:
    try:
        return es.Decoder().feed(data)
    except es.EventStreamError:
        return None


def _start(stream: Stream, request: dict[str, Any]) -> None:
    stream.respond({"echo": request})


def _identify(_token: str | None, _component: str | None, done: Identified) -> None:
    done(Identity("com.example.Fuzz", "com.example.Fuzz"))


def _serve(*pieces: bytes) -> None:
    output = _Output()
    connection = Connection(output, _identify, _start, lambda reason: None, Tracer(), Unfinished())
    for piece in pieces:
        if not output.finished:
            connection.receive(piece)
    connection.release()


def try_one(data: bytes) -> None:
    how, data = data[:1], data[1:]
    if how < b"\x40":
        messages = data
    elif how < b"\x80":
        size = min(data[0] if data else 0, len(data))
        messages = sealed(data[1 : 1 + size], data[1 + size :])
    elif how < b"\xc0":
        messages = sealed(b"".join(block(es.APPLICATION_MESSAGE, 0, 1, JSON, OPERATION)), data)
    else:
        messages = sealed(b"".join(block(es.CONNECT, 0, 0, VERSION)), data)
    warm = _meaning(messages)
    es._known.clear()
    if warm != _meaning(messages):
        raise AssertionError("what was seen before has changed a meaning")
    _serve(messages)
    _serve(CONNECTED, messages[: len(messages) // 2], messages[len(messages) // 2 :])


def main() -> None:
    atheris.Setup(sys.argv, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
