"""One kind of question as deployments open its rounds: each is a stream on the bus, with a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ggl.bus.errors import BusError, ErrorCode
from ggl.consentd.rounds import Round

if TYPE_CHECKING:
    from ggl.bus.loop import Loop
    from ggl.bus.request import Request

Answer = TypeVar("Answer")


class Question(Generic[Answer]):
    """``result`` makes the item that a round ends with; ``decides`` is that of ``Round``."""

    def __init__(
        self, loop: Loop, result: Callable[[Round[Answer]], dict[str, Any]], decides: Callable[[Answer], bool]
    ) -> None:
        self._loop = loop
        self._result = result
        self._decides = decides
        self._open: dict[str, tuple[Round[Answer], Callable[[BusError], None]]] = {}

    def open(self, request: Request, deployment_id: str, timeout: float, asked: Iterable[str]) -> Round[Answer]:
        """Make ``request`` the stream of a new round. The caller sends the question, then calls
        ``finish_if_answered``: there may be nobody to ask."""

        def end(error: BusError | None = None) -> None:
            timer.cancel()
            round_.discard()
            entry = self._open.get(deployment_id)
            if entry is not None and entry[0] is round_:
                del self._open[deployment_id]
            stream.end(error)

        def over(finished: Round[Answer]) -> None:
            stream.send(self._result(finished))
            end()

        stream = request.stream(end)
        previous = self._open.get(deployment_id)
        if previous is not None:
            previous[1](BusError(ErrorCode.FAILURE, f"another round of {deployment_id} has begun"))
        round_ = Round(asked, self._decides, over)
        timer = self._loop.call_later(timeout, round_.finish)
        self._open[deployment_id] = round_, end
        return round_

    def round_waiting_for(self, deployment_id: str, component: str) -> Round[Answer] | None:
        """The round in which an answer of ``component`` counts, if there is one."""
        entry = self._open.get(deployment_id)
        return entry[0] if entry is not None and entry[0].is_waiting_for(component) else None
