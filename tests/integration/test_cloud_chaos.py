"""The connection is lost at every stage of a deployment, in several ways: nothing gets lost by that, and nothing is
done or told twice.

An outage lasts only for a moment here; ``GGL_OUTAGE_SECONDS`` makes each one as long as wanted (``make
test-cloud-long``: a minute).
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ggl.deploymentd.record import STEPS
from tests.cloud.broker import require_mosquitto
from tests.integration.chaos import NEEDS_CLOUD, OUTAGE_SECONDS, OUTCOME, PATIENCE, WORKER, Lab, counting_device
from tests.integration.conftest import wait_until
from tests.integration.device import OVER

pytestmark = pytest.mark.process_host

LONG = OUTAGE_SECONDS > 10
ROUNDS = 40 if LONG else 4


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    require_mosquitto()
    with counting_device() as lab:
        yield lab


@pytest.fixture(autouse=True)
def well_again(lab: Lab) -> Iterator[None]:
    """A test that failed does not spoil the next one."""
    yield
    for path in (lab.pause, lab.reached):
        path.unlink(missing_ok=True)
    lab.aws.network.restore()
    if not lab.aws.mqtt.broker.running:
        lab.aws.network.start_broker()


@pytest.mark.parametrize("step", [*STEPS, OUTCOME])
def test_the_broker_dies(lab: Lab, step: str) -> None:
    job = lab.deploy_and_pause(step)
    lab.aws.network.kill_broker()
    lab.go_on()
    lab.completed_offline(job)
    lab.outlast()
    lab.aws.network.start_broker()
    lab.check(job)


@pytest.mark.parametrize(
    ("step", "silently"),
    [
        *((step, False) for step in (*STEPS, OUTCOME)),
        *((step, True) for step in ((*STEPS, OUTCOME) if LONG else ("ingest", "download", "start", OUTCOME))),
    ],
)
def test_the_network_is_lost(lab: Lab, step: str, silently: bool) -> None:
    job = lab.deploy_and_pause(step)
    lab.aws.network.cut(silently=silently)
    lab.go_on()
    if step not in NEEDS_CLOUD:
        lab.completed_offline(job)
    lab.outlast()
    lab.aws.network.restore()
    lab.check(job)


@pytest.mark.parametrize("lost", ["broker", "network"])
def test_a_job_waits_for_a_device_that_is_away(lab: Lab, lost: str) -> None:
    network = lab.aws.network
    network.kill_broker() if lost == "broker" else network.cut()
    job = lab.deploy()
    lab.outlast()
    network.start_broker() if lost == "broker" else network.restore()
    lab.check(job)


def test_the_device_restarts_before_it_could_tell_the_outcome(lab: Lab) -> None:
    job = lab.deploy_and_pause("start")
    lab.aws.network.cut()
    lab.go_on()
    lab.completed_offline(job)
    lab.device.runtime.down()
    lab.device.runtime.up()
    lab.outlast()
    lab.aws.network.restore()
    lab.check(job, ("bootstrap",))  # a component is installed with each start of the runtime


def test_a_job_is_canceled_while_the_device_is_away(lab: Lab) -> None:
    before = lab.device.health()[WORKER]["version"]
    job = lab.deploy_and_pause("resolve")
    lab.aws.network.cut()
    lab.go_on(to="download")  # which it might pass before it learns that it is canceled
    lab.outlast()
    lab.aws.jobs.cancel(job)
    lab.aws.network.restore()
    lab.go_on_when_canceled(job)
    outcome = lab.device.outcome_after_all(lab.deployment_of(job), PATIENCE)
    assert outcome["status"] == "CANCELED"
    assert lab.aws.jobs.execution(job)["status"] == "CANCELED"
    assert {update["status"] for update in lab.aws.jobs.updates(job)} <= {"IN_PROGRESS"}
    assert lab.device.health()[WORKER]["version"] == before
    lab.check(lab.deploy())


def test_why_it_failed_is_told_after_all(lab: Lab) -> None:
    before = lab.device.health()[WORKER]["version"]
    job = lab.deploy_and_pause("start", works=False)
    lab.aws.network.cut()
    lab.go_on()
    outcome = lab.device.outcome_after_all(lab.deployment_of(job), PATIENCE)
    assert outcome["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    lab.device.runtime.down()
    lab.device.runtime.up()
    lab.outlast()
    lab.aws.network.restore()
    execution = lab.aws.jobs.wait(job, seconds=PATIENCE)
    assert execution["status"] == "FAILED"
    assert execution["statusDetails"]["detailed-deployment-status"] == "FAILED_ROLLBACK_COMPLETE"
    assert WORKER in execution["statusDetails"]["deployment-failure-cause"]
    assert lab.device.health()[WORKER]["version"] == before


@pytest.mark.parametrize("step", [*STEPS, OUTCOME] if LONG else ["ingest", "download", "start", "commit", OUTCOME])
def test_the_device_loses_its_power_while_it_is_offline(lab: Lab, step: str) -> None:
    job = lab.deploy_and_pause(step)
    lab.aws.network.cut()
    runtime = lab.device.runtime
    for pid in [runtime.up(), *runtime.processes()]:  # the supervisor first, so that nothing is started anew
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    lab.go_on()
    runtime.up()
    if step not in NEEDS_CLOUD:
        lab.completed_offline(job)
    lab.outlast()
    lab.aws.network.restore()
    lab.check(job, ())  # the step that was interrupted is done again


@pytest.mark.skipif(not LONG, reason="a device waits for minutes before it asks or tells again")
def test_answers_of_the_cloud_get_lost(lab: Lab) -> None:
    lab.aws.jobs.ignore_next(1, "get")
    lab.aws.jobs.reject_next("InternalError")
    lab.aws.jobs.lose_next_reply(1)
    job = lab.deploy()
    lab.aws.jobs.wait(job, seconds=900.0)
    lab.check(job)


def test_a_stormy_day(lab: Lab) -> None:
    """Jobs come while the connection comes and goes at any moment, and what holds it is killed now and then."""
    over = threading.Event()
    chance = random.Random(os.environ.get("GGL_SEED", "1"))
    jobs = []

    def storm() -> None:
        while not over.wait(chance.uniform(0.2, 1.5)):
            kind = chance.choice(("cut", "stalled", "dropped", "broker", "iotcored", "jobsd"))
            if kind in ("iotcored", "jobsd"):
                pid = lab.device.runtime.pid_of(kind)
                if pid:
                    with suppress(ProcessLookupError):  # it leaves just now
                        lab.device.runtime.kill(pid)
            elif kind == "dropped":
                lab.aws.network.drop_connections()
            elif kind == "broker":
                lab.aws.network.kill_broker()
                over.wait(chance.uniform(0, 1))
                lab.aws.network.start_broker()
            else:
                lab.aws.network.cut(silently=kind == "stalled")
                over.wait(chance.uniform(0, 1))
                lab.aws.network.restore()
            lab.outages += 1

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(ROUNDS):
            jobs.append(lab.deploy())
            wait_until(lambda: lab.aws.jobs.execution(jobs[-1])["status"] in OVER, seconds=PATIENCE)
            lab.check(jobs[-1])
    finally:
        over.set()
        thread.join()


def test_in_the_end_nothing_was_lost_and_nothing_came_twice(lab: Lab) -> None:
    lab.check_count()
    lab.check_fleet()
    wait_until(lab.device.staged, lambda staged: staged == [], PATIENCE)
    jobs = lab.device.runtime.root.state / "jobs"
    wait_until(lambda: [path for path in jobs.glob("*") if path.is_file()], lambda left: left == [], PATIENCE)
