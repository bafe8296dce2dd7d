"""What one connection sends, from its first byte to its end: told in full by the run's seed and a number."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random

from ggl.ipcd import eventstream as es
from tests.fuzz.frames import (
    HARMLESS,
    IMPOSSIBLE_OPERATIONS,
    INT32_MAX,
    INT32_MIN,
    JSON,
    ODD_NUMBERS,
    ODD_OPERATIONS,
    VERSION,
    block,
    broken_block,
    broken_frame,
    sealed,
    text,
)
from tests.fuzz.payloads import COMPONENTS, ODD, Corpus, damaged

CHECK = "check"
"""Ends with a request whose answer is known: after all that came before, the connection must serve as ever."""
DROP = "drop"
"""Closes, whatever was not read."""
SHUT = "shut"
"""Closes for writing, and waits for the other side to close too."""


@dataclass
class Session:
    """``greeting``: a good connect request, or empty for a stranger. ``bursts``: the frames, as they are sent together.
    ``ending``: one of the constants above."""

    number: int
    greeting: bytes
    bursts: list[list[bytes]] = field(default_factory=list)
    ending: str = DROP
    stream: int = 0
    """The highest stream id used."""


class Maker:
    """Makes sessions. ``tokens`` are those of ``COMPONENTS``."""

    def __init__(self, seed: int, tokens: list[str]) -> None:
        self._seed = seed
        self._tokens = tokens
        self._corpus = Corpus(Random(f"{seed}:corpus"))
        names = self._corpus.by_operation
        self._operations = {name: text(b"operation", b"aws.greengrass#" + name.encode()) for name in names}
        self._shapes = {
            name: text(b"service-model-type", b"aws.greengrass#%sRequest" % name.encode()) for name in names
        }

    def session(self, number: int) -> Session:
        rng = Random(f"{self._seed}:{number}")
        # Who is known sends many frames and a stranger few, and each kind shall send half of all.
        return self._known(rng, number) if rng.random() < 0.071 else self._stranger(rng, number)

    # -- before the connection is established ------------------------------------------------------------------------

    def _stranger(self, rng: Random, number: int) -> Session:
        session = Session(number, b"", ending=SHUT if rng.random() < 0.2 else DROP)
        frames = [self._first(rng)]
        while rng.random() < 0.3:
            frames.append(self._first(rng))
        session.bursts.append(frames)
        return session

    def _first(self, rng: Random) -> bytes:
        how = rng.random()
        if how < 0.3:
            return sealed(b"".join(block(es.CONNECT, 0, 0, VERSION)), self._credentials(rng))
        if how < 0.45:
            kind, flags = rng.choice(ODD_NUMBERS), rng.choice(ODD_NUMBERS)
            return sealed(b"".join(block(kind, flags, rng.choice(ODD_NUMBERS), VERSION)), self._credentials(rng))
        if how < 0.55:
            version = text(b":version", rng.choice((b"0.2.0", b"", b"0.1", b"v" * 30_000, b"\x1b[2J", b"0.1.0\0")))
            return sealed(b"".join(block(es.CONNECT, 0, 0, version, rng.choice(HARMLESS))), self._credentials(rng))
        if how < 0.7:
            parts = block(es.CONNECT, 0, 0, VERSION)
            return sealed(b"".join(broken_block(rng, parts)), self._credentials(rng))
        if how < 0.8:
            name, payload = self._corpus.pick(rng)
            return sealed(b"".join(block(0, 0, rng.choice((0, 1, 2)), JSON, self._operations[name])), payload)
        return broken_frame(rng, sealed(b"".join(block(es.CONNECT, 0, 0, VERSION)), self._credentials(rng)))

    def _credentials(self, rng: Random) -> bytes:
        token, name = rng.choice(self._tokens), rng.choice(COMPONENTS)
        how = rng.random()
        if how < 0.2:
            return b'{"authToken":"%s"}' % token.lower().encode()
        if how < 0.4:
            return b'{"authToken":"%s","componentName":"%s"}' % (token.encode(), rng.choice((name, "x" * 999)).encode())
        if how < 0.45:
            return b'{"componentName":"%s"}' % name.encode()
        if how < 0.7:
            return b'{"authToken":%s,"componentName":%s}' % (rng.choice(ODD), rng.choice(ODD))
        if how < 0.8:
            return rng.choice(ODD)
        if how < 0.9:
            return b"{%s}" % (b'"authToken":"%s",' % token.encode() * rng.randrange(1, 4))
        return damaged(rng, b'{"authToken":"%s"}' % token.encode())

    # -- on an established connection --------------------------------------------------------------------------------

    def _known(self, rng: Random, number: int) -> Session:
        token = rng.choice(self._tokens)
        credentials = json.dumps({"authToken": token}).encode()
        session = Session(number, sealed(b"".join(block(es.CONNECT, 0, 0, VERSION)), credentials))
        for _ in range(rng.randrange(1, 6)):
            session.bursts.append([self._survived(rng, session) for _ in range(rng.randrange(1, 12))])
        how = rng.random()
        if how < 0.4:
            session.ending = CHECK
            return session
        if how < 0.85:
            fatal = [self._fatal(rng, session)]
            if rng.random() < 0.3:
                fatal.append(self._survived(rng, session))
            session.bursts.append(fatal)
        session.ending = SHUT if how > 0.6 else DROP
        return session

    def _survived(self, rng: Random, session: Session) -> bytes:
        """A frame that costs at most its own request."""
        how = rng.random()
        name, payload = self._corpus.pick(rng)
        if how < 0.06:
            return sealed(b"".join(block(es.PING, rng.choice(ODD_NUMBERS), 0, rng.choice(HARMLESS))), payload[:5000])
        if how < 0.08:
            return sealed(b"".join(block(es.PING_RESPONSE, 0, 0)), payload[:100])
        if how < 0.16 and session.stream:
            # More on a stream that may be open, answered, or closed: ended, which is right in any case.
            stream = rng.randrange(1, session.stream + 1)
            kind = rng.choice((es.APPLICATION_MESSAGE, es.APPLICATION_ERROR))
            return sealed(b"".join(block(kind, es.TERMINATE_STREAM, stream)), payload if how < 0.1 else b"")
        session.stream += 1 if how < 0.95 else rng.choice((2, 5, 1100))
        kind = es.APPLICATION_MESSAGE if how < 0.9 else es.APPLICATION_ERROR
        flags = 0 if how < 0.85 else rng.choice(ODD_NUMBERS)
        operation = self._operations[name] if how < 0.8 else rng.choice(ODD_OPERATIONS)
        parts = block(kind, flags, session.stream, operation)
        if how < 0.3:
            parts.append(JSON)
            parts.append(self._shapes[name])
        elif how < 0.5:
            parts.insert(int(rng.random() * len(parts)), rng.choice(HARMLESS))
        elif how < 0.6:
            rng.shuffle(parts)
        elif how < 0.65:
            parts.append(operation)
        elif how < 0.7:
            parts = [part.replace(b":stream-id", b":Stream-ID").replace(b":message", b":MESSAGE") for part in parts]
        if 0.7 < how < 0.75:
            payload = damaged(rng, payload)
        return sealed(b"".join(parts), payload)

    def _fatal(self, rng: Random, session: Session) -> bytes:
        """A frame that breaks the protocol, or most likely so."""
        name, payload = self._corpus.pick(rng)
        stream = session.stream + 1
        parts = block(0, 0, stream, self._operations[name])
        how = rng.random()
        if how < 0.4:
            parts = block(es.PING, 0, 0, rng.choice(HARMLESS)) if how < 0.1 else parts
            return sealed(b"".join(broken_block(rng, parts)), payload)
        if how < 0.7:
            return broken_frame(rng, sealed(b"".join(parts), payload))
        if how < 0.8:
            stream = rng.choice((0, -1, 1, max(1, session.stream), INT32_MAX, INT32_MIN))
            return sealed(b"".join(block(0, 0, stream, self._operations[name])), payload)
        if how < 0.9:
            kind, flags = rng.choice(ODD_NUMBERS), rng.choice(ODD_NUMBERS)
            return sealed(b"".join(block(kind, flags, rng.choice((0, stream)), VERSION)), self._credentials(rng))
        if how < 0.92:
            return sealed(b"".join(block(0, 0, stream, rng.choice(IMPOSSIBLE_OPERATIONS))), payload)
        # Half a frame, or one that will never come.
        whole = sealed(b"".join(parts), payload)
        return whole[: rng.randrange(1, len(whole))]
