"""One runtime and one of each client for the whole suite; what came of every case is kept for the table."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.compat import table
from tests.compat.case import JS, V1, V2, C, Case, NotServed
from tests.compat.clients import Client
from tests.compat.clients.c_sdk import CSdk
from tests.compat.clients.javascript import JavaScript, Missing
from tests.compat.clients.python_sdk import PythonV1, PythonV2
from tests.compat.table import COMPLETE, RESULTS
from tests.integration.conftest import Runtime, running

MAKE: dict[str, Callable[[], Client]] = {V1: PythonV1, V2: PythonV2, JS: JavaScript, C: CSdk}


@pytest.fixture(scope="session")
def compat_runtime() -> Iterator[Runtime]:
    with running() as runtime:
        if os.geteuid() == 0:
            # Components that are deployed run as whoever runs the tests, also where that is root.
            user = pwd.getpwuid(os.geteuid()).pw_name
            path = ["services", "aws.greengrass.NucleusLite", "configuration", "runWithDefault", "posixUser"]
            runtime.call("gg_config", "write", {"key_path": path, "value": user})
        yield runtime


@pytest.fixture(scope="session")
def clients() -> Iterator[Callable[[str], Client]]:
    """A client by its name; made when it is first asked for."""
    made: dict[str, Client] = {}
    missing: dict[str, str] = {}

    def find(name: str) -> Client:
        if name in missing:
            _without(missing[name])
        if name not in made:
            try:
                made[name] = MAKE[name]()
            except Missing as error:
                missing[name] = str(error)
                _without(missing[name])
        return made[name]

    yield find
    for client in made.values():
        client.close()


def _without(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"the JavaScript SDK cannot be tried: {reason}", pytrace=False)
    pytest.skip(f"the JavaScript SDK cannot be tried: {reason}")


# -- the table ---------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RESULTS] = []
    config.stash[COMPLETE] = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The table's test looks at what all the others have left, so it comes last."""
    items.sort(key=lambda item: item.path.name == "test_table.py")


def pytest_collection_finish(session: pytest.Session) -> None:
    ran = {_case_of(item) for item in session.items}
    session.config.stash[COMPLETE] = table.every_case() <= ran


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    parameters = _parameters(item)
    if parameters is not None and (report.when == "call" or report.skipped):
        case, client = parameters
        xfailed = hasattr(report, "wasxfail")
        outcome = "fault" if xfailed else report.outcome
        served = not isinstance(case.expect, NotServed)
        item.config.stash[RESULTS].append(table.Result(case.row or case.operation, client, outcome, served))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[COMPLETE]:
        table.save(session.config.stash[RESULTS])


def _parameters(item: pytest.Item) -> tuple[Case, str] | None:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    case, name = parameters.get("case"), parameters.get("name")
    return (case, name) if isinstance(case, Case) and isinstance(name, str) else None


def _case_of(item: pytest.Item) -> tuple[str, str, str] | None:
    parameters = _parameters(item)
    return None if parameters is None else (parameters[0].operation, parameters[0].title, parameters[1])
