"""What is asked of the cloud about versions, and what is believed of its answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from ggl.cloud.settings import Settings
from ggl.deploymentd.candidates import Candidates, normalized
from ggl.deploymentd.dataplane import BUSY, MISSING, NETWORK, CloudError, DataPlane, failure
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.local import LOCAL_GROUP
from ggl.deploymentd.patience import LAST_WAIT, Patience, wait_seconds
from ggl.deploymentd.resolver import Demand
from ggl.deploymentd.staging import stage, staging_of
from ggl.deploymentd.store import Store
from tests.unit.ggl.deploymentd.conftest import Workshop

GROUP = "thinggroup/heaters"
ATTRIBUTES = {"os": "linux"}


def recipe(name: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "Manifests": [{"Lifecycle": {"run": "true"}}],
        **more,
    }


def resolved(name: str, version: str, text: Any = None, **more: Any) -> dict[str, Any]:
    content = json.dumps(recipe(name, version)) if text is None else text
    answer = {
        "arn": f"arn:{name}:{version}",
        "componentName": name,
        "componentVersion": version,
        "recipe": base64.b64encode(content.encode()).decode(),
    }
    return {"resolvedComponentVersions": [{**answer, **more}]}


class FakeCloud(DataPlane):
    """Gives the prepared answers, one after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(Settings())
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self.asked.append((body or {})["componentCandidates"][0])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found


def asked(*demands: Demand) -> list[Demand]:
    return list(demands) or [Demand("A", "^1.0.0", "the deployment", group=GROUP)]


def candidates(
    workshop: Workshop, cloud: FakeCloud | None, *, tries: int = 1, prefers_local: bool = False
) -> tuple[Candidates, Store, list[str]]:
    waits: list[str] = []
    staging = staging_of(workshop.root, "d")
    if not staging.path.exists():
        stage(staging, "", "", workshop.root.artifacts)
    store = Store(workshop.root, staging)
    patience = Patience(wait=lambda _seconds, text: waits.append(text), tries=tries, cloud=cloud)
    return Candidates(patience, store, ATTRIBUTES, prefers_local=prefers_local), store, waits


@pytest.mark.parametrize(
    ("range_", "told"),
    [
        ("2.1.0", "=2.1.0"),
        ("=2.1.0", "=2.1.0"),
        ("^1.2.3", ">=1.2.3 <2.0.0"),
        ("1.x", ">=1.0.0 <2.0.0"),
        ("~1.2", ">=1.2.0 <1.3.0"),
        ("*", ">=0.0.0"),
        ("", ">=0.0.0"),
        (">=1.0.0 <2 || ^3.0.0", ">=1.0.0 <2.0.0 || >=3.0.0 <4.0.0"),
    ],
)
def test_requirements_are_told_in_full(range_: str, told: str) -> None:
    assert normalized(range_) == told


def test_everything_that_is_required_is_told_by_whom_it_is_required(workshop: Workshop) -> None:
    cloud = FakeCloud(resolved("A", "1.5.0"))
    decide, store, _ = candidates(workshop, cloud)
    wanted = asked(
        Demand("A", "^1.0.0", "the deployment", group=GROUP), Demand("A", ">=1.2.0", "B 1.0.0", by="B"),
        Demand("A", "<1.9.0", "the group thing/T", group="thing/T"),
    )  # fmt: skip
    assert decide.decide("A", wanted, None) == "1.5.0"
    ranges = {GROUP: ">=1.0.0 <2.0.0", "B": ">=1.2.0", "thing/T": "<1.9.0"}
    assert cloud.asked == [{"componentName": "A", "versionRequirements": ranges}]
    assert store.recipe("A", "1.5.0").name == "A"
    assert store.arn("A", "1.5.0") == "arn:A:1.5.0"
    assert decide.decide("A", wanted, "1.5.0") == "1.5.0"
    assert len(cloud.asked) == 1  # the same question has the same answer


def test_what_was_answered_is_known_after_an_interruption(workshop: Workshop) -> None:
    decide, _, _ = candidates(workshop, FakeCloud(resolved("A", "1.5.0")))
    decide.decide("A", asked(), None)
    decide, store, _ = candidates(workshop, FakeCloud(CloudError(NETWORK, "no network")))
    assert store.check() == ["A 1.5.0"]
    assert not store.is_given("A", "1.5.0")
    assert decide.decide("A", asked(), "1.5.0") == "1.5.0"
    assert store.arn("A", "1.5.0") == "arn:A:1.5.0"


@pytest.mark.parametrize(
    "answer",
    [
        CloudError(NETWORK, "no network"),
        failure(503, ""),
        failure(403, ""),
        failure(404, ""),
        resolved("Other", "1.0.0"),
    ],
)
def test_what_is_here_is_used_when_the_cloud_gives_no_answer(workshop: Workshop, answer: Any) -> None:
    workshop.recipe("A", "1.0.0")
    decide, _, waits = candidates(workshop, FakeCloud(answer), tries=0)
    assert decide.decide("A", asked(), "1.0.0") == "1.0.0"
    assert waits == []


def test_without_a_network_only_what_is_not_here_is_asked_for(workshop: Workshop) -> None:
    lost = CloudError(NETWORK, "no network")
    cloud = FakeCloud(lost, lost, resolved("C", "1.0.0"), resolved("D", "1.0.0"))
    decide, _, waits = candidates(workshop, cloud, tries=0)
    for component, local in (("A", "1.0.0"), ("B", "1.0.0"), ("C", None), ("D", "1.0.0")):
        decide.decide(component, asked(Demand(component, "*", "", group=GROUP)), local)
    assert [each["componentName"] for each in cloud.asked] == ["A", "C", "C", "D"]
    assert len(waits) == 1


def test_the_cloud_is_not_asked_where_what_is_here_is_meant(workshop: Workshop) -> None:
    cloud = FakeCloud()
    decide, _, _ = candidates(workshop, cloud)
    assert decide.decide("A", asked(Demand("A", "*", "", group=LOCAL_GROUP)), "1.0.0") == "1.0.0"
    decide, _, _ = candidates(workshop, cloud, prefers_local=True)
    assert decide.decide("A", asked(), "1.0.0") == "1.0.0"
    decide, _, _ = candidates(workshop, None)
    assert decide.decide("A", asked(), None) is None
    assert "not provisioned" in decide.lacking
    workshop.recipe("Given")
    workshop.stage("e")
    store = Store(workshop.root, staging_of(workshop.root, "e"))
    decide = Candidates(Patience(cloud=cloud), store, ATTRIBUTES)
    assert decide.decide("Given", asked(Demand("Given", "1.0.0", "", group=GROUP)), "1.0.0") == "1.0.0"


def test_passing_failures_are_met_again_as_long_as_there_is_patience(workshop: Workshop) -> None:
    failures = [CloudError(NETWORK, "no network"), failure(429, ""), failure(500, "")]
    decide, _, waits = candidates(workshop, FakeCloud(*failures, resolved("A", "1.0.0")), tries=0)
    assert decide.decide("A", asked(), None) == "1.0.0"
    assert "no network" in waits[0]
    decide, _, waits = candidates(workshop, FakeCloud(*failures), tries=3)
    with pytest.raises(DeploymentError) as caught:
        decide.decide("A", asked(), None)
    assert caught.value.codes == ("NO_AVAILABLE_COMPONENT_VERSION", "CLOUD_API_ERROR", "SERVER_ERROR")
    assert len(waits) == 2


def test_a_version_that_the_cloud_does_not_have_is_no_failure_by_itself(workshop: Workshop) -> None:
    decide, _, waits = candidates(workshop, FakeCloud(CloudError(MISSING, "none", 404)), tries=0)
    assert decide.decide("A", asked(), None) is None
    assert waits == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"resolvedComponentVersions": []},
        {"resolvedComponentVersions": ["A"]},
        {"resolvedComponentVersions": resolved("A", "1.0.0")["resolvedComponentVersions"] * 2},
        resolved("B", "1.0.0"),
        resolved("A", "1.0.0", json.dumps(recipe("B", "1.0.0"))),
        resolved("A", "1.0.0", json.dumps(recipe("A", "1.0.1"))),
        resolved("A", "2.0.0"),
        resolved("A", "1.0.0", recipe="?"),
        resolved("A", "1.0.0", recipe="x" * 400_000),
        resolved("A", "1.0.0", arn="arn:aws:greengrass:r:1:components:A:versions:1.0.0/../../else?x="),
        resolved("A", "1.0.0", arn="arn:aws:greengrass:r:1:components:A:versions:1.0.0 HTTP/1.1\r\nHost: x"),
    ],
)
def test_an_answer_that_does_not_fit_the_question_is_not_believed(workshop: Workshop, answer: dict[str, Any]) -> None:
    decide, store, _ = candidates(workshop, FakeCloud(answer), tries=0)
    with pytest.raises(DeploymentError) as caught:
        decide.decide("A", asked(), None)
    assert caught.value.codes == ("RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE",)
    assert list(store.versions("A")) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "RECIPE_PARSE_ERROR"),
        (json.dumps(recipe("A", "1.0.0", ComponentType="aws.greengrass.plugin")), "CUSTOM_PLUGIN_NOT_SUPPORTED"),
        (json.dumps(recipe("A", "1.0.0", Manifests=[])), "RECIPE_MISSING_MANIFEST"),
    ],
)
def test_a_recipe_that_cannot_be_used_here_fails_the_deployment(workshop: Workshop, text: str, code: str) -> None:
    decide, _, _ = candidates(workshop, FakeCloud(resolved("A", "1.0.0", text)), tries=0)
    with pytest.raises(DeploymentError) as caught:
        decide.decide("A", asked(), None)
    assert caught.value.codes[-1] == code


def test_the_same_recipe_in_another_notation_is_not_taken_again(workshop: Workshop) -> None:
    path = workshop.root.recipes
    path.mkdir(parents=True)
    (path / "A-1.0.0.yaml").write_text(json.dumps(recipe("A", "1.0.0"), indent=2))
    decide, store, _ = candidates(workshop, FakeCloud(resolved("A", "1.0.0")))
    assert decide.decide("A", asked(), "1.0.0") == "1.0.0"
    assert store.source("A", "1.0.0") == path / "A-1.0.0.yaml"
    assert store.arn("A", "1.0.0") == "arn:A:1.0.0"


def test_waits_grow_up_to_a_minute_and_differ() -> None:
    assert 1.0 <= wait_seconds(1) <= 2.0
    waits = [wait_seconds(attempt) for attempt in range(20, 60)]
    assert LAST_WAIT / 2 <= min(waits) < max(waits) <= LAST_WAIT


@pytest.mark.parametrize(
    ("error", "codes"),
    [
        (failure(429, "{}"), ("CLOUD_API_ERROR", "THROTTLING_ERROR")),
        (failure(503, "busy"), ("CLOUD_API_ERROR", "SERVER_ERROR")),
        (failure(409, ""), ("CLOUD_API_ERROR", "CONFLICTED_REQUEST")),
        (failure(418, ""), ("CLOUD_API_ERROR",)),
        (CloudError(NETWORK, "no answer"), ("NETWORK_ERROR",)),
    ],
)
def test_a_failure_of_the_cloud_has_its_codes(error: CloudError, codes: tuple[str, ...]) -> None:
    assert error.codes() == codes
    assert error.is_passing == (error.kind in (NETWORK, BUSY))


def test_what_the_cloud_says_is_shown_in_one_line() -> None:
    assert failure(400, json.dumps({"message": "no\nsuch  thing"})).text == "no such thing (HTTP 400)"
    assert failure(502, "").text == "the cloud gave no reason (HTTP 502)"
    assert len(failure(500, "x" * 10_000).text) < 400
