"""Deployments that come as jobs of AWS IoT."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.jobsd import store
from ggl.jobsd.assignment import JOB, Assignment, observed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.ggl.jobsd.conftest import World

JOBS = "$aws/things/Thing1/jobs"
NOTICE = f"{JOBS}/notify-namespace-aws-gg-deployment"


def updates(world: World) -> list[tuple[str, str]]:
    return [
        (topic.split("/")[4], message["status"])
        for topic, message in world.cloud.requests
        if topic.startswith(JOBS) and topic.endswith("/update")
    ]


def gets(world: World) -> int:
    return sum(topic.endswith("/get") and "/jobs/" in topic for topic, _message in world.cloud.requests)


def test_a_job_is_deployed_and_mirrored(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run()
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]
    assert world.cloud.jobs["one"]["details"] == {"detailed-deployment-status": "SUCCESSFUL"}
    (known,) = world.listed()
    assert known["reported"] == "SUCCEEDED"
    assert known["pending"] == []
    assert known["target"] == "thinggroup/g"
    world.run()
    assert world.context is None, "it leaves when there is nothing to do"
    assert not list((world.root.state / "jobs").iterdir())


def test_a_failure_says_why(world: World) -> None:
    world.deployments.fails.add("d-one")
    world.cloud.create("one")
    world.connect()
    world.run()
    assert world.cloud.status("one") == "FAILED"
    assert world.cloud.jobs["one"]["details"] == {
        "detailed-deployment-status": "FAILED_ROLLBACK_COMPLETE",
        "deployment-failure-cause": "it broke",
        "deployment-error-stack": '["DEPLOYMENT_FAILURE", "COMPONENT_BROKEN"]',
    }


def test_jobs_are_done_one_after_another(world: World) -> None:
    for name in ("one", "two", "three"):
        world.cloud.create(name)
    world.connect()
    world.run()
    assert updates(world) == [(n, s) for n in ("one", "two", "three") for s in ("IN_PROGRESS", "SUCCEEDED")]


@pytest.mark.parametrize("steps", range(4))
def test_a_killed_daemon_goes_on_where_it_was(world: World, steps: int) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    for _ in range(steps):
        world.kill()
        world.deployments.step()
        world.run(deploy=False)
    world.kill()
    world.run()
    assert len(world.deployments.begun) == 1
    assert world.cloud.status("one") == "SUCCEEDED"
    assert world.context is None


def test_what_was_done_is_not_done_again(world: World) -> None:
    """The same answer a second time: to a question that this daemon has asked."""
    world.cloud.create("one")
    world.connect()
    world.run()
    world.cloud.jobs["one"]["status"] = "QUEUED"
    world.connect()
    world.run()
    assert len(world.deployments.begun) == 1
    assert updates(world)[2:] == []


def test_the_same_job_queued_anew_is_deployed_anew(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run()
    world.cloud.create("one")
    world.run()
    assert world.deployments.begun == ["one#1000#1", "one#1001#1"]


def test_a_job_queued_anew_while_it_runs_runs_again_afterwards(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    for _ in range(2):
        world.deployments.step()
    world.run(deploy=False)
    world.cloud.create("one")
    world.run(seconds=60)
    assert world.deployments.begun == ["one#1000#1", "one#1001#1"]
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]


@pytest.mark.parametrize("status", ["CANCELED", "TIMED_OUT", "REMOVED"])
@pytest.mark.parametrize("steps", [0, 1])
def test_what_the_cloud_withdraws_is_canceled_and_not_reported(world: World, steps: int, status: str) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    for _ in range(steps):
        world.deployments.step()
    world.run(deploy=False)
    reported = len(updates(world))
    world.cloud.cancel("one", status)
    world.run(deploy=False)
    assert world.deployments.records["d-one"]["status"] == "CANCELED"
    assert len(updates(world)) == reported
    assert world.context is None


def test_what_changes_the_device_is_not_canceled(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    for _ in range(2):
        world.deployments.step()
    world.cloud.cancel("one")
    world.run()
    assert world.deployments.records["d-one"]["status"] == "SUCCEEDED"
    assert world.cloud.status("one") == "CANCELED"
    assert world.context is None
    assert world.listed()[0]["refused"].startswith("InvalidStateTransition")


def test_what_was_canceled_before_anybody_looked_is_never_begun(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.disconnect()
    world.run(deploy=False)
    world.cloud.cancel("one")
    world.cloud.create("two")
    world.connect()
    world.run()
    assert world.deployments.begun == ["two#1001#1"]


def test_canceled_on_the_device(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.deployments._cancel({"deployment_id": "d-one"}, None)
    world.run()
    assert world.cloud.status("one") == "REJECTED"
    assert world.cloud.jobs["one"]["details"]["deployment-failure-cause"] == "it was canceled on the device"


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ("text", "there is no deployment document"),
        ({}, "there is no deployment document"),
        ({"deploymentId": 5}, "'deploymentId' must be a string"),
        ({"components": {}}, "'deploymentId' is missing"),
    ],
)
def test_a_document_that_is_none_fails_once(world: World, document: Any, cause: str) -> None:
    world.cloud.create("one", document)
    world.cloud.create("two")
    world.connect()
    world.run()
    assert updates(world) == [("one", "FAILED"), ("two", "IN_PROGRESS"), ("two", "SUCCEEDED")]
    details = world.cloud.jobs["one"]["details"]
    assert cause in details["deployment-failure-cause"]
    assert json.loads(details["deployment-error-stack"]) == ["DEPLOYMENT_FAILURE", "DEPLOYMENT_DOCUMENT_NOT_VALID"]
    assert json.loads(details["deployment-error-types"]) == ["CLOUD_SERVICE_ERROR"]


def test_a_document_that_deploymentd_refuses_fails(world: World) -> None:
    world.deployments.errors.append(BusError(ErrorCode.INVALID, "create_deployment: 'components' must be a map"))
    world.cloud.create("one")
    world.connect()
    world.run()
    assert updates(world) == [("one", "FAILED")]
    cause = world.cloud.jobs["one"]["details"]["deployment-failure-cause"]
    assert cause == "the deployment document is not valid: 'components' must be a map"


@pytest.mark.parametrize("code", [ErrorCode.BUSY, ErrorCode.NOCONN, ErrorCode.RETRY, ErrorCode.FAILURE])
def test_a_deploymentd_that_cannot_now_is_asked_again(world: World, code: ErrorCode) -> None:
    world.deployments.errors += [BusError(code, "not now")] * 3
    world.cloud.create("one")
    world.connect()
    world.run(seconds=200)
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]


def test_a_device_that_never_can_says_so(world: World) -> None:
    world.deployments.errors += [BusError(ErrorCode.NOMEM, "the disk is full")] * 5
    world.cloud.create("one")
    world.connect()
    world.run(seconds=600)
    assert updates(world) == [("one", "FAILED")]
    assert world.cloud.jobs["one"]["details"]["deployment-failure-cause"] == "the disk is full"


@pytest.mark.parametrize("code", ["InternalError", "RequestThrottled", "SomethingNew"])
def test_a_report_that_is_not_taken_yet_is_sent_again(world: World, code: str) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.cloud.refuse += [code] * 2
    world.run(seconds=59)
    assert updates(world) == [("one", "IN_PROGRESS")], "the later report waits behind it"
    world.run(seconds=300)
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]


def test_a_report_that_will_never_be_taken_is_dropped(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.cloud.refuse += ["InvalidRequest"]
    world.run()
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED")]
    assert world.cloud.status("one") == "SUCCEEDED"


def test_an_outcome_that_is_refused_is_told_once_more_without_details(world: World) -> None:
    world.cloud.create("one")
    world.cloud.create("two")
    world.connect()
    world.run(deploy=False)
    world.deployments.step()
    world.run(deploy=False)
    world.cloud.refuse += ["InvalidRequest"]
    world.run()
    assert world.cloud.status("one") == "SUCCEEDED"
    assert world.cloud.status("two") == "SUCCEEDED"
    assert world.deployments.begun == ["one#1000#1", "two#1001#1"]


def test_a_job_whose_outcome_is_never_taken_ends_in_no_circle(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.deployments.step()
    world.run(deploy=False)
    world.cloud.update = lambda _job, _message: (False, {"code": "InvalidRequest"})  # type: ignore[method-assign]
    world.run(seconds=3600)
    assert len(updates(world)) == 3
    assert world.context is None


def test_a_job_that_the_disk_does_not_take_is_taken_when_it_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _value: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    world.cloud.create("one")
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", full)
        world.connect()
        world.run(seconds=86400)
    assert world.deployments.begun == []
    world.run(seconds=1800)
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]


def test_an_answer_that_got_lost(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.deployments.step()
    world.run(deploy=False)
    world.cloud.lose_answers = 1
    world.run()
    assert world.listed()[0]["pending"] == ["SUCCEEDED"]
    world.run(seconds=60)
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED"), ("one", "SUCCEEDED")]
    assert world.listed()[0]["reported"] == "SUCCEEDED", "the refusal says that it is known"


def test_nothing_is_sent_without_a_connection_and_everything_afterwards_once(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.disconnect()
    world.run(seconds=86400)
    assert world.deployments.records["d-one"]["status"] == "SUCCEEDED"
    assert world.spool == []
    assert world.listed()[0]["pending"] == ["IN_PROGRESS", "SUCCEEDED"]
    world.kill()
    world.connect()
    world.run()
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED")]


def test_two_words_of_one_connection_are_one_reason_to_ask(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.disconnect()
    world.run(deploy=False)
    asked = gets(world)
    world.connect()
    world.run(deploy=False, seconds=60)
    assert gets(world) == asked + 1


def test_what_iotcored_still_has_is_not_sent_again(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.connected = False  # which nobody has noticed yet
    world.deployments.step()
    world.run(deploy=False)
    assert len(world.spool) == 1
    world.connect()
    world.run()
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED")]


def test_a_report_that_is_lost_on_its_way_is_sent_again(world: World) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.connected = False
    world.deployments.step()
    world.run(deploy=False)
    world.spool.clear()
    world.connect()
    world.run(seconds=120)
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED")]


def test_a_question_without_an_answer_is_asked_again_and_given_up_in_the_end(world: World) -> None:
    world.cloud.lose_answers = 10_000
    world.connect()
    world.run(seconds=60)
    assert gets(world) == 2
    world.run(seconds=86400)
    assert gets(world) < 20
    assert world.context is None
    world.cloud.lose_answers = 0
    world.cloud.create("one")
    world.run()
    assert world.cloud.status("one") == "SUCCEEDED"


def test_the_end_of_ones_own_job_is_no_news(world: World) -> None:
    world.connect()
    world.run()
    asked = gets(world)
    world.call("mqtt_message", topic=NOTICE, payload=b'{"jobs": {}}')
    world.run()
    assert gets(world) == asked
    assert world.context is None


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"no", b"[]", b"null", b"\xff\xfe", b'{"jobs": 5}', b'{"execution": []}', b'{"execution": "x"}'),
        *(b'{"jobs": NaN}', b"[" * 100_000, b'{"jobs": {"QUEUED": "\\ud800"}}', b'{"a": "' + b"x" * 300_000 + b'"}'),
        5,
    ],
)
@pytest.mark.parametrize(
    "topic",
    [
        *(NOTICE, f"{JOBS}/notify-next-namespace-aws-gg-deployment"),
        *(f"{JOBS}/$next/namespace-aws-gg-deployment/get/{answer}" for answer in ("accepted", "rejected")),
        *(f"{JOBS}/one/namespace-aws-gg-deployment/update/{answer}" for answer in ("accepted", "rejected")),
        "$aws/things/Thing1/shadow/name/AWSManagedGreengrassV2Deployment/get/accepted",
        "$aws/things/Thing1/shadow/name/AWSManagedGreengrassV2Deployment/update/accepted",
    ],
)
def test_nonsense_changes_nothing(world: World, topic: str, payload: Any) -> None:
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.call("mqtt_message", topic=topic, payload=payload)
    world.run()
    assert updates(world) == [("one", "IN_PROGRESS"), ("one", "SUCCEEDED")]


@pytest.mark.parametrize(
    "execution",
    [
        {"jobId": "../../etc/passwd", "status": "QUEUED", "queuedAt": 1, "jobDocument": {}},
        {"jobId": "x" * 65, "status": "QUEUED", "queuedAt": 1},
        {"jobId": "", "status": "QUEUED"},
        {"jobId": "a", "status": "SINGING"},
        {"jobId": "a", "status": "QUEUED", "queuedAt": 1 << 70},
        {"jobId": "a", "status": "QUEUED", "queuedAt": "yesterday"},
        {"jobId": 7, "status": "QUEUED"},
    ],
)
def test_an_execution_that_cannot_be_is_left_alone(world: World, execution: dict[str, Any]) -> None:
    world.connect()
    world.work()
    topic, asked = next((t, m) for t, m in world.cloud.requests if "/jobs/" in t)
    answer = {"clientToken": asked["clientToken"], "execution": execution}
    world.call("mqtt_message", topic=f"{topic}/accepted", payload=json.dumps(answer).encode())
    world.run()
    assert world.deployments.records == {}
    assert world.listed() == []


def test_a_document_too_deep_for_the_bus_is_no_deployment(world: World) -> None:
    """The bus refuses it where it is sent; here the model of deploymentd does."""
    world.deployments.errors.append(BusError(ErrorCode.RANGE, "a value is nested deeper than 64 levels"))
    world.cloud.create("one")
    world.connect()
    world.run()
    assert updates(world) == [("one", "FAILED")]


def test_files_that_cannot_be_read_are_removed(world: World) -> None:
    folder = world.root.state / "jobs"
    folder.mkdir()
    for name, content in (("1.json", "{"), ("2.json", "{}"), ("3.json", "[[]]"), (".4.json.new", "{"), ("x.json", "1")):
        (folder / name).write_text(content)
    (world.root.state / "jobs-finished.json").write_text('[1, {"number": "x"}]')
    world.start()
    world.run()
    assert list(folder.iterdir()) == []
    assert world.listed() == []


def test_the_outcome_of_a_move_to_another_endpoint_goes_to_the_old_one(world: World) -> None:
    moving(world)
    world.endpoint = "new.example.com"
    world.run()
    world.cloud.jobs.clear()
    world.connect()
    world.run()
    ((endpoint, topic, message),) = world.elsewhere
    assert endpoint == "old.example.com:8883"
    assert topic.endswith("/one/namespace-aws-gg-deployment/update")
    assert message["status"] == "SUCCEEDED"
    assert world.context is None
    assert world.listed()[0]["reported"] == "SUCCEEDED"


def test_an_old_endpoint_that_is_gone_keeps_nothing_waiting(world: World) -> None:
    moving(world)
    world.endpoint = "new.example.com"
    world.gone.add("old.example.com:8883")
    world.cloud.jobs.clear()
    world.connect()
    world.run()
    world.cloud.create("two")
    world.run()
    assert world.cloud.jobs["two"]["history"] == ["IN_PROGRESS", "SUCCEEDED"]
    assert [each["pending"] for each in world.listed() if each["job_id"] == "one"] == [["SUCCEEDED"]]
    world.run(seconds=2 * 3600)
    assert world.context is None
    (one,) = (each for each in world.listed() if each["job_id"] == "one")
    assert "cannot be reached" in one["refused"]


def test_the_outcome_of_a_move_that_failed_is_reported_as_ever(world: World) -> None:
    world.deployments.fails.add("d-one")
    moving(world)
    world.connect()
    world.run()
    assert world.cloud.jobs["one"]["history"] == ["IN_PROGRESS", "FAILED"]
    assert world.elsewhere == []


def moving(world: World) -> None:
    """A deployment that moves the device to another endpoint has begun; the connection is down."""
    world.cloud.create("one")
    world.connect()
    world.run(deploy=False)
    world.deployments.step()
    world.run(deploy=False)
    world.disconnect()
    world.deployments._set(world.deployments.records["d-one"], source_endpoint="old.example.com:8883")
    world.run(deploy=False)


def test_that_it_has_begun_is_told_of_one_that_was_over_at_the_first_look() -> None:
    tokens = iter("ab")
    waiting = Assignment(1, JOB, "one")
    seen = observed(waiting, {"status": "SUCCEEDED", "detailed_status": "SUCCESSFUL"}, lambda: next(tokens))
    assert [report.outcome.status for report in seen.reports] == ["IN_PROGRESS", "SUCCEEDED"]
    never = observed(waiting, {"status": "CANCELED"}, lambda: "c")
    assert [report.outcome.status for report in never.reports] == ["REJECTED"]
