"""What becomes of a request: whose token it shows, then what tesd has to say to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ggl.bus.errors import BusError, ErrorCode
from ggl.log import get_logger
from ggl.tesserverd.endpoint import ANSWER_SECONDS, Connection, Endpoint
from ggl.tesserverd.http import JSON, TEXT
from ggl.tesserverd.upstream import Upstream
from ggl.values import get_int, get_str

if TYPE_CHECKING:
    from ggl.daemon import Context

_log = get_logger("tesserverd")


def setup(context: Context) -> None:
    service = Service(context)
    context.at_exit(service.close)


class Service:
    def __init__(self, context: Context) -> None:
        self._tokens = Upstream(context.loop, "gg_ipc", context.root)
        self._credentials = Upstream(context.loop, "aws_iot_tes", context.root)
        self._refused = 0
        self._endpoint = Endpoint(context, self._ask)

    def close(self) -> None:
        self._endpoint.close()
        self._tokens.close()
        self._credentials.close()

    def _ask(self, token: str, connection: Connection) -> None:
        def known(component: Any) -> None:
            if component is None:
                self._refuse(connection)
            else:
                self._get(connection)

        def failed(error: BusError) -> None:
            _log.warning("whose token it is cannot be found out: %s", error)
            _fail(connection, error, b"the token cannot be checked now")

        self._tokens.call("component_of", {"token": token}, known, failed, lambda: connection.waiting, ANSWER_SECONDS)

    def _refuse(self, connection: Connection) -> None:
        self._refused += 1
        if self._refused & (self._refused - 1) == 0:  # the first, and then ever less often
            _log.warning("a request for credentials had a token of no component (so far: %d)", self._refused)
        connection.answer(403, b"this is the token of no component")

    def _get(self, connection: Connection) -> None:
        def got(answer: Any) -> None:
            status = get_int(answer, "status")
            connection.answer(status, get_str(answer, "text").encode(), JSON if status == 200 else TEXT)

        def failed(error: BusError) -> None:
            _log.warning("credentials cannot be had: %s", error)
            _fail(connection, error, b"credentials cannot be had now")

        self._credentials.call("answer", {}, got, failed, lambda: connection.waiting, ANSWER_SECONDS)


def _fail(connection: Connection, error: BusError, text: bytes) -> None:
    connection.answer(504 if error.code is ErrorCode.TIMEOUT else 500, text)
