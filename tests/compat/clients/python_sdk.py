"""The official device SDK for Python: the first version of its client (operations and futures) and the second."""

from __future__ import annotations

import re
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import awsiot.greengrasscoreipc
from awsiot import eventstreamrpc as rpc
from awsiot.greengrasscoreipc import client as v1
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from tests.compat.clients import END, PROBES, TIMEOUT, Broken, Error, Failed, Subscription


def method_name(operation: str) -> str:
    """``subscribe_to_iot_core`` for ``SubscribeToIoTCore``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation.replace("IoT", "Iot")).lower()


def _shape(name: str, payload: dict[str, Any]) -> Any:
    return getattr(model, name)._from_payload(payload)


def _error(error: BaseException) -> Exception:
    if isinstance(error, rpc.ErrorShape):
        members = error._to_payload()
        return Failed(Error(error._model_name().partition("#")[2], members.get("message"), members))
    return Broken(f"{type(error).__name__}: {error}")


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(TIMEOUT)
    except (RuntimeError, FutureTimeout, rpc.ErrorShape) as error:
        raise _error(error) from error


def _opened(socket_path: str, token: str) -> Any:
    try:
        return awsiot.greengrasscoreipc.connect(ipc_socket=socket_path, authtoken=token, timeout=TIMEOUT)
    except Exception as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


class _Python:
    exact_numbers = True
    shows_stream_errors = True

    def offers(self, operation: str) -> bool:
        return hasattr(model, f"{operation}Request")

    def close(self) -> None:
        pass


class PythonV1(_Python):
    probe = f"{sys.executable} {PROBES / 'python_v1.py'}"

    def connect(self, socket_path: str, token: str) -> ConnectionV1:
        return ConnectionV1(_opened(socket_path, token))


class ConnectionV1:
    def __init__(self, client: v1.GreengrassCoreIPCClient) -> None:
        self._client = client

    def call(self, operation: str, request: dict[str, Any], unchecked: bool = False) -> dict[str, Any]:
        started = getattr(self._client, f"new_{method_name(operation)}")()
        _result(started.activate(_shape(f"{operation}Request", request)))
        response: dict[str, Any] = _result(started.get_response())._to_payload()
        _result(started.close())
        return response

    def subscribe(
        self, operation: str, request: dict[str, Any], unchecked: bool = False
    ) -> tuple[dict[str, Any], Subscription]:
        subscription = Subscription()

        class Handler(getattr(v1, f"{operation}StreamHandler")):  # type: ignore[misc]
            def on_stream_event(self, event: Any) -> None:
                subscription.came.put(event._to_payload())

            def on_stream_error(self, error: Exception) -> bool:
                subscription.came.put(_error(error))
                return True

            def on_stream_closed(self) -> None:
                subscription.came.put(END)

        subscription.handle = getattr(self._client, f"new_{method_name(operation)}")(Handler())
        _result(subscription.handle.activate(_shape(f"{operation}Request", request)))
        return _result(subscription.handle.get_response())._to_payload(), subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        _result(subscription.handle.close())

    def close(self) -> None:
        self._client.close().result(TIMEOUT)


class PythonV2(_Python):
    probe = f"{sys.executable} {PROBES / 'python_v2.py'}"

    def connect(self, socket_path: str, token: str) -> ConnectionV2:
        # One thread, since several would take events out of their order before they are looked at.
        executor = ThreadPoolExecutor(max_workers=1)
        return ConnectionV2(GreengrassCoreIPCClientV2(client=_opened(socket_path, token), executor=executor))


class ConnectionV2:
    def __init__(self, client: GreengrassCoreIPCClientV2) -> None:
        self._client = client

    def call(self, operation: str, request: dict[str, Any], unchecked: bool = False) -> dict[str, Any]:
        members = vars(_shape(f"{operation}Request", request))
        future = getattr(self._client, f"{method_name(operation)}_async")(**members)
        response: dict[str, Any] = _result(future)._to_payload()
        return response

    def subscribe(
        self, operation: str, request: dict[str, Any], unchecked: bool = False
    ) -> tuple[dict[str, Any], Subscription]:
        subscription = Subscription()

        def on_error(error: Exception) -> bool:
            # On the thread that hands over events: what came before stays before.
            self._client.executor.submit(subscription.came.put, _error(error))
            return True

        future, subscription.handle = getattr(self._client, f"{method_name(operation)}_async")(
            **vars(_shape(f"{operation}Request", request)),
            on_stream_event=lambda event: subscription.came.put(event._to_payload()),
            on_stream_error=on_error,
            on_stream_closed=lambda: subscription.came.put(END),
        )
        return _result(future)._to_payload(), subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        _result(subscription.handle.close())

    def close(self) -> None:
        self._client.close().result(TIMEOUT)
