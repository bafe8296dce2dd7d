"""Units cross the bus and the disk as maps, and come back the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggl.host.status import UnitStatus
from ggl.host.unit import Command, Condition, Limits, Start, Unit
from ggl.values import InvalidValue

conditions = st.builds(Condition, st.sampled_from(["exists", "onpath"]), st.text(), st.booleans())
commands = st.builds(
    Command,
    script=st.text(),
    environment=st.dictionaries(st.text(), st.text()),
    privileged=st.booleans(),
    timeout=st.none() | st.floats(0, 1e6),
    skip_if=st.none() | conditions,
)
units = st.builds(
    Unit,
    name=st.text(),
    start=st.lists(st.builds(Start, st.sampled_from(["run", "startup", "oneshot"]), commands)).map(tuple),
    stop=st.none() | commands,
    recover=st.none() | commands,
    requires=st.lists(st.text()).map(tuple),
    restart_delay=st.floats(0, 1e6),
    limits=st.builds(Limits, st.none() | st.integers(1, 1 << 40), st.none() | st.floats(0.01, 1000)),
)


@given(units)
def test_a_unit_comes_back_as_it_was(unit: Unit) -> None:
    assert Unit.from_dict(json.loads(json.dumps(unit.to_dict()))) == unit


def test_a_status_comes_back_as_it_was() -> None:
    status = UnitStatus(
        "ggl.org.A", component="org.A", active_state="active", main_pid=7, since=9, started=True,
        install="ggl.org.A.install",
    )  # fmt: skip
    assert UnitStatus.from_dict(status.to_dict()) == status


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"restart": "sometimes"}, "'restart'"),
        ({"start": [{"kind": "walk", "command": {"script": "x"}}]}, "'kind'"),
        ({"start": [7]}, "'start'"),
        ({"stop": {"script": 7}}, "'script'"),
        ({"requires": [1]}, "'requires'"),
        ({"name": None}, "'name' is missing"),
        ({"limits": {"memory": 0}}, "'memory' must be more than 0"),
        ({"limits": {"memory": 1 << 53}}, "'memory'"),
        ({"limits": {"memory": 1.5}}, "'memory' must be an integer"),
        ({"limits": {"cpus": -1}}, "'cpus' must be more than 0"),
        ({"limits": {"cpus": "1"}}, "'cpus' must be a number"),
    ],
)
def test_what_is_no_unit_is_refused_by_name(change: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        Unit.from_dict({**Unit("ggl.org.A").to_dict(), **change})
