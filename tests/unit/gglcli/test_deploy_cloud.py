"""``ggl deploy``: deployments from the cloud beside those of this machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.gglcli.conftest import deployment

JOB = "9b2e7c1a-1111-4000-8000-000000000002"


def assignment(**changes: Any) -> dict[str, Any]:
    return {
        "type": "IOT_JOBS",
        "job_id": JOB,
        "configuration_arn": "arn:aws:greengrass:eu-west-1:1:configuration:thinggroup/heaters:14",
        "deployment_id": "77770000-0000-4000-8000-000000000003",
        "request_id": f"{JOB}#1795315100#1",
        "name": "weekly",
        "target": "thinggroup/heaters",
        "queued_at": 1_795_315_100,
        "received": 1_795_315_100_000,
        "finished": 0,
        "stage": "TAKEN",
        "status": "SUCCEEDED",
        "withdrawn": False,
        "reported": "IN_PROGRESS",
        "pending": ["SUCCEEDED"],
        "refused": "",
        "source_endpoint": "",
        "trail": "",
        **changes,
    }


@pytest.fixture
def job(runtime) -> dict[str, Any]:
    """The runtime has deployed a job, and something of its own."""
    known = assignment()
    ids = {name: known[name] for name in ("deployment_id", "request_id")}
    runtime.deployments += [deployment(type="IOT_JOBS", status="SUCCEEDED", group=known["target"], **ids), deployment()]
    runtime.jobs.append(known)
    return known


def test_the_list_says_what_the_cloud_knows(ggl, runtime, job) -> None:
    heads, line = ggl("deploy", "list").out.splitlines()[:2]
    assert heads.split()[-2:] == ["CLOUD", "WHAT"]
    assert "job" in line.split()
    assert line[heads.index("CLOUD") :].startswith("SUCCEEDED is to be reported  ")
    job |= {"pending": [], "reported": "SUCCEEDED"}
    heads, line = ggl("deploy", "list").out.splitlines()[:2]
    assert line[heads.index("CLOUD") :].startswith("SUCCEEDED  ")


def test_without_the_cloud_nothing_is_said_of_it(ggl, runtime) -> None:
    runtime.deployments.append(deployment())
    assert "CLOUD" not in ggl("deploy", "list").out
    assert json.loads(ggl("--json", "deploy", "list").out)[0]["cloud"] is None


def test_scripts_get_everything(ggl, runtime, job) -> None:
    listed = json.loads(ggl("--json", "deploy", "list").out)
    assert listed[0]["cloud"] == job
    assert listed[1]["cloud"] is None


def test_a_job_is_found_by_its_own_id(ggl, runtime, job) -> None:
    shown = ggl("deploy", "show", JOB[:6]).out
    assert job["deployment_id"] in shown
    for expected in (JOB, "thinggroup/heaters", "SUCCEEDED is to be reported"):
        assert expected in shown


def test_what_never_became_a_deployment_is_there_as_well(ggl, runtime, job) -> None:
    refused = {"job_id": "bad-one", "deployment_id": "", "request_id": "bad-one#1#1", "name": "", "pending": []}
    runtime.jobs.append(assignment(**refused, status="FAILED", reported="FAILED", received=1))
    first = json.loads(ggl("--json", "deploy", "list").out)[0]
    assert (first["status"], first["cloud"]["job_id"]) == ("FAILED", "bad-one")
    assert ggl("deploy", "list").out.splitlines()[1].split()[:3] == ["bad-one", "FAILED", "job"]
    assert "FAILED" in ggl("deploy", "show", "bad-one").out


def test_a_daemon_that_does_not_answer_costs_only_its_column(ggl, runtime, job) -> None:
    runtime.jobs = object()  # which cannot cross the bus
    result = ggl("deploy", "list")
    assert result.code == 0
    assert "cannot be shown" in result.err
    assert len(result.out.splitlines()) == 3
