"""Components are asked about updates and new configurations: the official SDK at one end, a deployment's calls at the
other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    ConfigurationValidityReport,
    ConfigurationValidityStatus,
    InvalidArgumentsError,
    ResourceNotFoundError,
    ServiceError,
)

from ggl.bus import BusError, Client
from tests.integration.ipc_clients import Components, Events, eventually
from tests.integration.ipc_runtime import Runtime

A, B, C = "com.example.A", "com.example.B", "com.example.C"
SOON, SOME, LONG = 0.3, 5.0, 60.0


@pytest.fixture(scope="module")
def shared_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(tmp_path_factory.mktemp("root"), ("configd", "consentd", "ipcd")) as runtime:
        yield runtime


@pytest.fixture
def runtime(shared_runtime: Runtime) -> Iterator[Runtime]:
    """The daemons are shared; a test leaves no subscriber behind."""
    yield shared_runtime
    gone: dict[str, list[str]] = {"updates": [], "validation": []}
    eventually(lambda: shared_runtime.call("gg_consent", "subscribers") == gone)


@pytest.fixture
def components(runtime: Runtime) -> Iterator[Components]:
    with Components(runtime) as components:
        yield components


@pytest.fixture
def deployments(runtime: Runtime) -> Iterator[Client]:
    """What deployments ask through."""
    with runtime.bus("gg_consent") as client:
        yield client


class Member:
    """A component that wants to be asked."""

    def __init__(self, runtime: Runtime, components: Components, name: str) -> None:
        self.client: GreengrassCoreIPCClientV2 = components.connect(runtime.install(name))
        self.updates = Events()
        self.validation = Events()

    def watch_updates(self) -> Member:
        self.client.subscribe_to_component_updates(**self.updates.handlers())
        return self

    def watch_validation(self) -> Member:
        self.client.subscribe_to_validate_configuration_updates(**self.validation.handlers())
        return self

    def defer(self, deployment_id: str | None, recheck_after_ms: int | None, message: str | None = None) -> None:
        self.client.defer_component_update(
            deployment_id=deployment_id, recheck_after_ms=recheck_after_ms, message=message
        )

    def report(self, deployment_id: str | None, status: str | None, message: str | None = None) -> None:
        report = ConfigurationValidityReport(status=status, deployment_id=deployment_id, message=message)
        self.client.send_configuration_validity_report(configuration_validity_report=report)


def pre_update(deployments: Client, deployment_id: str, timeout: float, restarting: bool = False) -> Any:
    params = {"deployment_id": deployment_id, "is_ggc_restarting": restarting, "timeout": timeout}
    return deployments.subscribe("pre_update", params)


def validate(deployments: Client, deployment_id: str, timeout: float, **configurations: Any) -> Any:
    names = {A if name == "a" else B if name == "b" else C: value for name, value in configurations.items()}
    params = {"deployment_id": deployment_id, "timeout": timeout, "configurations": names}
    return deployments.subscribe("validate", params)


def result(stream: Any) -> Any:
    """The one item of a round; after it the stream ends."""
    item = stream.next(60)
    with pytest.raises(StopIteration):
        stream.next(60)
    return item


# -- updates -----------------------------------------------------------------------------------------------------------


def test_nobody_is_asked_when_nobody_wants_to_be(deployments: Client) -> None:
    update = pre_update(deployments, "d", LONG)
    assert update.result == 0
    assert result(update) == {"recheck_after_ms": 0, "replies": {}, "silent": []}
    validation = validate(deployments, "d", LONG, a={"x": 1})
    assert validation.result == 0
    assert result(validation) == {"rejected": {}, "accepted": [], "silent": []}


def test_a_round_ends_when_all_have_answered(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A).watch_updates()
    b = Member(runtime, components, B).watch_updates()
    for name in "first", "again":  # the second round is what a deferral leads to
        update = pre_update(deployments, "d1", LONG, restarting=name == "again")
        assert update.result == 2
        for member in a, b:
            event = member.updates.next().pre_update_event
            assert (event.deployment_id, event.is_ggc_restarting) == ("d1", name == "again")
        a.defer("d1", 0)
        b.defer("d1", 1500 if name == "first" else 0, "busy")
        reply = {"recheck_after_ms": 1500 if name == "first" else 0, "message": "busy"}
        assert result(update) == {
            "recheck_after_ms": reply["recheck_after_ms"],
            "replies": {A: {"recheck_after_ms": 0, "message": ""}, B: reply},
            "silent": [],
        }
    deployments.call("post_update", {"deployment_id": "d1"})
    assert a.updates.next().post_update_event.deployment_id == "d1"
    assert b.updates.next().post_update_event.deployment_id == "d1"


def test_silence_is_told_when_the_time_is_up_and_late_answers_are_refused(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A).watch_updates()
    b = Member(runtime, components, B).watch_updates()
    update = pre_update(deployments, "d", SOME)  # in which one of them answers
    b.defer("d", 7)
    a.defer("d", None)  # it says nothing, and may still answer
    assert result(update) == {
        "recheck_after_ms": 7,
        "replies": {B: {"recheck_after_ms": 7, "message": ""}},
        "silent": [A],
    }
    for late in a, b:
        with pytest.raises(ServiceError) as caught:
            late.defer("d", 0)
        assert caught.value.message == "Time limit to respond to PreComponentUpdateEvent exceeded"


def test_an_answer_without_a_time_does_not_use_up_the_turn(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A).watch_updates()
    update = pre_update(deployments, "d", LONG)
    a.updates.next()
    a.defer("d", None)
    a.defer("d", 5)
    assert result(update)["recheck_after_ms"] == 5


def test_every_stream_of_a_component_is_told_and_it_answers_once(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A).watch_updates().watch_updates()
    update = pre_update(deployments, "d", LONG)
    assert update.result == 1
    assert [a.updates.next().pre_update_event.deployment_id for _ in range(2)] == ["d", "d"]
    a.defer("d", 0)
    assert list(result(update)["replies"]) == [A]


def test_who_may_not_answer_about_an_update(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A)
    with pytest.raises(InvalidArgumentsError) as caught:
        a.defer("d", 0)
    assert caught.value.message == "Component is not subscribed to component update events"
    a.watch_updates()
    with pytest.raises(InvalidArgumentsError):
        a.defer(None, 0)
    update = pre_update(deployments, "d", LONG)
    with pytest.raises(ServiceError) as late:
        a.defer("another", 0)
    assert late.value.message == "Time limit to respond to PreComponentUpdateEvent exceeded"
    late_comer = Member(runtime, components, B).watch_updates()  # after the round began: it is not asked
    with pytest.raises(ServiceError):
        late_comer.defer("d", 0)
    a.defer("d", 0)
    assert list(result(update)["replies"]) == [A]


def test_a_component_that_is_not_deployed_cannot_subscribe(runtime: Runtime, components: Components) -> None:
    stranger = components.connect(runtime.token("com.example.Removed"))
    with pytest.raises(ResourceNotFoundError) as caught:
        stranger.subscribe_to_component_updates(**Events().handlers())
    assert (caught.value.resource_type, caught.value.resource_name) == ("Component", "com.example.Removed")


def test_a_round_that_its_deployment_gives_up_is_gone(runtime: Runtime, components: Components) -> None:
    a = Member(runtime, components, A).watch_updates()
    with runtime.bus("gg_consent") as deployment:
        pre_update(deployment, "d", LONG)
        a.updates.next()

    def refused() -> bool:
        try:
            a.defer("d", None)
        except ServiceError:
            return True
        return False

    eventually(refused)


def test_a_new_round_of_a_deployment_replaces_the_old_one(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A).watch_updates()
    old, new = pre_update(deployments, "d", LONG), pre_update(deployments, "d", LONG)
    with pytest.raises(BusError, match="another round"):
        old.next(60)
    a.defer("d", 0)
    assert list(result(new)["replies"]) == [A]


def test_a_component_that_closed_its_stream_is_not_asked(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A)
    _response, operation = a.client.subscribe_to_component_updates(**a.updates.handlers())
    operation.close()
    eventually(lambda: pre_update(deployments, "d", LONG).result == 0)


# -- configurations ----------------------------------------------------------------------------------------------------


def test_a_new_configuration_is_accepted(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A).watch_validation()
    Member(runtime, components, B).watch_validation()
    proposed = {"x": {"y": [1, 2.5, None, "ü"]}, "accessControl": {}}
    validation = validate(deployments, "d", LONG, a=proposed, c={})
    assert validation.result == 1
    event = a.validation.next().validate_configuration_update_event
    assert (event.configuration, event.deployment_id) == (proposed, "d")
    a.report("d", ConfigurationValidityStatus.ACCEPTED)
    assert result(validation) == {"rejected": {}, "accepted": [A], "silent": []}
    with pytest.raises(InvalidArgumentsError) as caught:
        a.report("d", ConfigurationValidityStatus.ACCEPTED)
    assert caught.value.message == "Validation request either timed out or was never made"


def test_the_first_rejection_decides(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A).watch_validation()
    b = Member(runtime, components, B).watch_validation()
    validation = validate(deployments, "d", LONG, a={}, b={})
    assert validation.result == 2
    b.report("d", ConfigurationValidityStatus.REJECTED, "no such port")
    assert result(validation) == {"rejected": {B: "no such port"}, "accepted": [], "silent": [A]}
    with pytest.raises(InvalidArgumentsError):
        a.report("d", ConfigurationValidityStatus.ACCEPTED)


def test_a_validation_that_nobody_answers_ends(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A).watch_validation()
    assert result(validate(deployments, "d", SOON, a={})) == {"rejected": {}, "accepted": [], "silent": [A]}
    with pytest.raises(InvalidArgumentsError):
        a.report("d", ConfigurationValidityStatus.ACCEPTED)


def test_reports_that_say_too_little(runtime: Runtime, components: Components, deployments: Client) -> None:
    a = Member(runtime, components, A).watch_validation()
    validation = validate(deployments, "d", LONG, a={})
    with pytest.raises(InvalidArgumentsError):
        a.report(None, ConfigurationValidityStatus.ACCEPTED)
    for status in None, "PERHAPS":
        with pytest.raises(InvalidArgumentsError):
            a.report("d", status)
    with pytest.raises(InvalidArgumentsError):
        a.client.send_configuration_validity_report(configuration_validity_report=None)
    a.report("d", ConfigurationValidityStatus.ACCEPTED)
    assert result(validation)["accepted"] == [A]


def test_only_the_first_stream_of_a_component_is_asked_to_validate(
    runtime: Runtime, components: Components, deployments: Client
) -> None:
    a = Member(runtime, components, A)
    _response, first = a.client.subscribe_to_validate_configuration_updates(**a.validation.handlers())
    second = Events()
    a.client.subscribe_to_validate_configuration_updates(**second.handlers())
    validate(deployments, "d1", LONG, a={})
    assert a.validation.next().validate_configuration_update_event.deployment_id == "d1"
    assert second.queue.empty()
    first.close().result(60)

    def second_is_asked() -> bool:
        validate(deployments, "d2", LONG, a={})
        return not second.queue.empty()

    eventually(second_is_asked)


# -- interruptions -----------------------------------------------------------------------------------------------------


def test_after_a_crash_nobody_is_passed_over(tmp_path: Path) -> None:
    with Runtime(tmp_path, ("configd", "consentd", "ipcd")) as runtime, Components(runtime) as components:
        members = [Member(runtime, components, f"com.example.M{number}") for number in range(5)]
        for member in members:
            member.watch_updates().watch_validation()
        with runtime.bus("gg_consent") as deployments:
            interrupted = pre_update(deployments, "d", LONG)
            assert [member.updates.next().pre_update_event.deployment_id for member in members] == ["d"] * 5
            runtime.kill("consentd")
            with pytest.raises(BusError, match="NOCONN"):
                interrupted.next(60)
        # It waits in the daemon's socket before the components' subscriptions do, or behind them.
        with runtime.bus("gg_consent") as deployments:
            runtime.start("consentd")
            update = pre_update(deployments, "d", LONG)
            assert update.result == 5
            for member in members:
                assert member.updates.next().pre_update_event.deployment_id == "d"
                member.defer("d", 0)
            assert len(result(update)["replies"]) == 5
            assert len(deployments.call("subscribers")["validation"]) == 5
        assert not any(member.updates.errors for member in members)
