"""How deployments that went back, were rejected or canceled are told; lists of deployments."""

from __future__ import annotations

import pytest

from tests.unit.gglcli.conftest import deployment

ID = "3f9a0000-0000-4000-8000-000000000001"
ONE = ["deploy", "local", "-c", "com.example.Hello=1.2.0"]
BACK = [
    {"status": "IN_PROGRESS", "step": "wait", "message": "waiting for 1 component"},
    {"rolling_back": True, "message": "going back to what ran before: it is broken", "broken": ["com.example.Hello"]},
    {"step": "start", "message": "starting com.example.Hello", "components": {"com.example.Hello": "1.1.0"}},
]


def end(status: str, detailed: str) -> dict:
    return {"status": status, "detailed_status": detailed, "finished": 1_795_315_202_000}


def test_a_way_back_is_told_line_by_line(ggl, runtime) -> None:
    runtime.progress = [*BACK, {**end("FAILED", "FAILED_ROLLBACK_COMPLETE"), "cause": "com.example.Hello is broken"}]
    result = ggl(*ONE)
    assert result.code == 8
    assert result.out.splitlines() == [
        f"deployment {ID} QUEUED",
        "waiting for its turn",
        "waiting for 1 component",
        "going back to what ran before: it is broken",
        "starting com.example.Hello",
        f"deployment {ID} FAILED in 2.0s",
    ]
    assert "failed: com.example.Hello is broken; what ran before runs again; see 'ggl logs" in result.err


def test_the_log_that_is_shown_ends_before_the_way_back(ggl, runtime, monkeypatch) -> None:
    runtime.root.logs.mkdir(parents=True)
    log = runtime.root.logs / "com.example.Hello.log"
    log.write_text("2026-11-22T02:40:01.000000Z WARN out of order\n")
    runtime.progress = [*BACK, end("FAILED", "FAILED_ROLLBACK_COMPLETE")]
    from gglcli.deployment import Progress

    lines = Progress.lines

    def log_more(progress, now) -> list[str]:
        if now.get("rolling_back"):
            log.write_text(log.read_text() + "2026-11-22T02:40:02.000000Z INFO the old one runs\n")
        return lines(progress, now)

    monkeypatch.setattr(Progress, "lines", log_more)
    assert ggl(*ONE, "--json").json["logs"] == {"com.example.Hello": ["2026-11-22T02:40:01.000000Z WARN out of order"]}


@pytest.mark.parametrize(
    ("status", "detailed", "said"),
    [
        ("FAILED", "FAILED_NO_STATE_CHANGE", "failed: no recipe; nothing was changed"),
        ("FAILED", "FAILED_ROLLBACK_NOT_REQUESTED", "failed: no recipe; the device is as the failure left it"),
        ("FAILED", "FAILED_UNABLE_TO_ROLLBACK", "failed: no recipe; what ran before could not be brought back"),
        ("REJECTED", "REJECTED", "was rejected: no recipe; see 'ggl deploy show"),
        ("CANCELED", "", "was canceled: no recipe; see 'ggl deploy show"),
    ],
)
def test_every_bad_end_in_plain_words(ggl, runtime, status, detailed, said) -> None:
    runtime.progress = [{**end(status, detailed), "cause": "no recipe"}]
    result = ggl(*ONE)
    assert result.code == 8
    assert said in result.err


def test_list_and_show_know_where_it_came_from_and_where_it_is_going(ggl, runtime) -> None:
    runtime.deployments = [
        deployment(type="LOCAL", status="SUCCEEDED", generation=4, created=0),
        deployment(type="IOT_JOBS", status="IN_PROGRESS", rolling_back=True, generation=0, policy="DO_NOTHING"),
    ]
    rows = [line.split()[1:4] for line in ggl("deploy", "list").out.splitlines()]
    assert rows == [
        ["STATUS", "TYPE", "GENERATION"],
        ["SUCCEEDED", "local", "4"],
        ["ROLLING_BACK", "job", "-"],
    ]
    shown = ggl("deploy", "show").out
    assert "\npolicy        do-nothing\n" in shown
    assert "\nstatus        ROLLING_BACK\n" in shown


def test_what_went_back_is_not_shown_as_running(ggl, runtime) -> None:
    name = "com.example.Hello"
    runtime.deployments = [
        deployment(
            type="IOT_JOBS",
            status="FAILED",
            rolling_back=True,
            components={name: "2.0.0", "com.example.Good": "2.0.0"},
            states={name: "RUNNING", "com.example.Good": "RUNNING"},  # of the versions of before
            broken=[name],
        )
    ]
    rows = [line.split() for line in ggl("deploy", "show").out.splitlines()[-2:]]
    assert rows == [["com.example.Good", "2.0.0", "-", "dependency"], [name, "2.0.0", "BROKEN", "root"]]


def test_scripts_see_a_generation_only_where_there_is_one(ggl, runtime) -> None:
    runtime.deployments = [
        deployment(type="LOCAL", status="FAILED", generation=0),
        deployment(type="ROLLBACK", status="SUCCEEDED", generation=0),
    ]
    assert [each["generation"] for each in ggl("deploy", "list", "--json").json] == [None, 0]
    assert ggl("deploy", "show", "--json").json["generation"] == 0
    assert len(ggl("deploy", "list", "-n", "1", "--json").json) == 1
    assert ggl("deploy", "list", "-n", "0", "--json").json == []
    assert ggl("deploy", "list", "-n", "-1").code == 2


@pytest.mark.parametrize("words", [["show"], ["wait", "last"], ["cancel", "last"]])
def test_there_is_no_last_deployment_before_the_first(ggl, runtime, words) -> None:
    result = ggl("deploy", *words)
    assert (result.code, result.err) == (4, f"error: ggl deploy {words[0]}: nothing has been deployed yet\n")
    assert ggl("deploy", words[0], "").code == 2


def test_a_component_is_removed_when_it_is_gone(ggl, runtime) -> None:
    runtime.progress = [
        {"status": "IN_PROGRESS", "step": "remove", "message": "removing", "removed": ["com.example.Old"]},
        {"step": "commit", "message": "committing"},
        {"status": "SUCCEEDED", "finished": 1},
    ]
    lines = ggl(*ONE).out.splitlines()
    assert lines[2:5] == ["removing", "committing", "com.example.Old REMOVED"]


def test_cancel(ggl, runtime) -> None:
    runtime.deployments = [deployment()]
    runtime.canceled = {"canceled": True, "status": "CANCELED", "message": ""}
    assert ggl("deploy", "cancel", "3f9a").out == f"deployment {ID} CANCELED\n"
    assert runtime.calls == [("cancel", {"deployment_id": ID})]
    assert ggl("deploy", "cancel", "last", "--json").json["status"] == "CANCELED"


def test_a_deployment_that_is_canceled_later_is_followed(ggl, runtime) -> None:
    runtime.deployments = [deployment(status="IN_PROGRESS")]
    runtime.canceled = {"canceled": True, "status": "IN_PROGRESS", "message": ""}
    runtime.progress = [end("CANCELED", "")]
    result = ggl("deploy", "cancel", "last")
    assert (result.code, result.out.splitlines()[-1]) == (0, f"deployment {ID} CANCELED")


def test_too_late_to_cancel(ggl, runtime) -> None:
    runtime.deployments = [deployment(status="SUCCEEDED")]
    runtime.canceled = {"canceled": False, "status": "SUCCEEDED", "message": "it is over"}
    result = ggl("deploy", "cancel", "last")
    assert result.code == 5
    assert "cannot be canceled: it is over" in result.err
    assert ggl("deploy", "cancel", "77").code == 4
