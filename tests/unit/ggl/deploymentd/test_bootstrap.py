"""Restarts that bootstrap steps ask for, where waiting for them on a real device would take too long."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import bootstrap
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.record import Deployment


class Journal:
    def __init__(self, **known: Any) -> None:
        self.deployment = Deployment("d", created=1, **known)
        self.slept = 0.0

    def write(self, **changes: Any) -> None:
        values = {**self.deployment.to_dict(), **changes}
        self.deployment = Deployment.from_dict(values)

    note = write

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


class Host:
    """``failure``: what is answered when a restart is asked for."""

    def __init__(self, failure: BusError | None = None) -> None:
        self.asked: list[str] = []
        self._failure = failure

    def instance(self) -> str:
        return "this run"

    def restart_runtime(self) -> None:
        self._ask("restart_runtime")

    def reboot(self) -> None:
        self._ask("reboot")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self._failure:
            raise self._failure

    def unload(self, names: Any) -> None:
        assert list(names) == []


def run(host: Host, journal: Journal) -> None:
    bootstrap.run(host, journal, Activation())  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "asked"), [(100, "restart_runtime"), (101, "reboot")])
def test_a_restart_that_does_not_happen_is_a_failure_after_a_while(code: int, asked: str) -> None:
    host, journal = Host(), Journal(restarting={"code": code, "instance": "this run"})
    with pytest.raises(DeploymentError, match="which did not happen within 300 s") as caught:
        run(host, journal)
    assert (host.asked, journal.slept) == ([asked], bootstrap.PATIENCE)
    assert caught.value.codes == ("COMPONENT_UPDATE_ERROR", "COMPONENT_BOOTSTRAP_ERROR")


def test_after_the_restart_it_is_not_asked_for_again() -> None:
    host, journal = Host(), Journal(restarting={"code": 100, "instance": "the run before"})
    run(host, journal)
    assert (host.asked, dict(journal.deployment.restarting)) == ([], {})


def test_a_host_that_does_not_answer_may_be_on_its_way_down() -> None:
    journal = Journal(restarting={"code": 101, "instance": "this run"})
    with pytest.raises(BusError):
        run(Host(BusError(ErrorCode.NOCONN, "gone")), journal)
    assert journal.deployment.restarting  # it will be seen whether it has happened
    with pytest.raises(DeploymentError, match="which failed: not now"):
        run(Host(BusError(ErrorCode.FAILURE, "not now")), journal)
