"""How ``ggl doctor`` shows what it finds, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.bus import BusError, ErrorCode
from gglcli.doctor import checks
from gglcli.doctor.checks import Named
from gglcli.doctor.device import Device
from gglcli.doctor.finding import Finding, failure, ok, skipped, warning

FINDINGS: dict[str, list[Finding]] = {
    "fine": [ok("fine", "all is well")],
    "none": [skipped("cloud", "no cloud")],
    "never": [skipped("other", "no cloud")],
    "odd": [warning("odd", "it is odd", "look at it")],
    "bad": [failure("bad", "it is bad", "repair it")],
}


@pytest.fixture
def some_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tuple(Named(name, f"about {name}", "none", name) for name in FINDINGS)
    monkeypatch.setattr("gglcli.doctor.command.CHECKS", known)
    monkeypatch.setattr(Named, "run", lambda self, _device: [*_named(self.name)])


def _named(name: str) -> list[Finding]:
    return [Finding(each.status, each.title, each.detail, each.remedy, name) for each in FINDINGS[name]]


@pytest.mark.usefixtures("some_checks")
@pytest.mark.parametrize(
    ("names", "code"), [(["fine", "none"], 0), (["fine", "odd"], 10), (["bad", "odd"], 8), ([], 8)]
)
def test_the_worst_finding_decides(ggl: Any, root: Any, names: list[str], code: int) -> None:
    assert ggl("doctor", *names).code == code


@pytest.mark.usefixtures("some_checks")
def test_each_finding_is_a_line_with_its_remedy_below(ggl: Any, root: Any) -> None:
    assert [" ".join(line.split()) for line in ggl("doctor").out.splitlines()] == [
        "ok fine: all is well",
        "skipped none, never: no cloud",  # for one reason, so in one line
        "warning odd: it is odd",
        "-> look at it",
        "failure bad: it is bad",
        "-> repair it",
        "1 failure, 1 warning (2 skipped)",
    ]


@pytest.mark.usefixtures("some_checks")
def test_scripts_get_a_list(ggl: Any, root: Any) -> None:
    assert ggl("doctor", "odd", "--json").json == [
        {"check": "odd", "status": "warning", "title": "odd", "detail": "it is odd", "remedy": "look at it"}
    ]


def test_a_name_that_there_is_not_is_a_mistake_of_the_caller(ggl: Any, root: Any) -> None:
    result = ggl("doctor", "mqqt")
    assert result.code == 2
    assert "there is no check 'mqqt'" in result.err


def test_every_check_is_listed_and_can_be_run(ggl: Any, root: Any) -> None:
    names = [each["check"] for each in ggl("doctor", "--list", "--json").json]
    assert names == [check.name for check in checks.CHECKS]
    found = ggl("doctor", "--offline", "--json").json
    assert {each["check"] for each in found} == set(names)
    assert not any("could not be checked" in each["detail"] for each in found)


def test_a_check_that_fails_itself_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_device: Device) -> list[Finding]:
        raise BusError(ErrorCode.FAILURE, "something odd")

    monkeypatch.setattr("gglcli.doctor.machine.memory", broken)
    check = next(each for each in checks.CHECKS if each.name == "memory")
    found = check.run(Device(None))  # type: ignore[arg-type]
    assert found[0].status == "failure"
    assert "something odd" in found[0].detail
    assert found[0].check == "memory"
