"""Which groups the device has left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ggl.cloud.settings import Identity, Settings
from ggl.deploymentd.current import GROUPS_PATH, Current
from ggl.deploymentd.dataplane import BAD, NETWORK, CloudError, DataPlane, failure
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.groups import left_groups, thing_groups
from ggl.deploymentd.local import LOCAL_GROUP
from ggl.deploymentd.patience import Patience

HEATERS, COOLERS, BENCH, THING = "thinggroup/heaters", "thinggroup/coolers", "thinggroup/bench", "thing/T 1"


def leaf(value: Any) -> dict[str, Any]:
    return {"v": value, "t": 1}


def device(*groups: str) -> Current:
    roots = {
        group: {"App": {"version": leaf("1.0.0"), "groupConfigArn": leaf("" if group == BENCH else f"arn:{group}")}}
        for group in groups
    }
    return Current({GROUPS_PATH[1]: {GROUPS_PATH[2]: roots}})


class FakeCloud(DataPlane):
    def __init__(self, *pages: Any) -> None:
        super().__init__(Settings(Identity(thing_name="T 1")))
        self.pages = list(pages)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self.asked.append((path, dict(query or {})))
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        found: dict[str, Any] = page
        return found


def page(*names: str, token: Any = None, parents: tuple[str, ...] = ()) -> dict[str, Any]:
    above = [{"thingGroupName": name} for name in parents]
    groups = [{"thingGroupName": name, "rootToParentThingGroups": above} for name in names]
    return {"thingGroups": groups, "nextToken": token}


def test_every_page_is_read_and_groups_above_count() -> None:
    cloud = FakeCloud(page("a", token="2"), page("b", parents=("all", "most")))
    assert thing_groups(cloud) == {"thinggroup/a", "thinggroup/b", "thinggroup/all", "thinggroup/most"}
    path = "/greengrass/v2/coreDevices/T%201/thingGroups"
    assert cloud.asked == [(path, {}), (path, {"nextToken": "2"})]


@pytest.mark.parametrize("bad", [{"thingGroups": {}}, {"thingGroups": ["a"]}, {"thingGroups": [{}]}])
def test_a_list_that_is_none_is_an_error(bad: dict[str, Any]) -> None:
    with pytest.raises(CloudError) as caught:
        thing_groups(FakeCloud(bad))
    assert caught.value.kind == BAD


def test_a_list_without_an_end_is_an_error() -> None:
    with pytest.raises(CloudError, match="does not end"):
        thing_groups(FakeCloud(*[page("a", token="more")] * 100))
    with pytest.raises(CloudError, match="more than"):
        thing_groups(FakeCloud(page(*(f"a{number}" for number in range(2000)), token="more")))


def test_only_groups_of_the_cloud_can_be_left_and_not_the_one_that_is_deployed() -> None:
    now = device(HEATERS, COOLERS, BENCH, THING, LOCAL_GROUP)
    assert left_groups(Patience(cloud=FakeCloud(page("heaters"))), now, BENCH) == (COOLERS,)
    assert left_groups(Patience(cloud=FakeCloud(page())), now, COOLERS) == (HEATERS,)
    without = now.without_groups([COOLERS])
    assert set(without.groups) == {HEATERS, BENCH, THING, LOCAL_GROUP}
    assert set(now.groups) == {HEATERS, COOLERS, BENCH, THING, LOCAL_GROUP}


def test_nobody_is_asked_where_the_answer_would_not_matter() -> None:
    cloud = FakeCloud()
    assert left_groups(Patience(cloud=cloud), device(HEATERS, BENCH, THING), HEATERS) == ()
    assert left_groups(Patience(cloud=None), device(HEATERS), LOCAL_GROUP) == ()
    assert left_groups(Patience(cloud=cloud, tries=3, online=False), device(HEATERS), LOCAL_GROUP) == ()
    assert cloud.asked == []


@pytest.mark.parametrize("error", [CloudError(NETWORK, "no network"), failure(403, ""), failure(400, "")])
def test_a_local_deployment_keeps_what_there_is_when_nobody_knows(error: CloudError) -> None:
    cloud = FakeCloud(error)
    assert left_groups(Patience(cloud=cloud, tries=3), device(HEATERS), LOCAL_GROUP) == ()
    assert len(cloud.asked) == 1


def test_a_deployment_from_the_cloud_wants_to_know() -> None:
    cloud = FakeCloud(CloudError(NETWORK, "no network"), failure(503, ""), page("coolers"))
    assert left_groups(Patience(cloud=cloud, tries=0, online=False), device(HEATERS), COOLERS) == (HEATERS,)
    assert left_groups(Patience(cloud=FakeCloud(failure(403, "")), tries=0), device(HEATERS), COOLERS) == ()
    with pytest.raises(DeploymentError) as caught:
        left_groups(Patience(cloud=FakeCloud(failure(400, "")), tries=0), device(HEATERS), COOLERS)
    assert caught.value.codes == ("CLOUD_API_ERROR", "BAD_REQUEST")
