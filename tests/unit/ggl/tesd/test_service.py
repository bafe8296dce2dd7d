"""When the configuration is looked at and the port opened: with worker processes that the test has in its hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode, Loop
from ggl.daemon import Context
from ggl.paths import find_root
from ggl.tesd import service as module
from ggl.tesd import source as source_module
from ggl.tesd.cache import Answer, Entry
from ggl.tesd.keeping import FILE, Kept, fingerprint, load, now, save
from ggl.tesd.service import Service

GOOD = {"accessKeyId": "A", "secretAccessKey": "S", "sessionToken": "T", "expiration": "then"}


class Request:
    """Somebody who asks."""

    answer: Any = None

    def defer(self) -> None:
        pass

    def finish(self, answer: Callable[[], Any]) -> None:
        try:
            self.answer = answer()
        except BusError as error:
            self.fail(error)

    def fail(self, error: BusError) -> None:
        self.answer = error.code


class Workers:
    """Stands in for the processes: those that read the configuration, and those that ask AWS."""

    def __init__(self) -> None:
        self.looks: list[Worker] = []
        self.questions: list[Worker] = []

    def look(self, *arguments: Any) -> Worker:
        self.looks.append(Worker(*arguments))
        return self.looks[-1]

    def question(self, *arguments: Any) -> Worker:
        self.questions.append(Worker(*arguments))
        return self.questions[-1]


class Worker:
    def __init__(self, _context: object, work: partial[Any], done: Callable[[Any], None], _seconds: int) -> None:
        self.arguments = work.args[1:]
        self.done = done

    def kill(self) -> None:
        pass

    @property
    def serving(self) -> bool:
        return bool(self.arguments[0])

    def served(self, *ports: int, identity: str = "me") -> None:
        assert self.serving
        self.done({"identity": identity, "fingerprint": "f", "ports": list(ports), "instance": "this"})

    def read(self, identity: str = "me") -> None:
        assert not self.serving
        self.done({"identity": identity, "fingerprint": "f"})


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    workers = Workers()
    monkeypatch.setattr(module, "Child", workers.look)
    monkeypatch.setattr(source_module, "Child", workers.question)
    return workers


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    loop = Loop()
    root = find_root(str(tmp_path))
    root.run.mkdir()
    yield Context(loop, root, {}, None)
    loop.close()


def kept(context: Context) -> Kept:
    return load(context.root.run / FILE)


def keep(context: Context, answer: Answer, seen: str = "f") -> None:
    entry = Entry(answer, now() + 1000, now() + 1000)
    good, failure = (entry, None) if answer.credentials else (None, entry)
    save(context.root.run / FILE, Kept((5000,), "this", "me", seen, good, failure))


def ask_port(service: Service) -> Any:
    request = Request()
    return service.serve_port(request, {}) or request  # type: ignore[arg-type]


def ask(service: Service) -> Request:
    request = Request()
    service.answer(request, {})  # type: ignore[arg-type]
    return request


def change(service: Service) -> None:
    service.configuration_changed(Request(), {})  # type: ignore[arg-type]


def test_the_port_is_opened_once_for_all_who_ask(context: Context, workers: Workers) -> None:
    service = Service(context)
    assert workers.looks == []
    first, second = ask_port(service), ask_port(service)
    workers.looks[0].served(5000)
    workers.looks[1].served(5000)
    assert (first.answer, second.answer, ask_port(service)) == (5000, 5000, 5000)
    assert len(workers.looks) == 2
    assert (kept(context).ports, kept(context).instance) == ((5000,), "this")
    # The next process begins with what was kept, and makes sure that it is open.
    request = ask_port(Service(context))
    assert workers.looks[2].arguments == (True, [5000], "this")
    workers.looks[2].served(5000)
    assert request.answer == 5000


def test_a_change_of_the_configuration_moves_it(context: Context, workers: Workers) -> None:
    service = Service(context)
    change(service)  # nobody has asked for a port
    assert workers.looks == []
    ask_port(service)
    workers.looks[0].served(5000)
    change(service)
    request = ask_port(service)  # which may be another one by now
    workers.looks[1].served(5000, 6000)
    assert request.answer is None
    workers.looks[2].served(5000, 6000)
    assert request.answer == ask_port(service) == 6000
    assert kept(context).ports == (5000, 6000)


def test_a_change_during_a_look_is_looked_at_again(context: Context, workers: Workers) -> None:
    service = Service(context)
    request = ask_port(service)
    service._source.know("before", "f")
    workers.looks[0].served(5000, identity="me")
    change(service)
    change(service)
    workers.looks[1].served(5000, identity="outdated")
    assert request.answer == 5000
    assert service._source.identity == "me"
    workers.looks[2].served(5000, identity="you")
    assert service._source.identity == "you"
    assert len(workers.looks) == 3


def test_without_the_configuration_whoever_asks_is_told_to_ask_again(
    context: Context, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_SECONDS", 0.0)
    service = Service(context)
    request = ask_port(service)
    workers.looks[0].done({})
    assert request.answer is ErrorCode.RETRY
    context.loop.call_later(0.01, context.loop.stop)
    context.loop.run()
    assert workers.looks[1].serving
    workers.looks[1].served(5000)
    assert ask_port(service) == 5000


def test_when_no_port_can_be_had_that_is_said(context: Context, workers: Workers) -> None:
    service = Service(context)
    request = ask_port(service)
    workers.looks[0].done({"identity": "me", "fingerprint": "f", "code": "FAILURE", "text": "no port is free"})
    assert request.answer is ErrorCode.FAILURE
    assert service._source.identity == "me"
    assert isinstance(ask_port(service), Request)
    assert len(workers.looks) == 2


def test_the_next_process_has_the_credentials_as_soon_as_it_knows_who_it_is(context: Context, workers: Workers) -> None:
    keep(context, Answer(200, credentials=GOOD, body="{}", lifetime=3600.0))
    request = ask(Service(context))
    assert request.answer is None
    workers.looks[0].read()
    assert request.answer == {"status": 200, "text": "{}"}
    assert workers.questions == []


def test_it_has_the_failure_too(context: Context, workers: Workers) -> None:
    keep(context, Answer(403, "no"))
    service = Service(context)
    workers.looks[0].read()
    assert ask(service).answer == {"status": 403, "text": "no"}
    request = Request()
    service.request_credentials(request, {})  # type: ignore[arg-type]
    assert request.answer is ErrorCode.REMOTE


def test_nobody_looks_at_a_configuration_that_has_not_changed(context: Context, workers: Workers) -> None:
    context.root.config_db.write_bytes(b"configuration")
    keep(context, Answer(403, "no"), fingerprint(context.root))
    assert ask(Service(context)).answer == {"status": 403, "text": "no"}
    context.root.config_db.write_bytes(b"another")
    assert ask(Service(context)).answer is None
    workers.looks[0].read("me")
    assert kept(context).fingerprint == "f"


def test_of_having_been_cut_off_nothing_is_left_when_aws_is_back(context: Context, workers: Workers) -> None:
    keep(context, Answer(0, "cannot reach it"))
    service = Service(context)
    service.mqtt_connected(Request(), {})  # type: ignore[arg-type]
    assert kept(context).failure is None
    workers.looks[0].read()
    ask(service)
    assert len(workers.questions) == 1


def test_nobody_waits_for_ever(context: Context, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.0)
    request = ask(Service(context))
    context.loop.call_later(0.01, context.loop.stop)
    context.loop.run()
    assert request.answer is ErrorCode.TIMEOUT
    assert len(workers.questions) == 1
