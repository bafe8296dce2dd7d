"""Asking components before an update, and canceling: what becomes of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import ServiceError

from ggl.bus import BusError, ErrorCode
from tests.integration.conftest import wait_until
from tests.integration.device import SLEEP, Device
from tests.integration.held import HELD, let_go
from tests.integration.ipc_clients import Components, Events

NOTIFY = {"componentUpdatePolicy": {"action": "NOTIFY_COMPONENTS", "timeout": 600}}
MINUTE = 60_000


class Subscriber:
    """A component that wants to be asked. What it does over IPC happens here."""

    def __init__(self, device: Device, components: Components, name: str) -> None:
        self.client: GreengrassCoreIPCClientV2 = components.connect(
            device.runtime.call("gg_ipc", "token", {"component": name})
        )
        self.updates = Events()
        self.validation = Events()

    def watch_updates(self) -> Subscriber:
        self.client.subscribe_to_component_updates(**self.updates.handlers())
        return self

    def watch_validation(self) -> Subscriber:
        self.client.subscribe_to_validate_configuration_updates(**self.validation.handlers())
        return self

    def asked(self) -> Any:
        return self.updates.next().pre_update_event

    def told(self) -> Any:
        return self.updates.next().post_update_event

    def defer(self, deployment_id: str, milliseconds: int, message: str | None = None) -> None:
        self.client.defer_component_update(deployment_id=deployment_id, recheck_after_ms=milliseconds, message=message)


@pytest.fixture
def components(device: Device) -> Iterator[Components]:
    with Components(device.runtime) as components:
        yield components


@pytest.fixture
def a(device: Device, components: Components) -> Subscriber:
    """One of two components that run."""
    for name in ("A", "B"):
        device.recipe(name, SLEEP, defaults="{v: 1}")
    device.succeed({"A": "1.0.0", "B": "1.0.0"})
    return Subscriber(device, components, "A")


@pytest.fixture
def b(device: Device, a: Subscriber, components: Components) -> Subscriber:
    return Subscriber(device, components, "B")


def change(device: Device, value: int = 2, **policies: Any) -> str:
    """Deploy another configuration of B."""
    update = {"version": "1.0.0", "configurationUpdate": {"merge": {"v": value}}}
    return device.submit_document({"A": "1.0.0", "B": update}, str(uuid4()), **policies)


def has_changed(device: Device) -> bool:
    return bool(device.config("B", "configuration") != {"v": 1})


# -- asking ------------------------------------------------------------------------------------------------------------


def test_everybody_is_asked_and_the_longest_deferral_counts(device: Device, a: Subscriber, b: Subscriber) -> None:
    a.watch_updates()
    b.watch_updates()
    identifier = change(device, **NOTIFY)
    assert (a.asked().deployment_id, b.asked().deployment_id) == (identifier, identifier)
    a.defer(identifier, 20, "short")
    b.defer(identifier, MINUTE, "at work")
    seen = wait_until(lambda: device.get(identifier), lambda seen: "put off" in seen["message"])
    assert (seen["step"], seen["message"]) == ("notify", "put off by A, B for 60 s")
    assert not has_changed(device)
    assert a.updates.queue.empty()
    assert device.cancel(identifier)["canceled"]
    assert device.outcome(identifier)["status"] == "CANCELED"


def test_without_an_answer_it_goes_on(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    identifier = change(device, componentUpdatePolicy={"action": "NOTIFY_COMPONENTS", "timeout": 0.2})
    assert device.outcome(identifier)["status"] == "SUCCEEDED"
    assert (a.asked().deployment_id, a.told().deployment_id) == (identifier, identifier)
    with pytest.raises(ServiceError):
        a.defer(identifier, MINUTE)


def test_nobody_is_asked_nor_told_when_the_policy_says_so(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    assert device.outcome(change(device))["status"] == "SUCCEEDED"
    # local deployments do not ask either
    device.succeed(component_to_configuration={"B": {"MERGE": {"v": 3}}})
    identifier = change(device, 4, **NOTIFY)
    assert a.asked().deployment_id == identifier  # the first it ever heard
    a.defer(identifier, 0)
    assert device.outcome(identifier)["status"] == "SUCCEEDED"


def test_waits_have_an_end(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    for policy in (
        {"componentUpdatePolicy": {"timeout": float("inf")}},
        {"configurationValidationPolicy": {"timeout": float("nan")}},
        {"waitTimeout": float("inf")},
        {"waitTimeout": 0.0},
    ):
        with pytest.raises(BusError) as caught:
            change(device, **policy)
        assert caught.value.code == ErrorCode.INVALID
    assert a.updates.queue.empty()


def test_a_restart_of_the_runtime_is_announced(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    device.recipe("C", "{bootstrap: 'exit 0', run: 'exec sleep 1000'}")
    identifier = device.submit_document({"A": "1.0.0", "B": "1.0.0", "C": "1.0.0"}, str(uuid4()), **NOTIFY)
    assert a.asked().is_ggc_restarting is True
    a.defer(identifier, 0)
    assert device.outcome(identifier)["status"] == "SUCCEEDED"


def test_a_failed_deployment_is_told_as_well(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    device.recipe("B", "{startup: 'exit 1'}", "2.0.0")
    identifier = device.submit_document({"A": "1.0.0", "B": "2.0.0"}, str(uuid4()), **NOTIFY)
    assert a.asked().deployment_id == identifier
    a.defer(identifier, 0)
    assert device.outcome(identifier)["detailed_status"] == "FAILED_ROLLBACK_COMPLETE"
    assert a.told().deployment_id == identifier


def test_an_update_is_not_put_off_for_ever(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    identifier = change(device, **NOTIFY)
    a.asked()
    a.defer(identifier, 25 * 60 * MINUTE, "not this year")
    outcome = device.outcome(identifier)
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE")
    assert "A would put the update off until more than 24 hours have passed" in outcome["cause"]
    assert a.told().deployment_id == identifier


def test_after_a_crash_components_are_asked_again(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    identifier = change(device, **NOTIFY)
    a.asked()
    a.defer(identifier, MINUTE)
    wait_until(lambda: device.get(identifier), lambda seen: "put off" in seen["message"])
    device.runtime.kill(device.runtime.pid_of("deploymentd"))
    assert a.asked().deployment_id == identifier
    assert not has_changed(device)
    a.defer(identifier, 0)
    assert device.outcome_after_all(identifier)["status"] == "SUCCEEDED"


# -- validation --------------------------------------------------------------------------------------------------------


def test_a_configuration_that_nobody_accepts_in_time_is_refused(device: Device, b: Subscriber) -> None:
    b.watch_validation()
    outcome = device.outcome(change(device, configurationValidationPolicy={"timeout": 0.2}))
    assert (outcome["status"], outcome["detailed_status"]) == ("FAILED", "FAILED_NO_STATE_CHANGE")
    assert outcome["error_stack"][-1] == "COMPONENT_CONFIGURATION_NOT_VALID"
    assert "B has not answered within 0.2 s" in outcome["cause"]
    assert not has_changed(device)


def test_only_who_keeps_its_version_and_gets_another_configuration_is_asked(
    device: Device, a: Subscriber, b: Subscriber
) -> None:
    a.watch_validation()  # its configuration does not change
    b.watch_validation()  # its version does
    device.recipe("B", SLEEP, "2.0.0", defaults="{v: 2}")
    identifier = device.submit_document({"A": "1.0.0", "B": "2.0.0"}, str(uuid4()))
    assert device.outcome(identifier)["status"] == "SUCCEEDED"
    assert (a.validation.queue.empty(), b.validation.queue.empty()) == (True, True)
    assert device.config("B", "configuration") == {"v": 2}


# -- canceling ---------------------------------------------------------------------------------------------------------


def test_one_that_is_canceled_while_it_asks_changes_nothing(device: Device, a: Subscriber, b: Subscriber) -> None:
    a.watch_updates()
    identifier = change(device, **NOTIFY)
    a.asked()
    answer = device.cancel(identifier)
    assert (answer["canceled"], answer["message"]) == (True, "it will be canceled")
    outcome = device.outcome(identifier)
    assert (outcome["status"], outcome["detailed_status"], outcome["error_stack"]) == ("CANCELED", "", [])
    assert a.told().deployment_id == identifier
    with pytest.raises(ServiceError):
        a.defer(identifier, 0)
    b.watch_validation()
    identifier = change(device)
    b.validation.next()
    assert device.cancel(identifier)["canceled"]
    assert device.outcome(identifier)["status"] == "CANCELED"
    assert not has_changed(device)
    assert device.generation() == 1
    wait_until(device.staged, lambda staged: not staged)


def test_a_promise_to_cancel_outlives_a_crash(device: Device, a: Subscriber) -> None:
    a.watch_updates()
    for _ in range(3):
        identifier = change(device, **NOTIFY)
        a.asked()
        with device.runtime.client("gg_deployment") as visitor:  # it stays for as long as somebody is connected
            visitor.call("bus.ping")
            pid = device.runtime.pid_of("deploymentd")
            assert device.cancel(identifier)["canceled"]
            device.runtime.kill(pid)
        assert device.outcome_after_all(identifier)["status"] == "CANCELED"
        while not a.updates.queue.empty():
            a.updates.next()
    assert not has_changed(device)


@pytest.mark.parametrize(
    ("step", "lifecycle"),
    [
        ("stop", SLEEP),
        ("bootstrap", f"{{bootstrap: '{HELD}', run: 'exec sleep 1000'}}"),
        ("wait", f"{{startup: '{HELD}'}}"),
        ("remove", SLEEP),
    ],
)
def test_what_has_begun_to_change_the_device_is_not_canceled(device: Device, step: str, lifecycle: str) -> None:
    shutdown, uninstall = (HELD if step == held else "true" for held in ("stop", "remove"))
    device.recipe("App", f"{{run: 'exec sleep 1000', shutdown: '{shutdown}'}}")
    device.recipe("Goes", f"{{run: 'exec sleep 1000', uninstall: '{uninstall}'}}")
    device.succeed({"App": "1.0.0", "Goes": "1.0.0"})
    device.recipe("App", lifecycle, "2.0.0")
    identifier = device.submit({"App": "2.0.0"}, ("Goes",))
    device.reaches(identifier, step)
    answer = device.cancel(identifier)
    assert (answer["canceled"], answer["status"]) == (False, "IN_PROGRESS")
    assert answer["message"] == f"it is changing the device ({step}) and cannot be canceled any more"
    let_go(device)
    assert device.outcome(identifier)["status"] == "SUCCEEDED"
    assert device.cancel(identifier)["message"] == "it is over already: SUCCEEDED"


def test_one_that_waits_is_canceled_at_once_and_leaves_nothing(device: Device) -> None:
    device.recipe("Slow", f"{{startup: '{HELD}'}}")
    running = device.submit({"Slow": "1.0.0"})
    device.reaches(running, "wait")
    waiting = device.submit({"Slow": "1.0.0"})
    assert len(device.staged()) == 2
    answer = device.cancel(waiting)
    assert answer == {"canceled": True, "status": "CANCELED", "message": "it is canceled"}
    assert len(device.staged()) == 1
    assert device.get(waiting)["message"] == "canceled before it began"
    let_go(device)
    assert device.outcome(running)["status"] == "SUCCEEDED"
    assert device.get(waiting)["status"] == "CANCELED"
    with pytest.raises(BusError) as caught:
        device.cancel("unknown")
    assert caught.value.code == ErrorCode.NOENTRY


# -- the same id -------------------------------------------------------------------------------------------------------


def test_an_id_is_deployed_again_at_once_with_other_content(device: Device) -> None:
    """What is cleared up after the first is not what was staged for the second."""
    for number in range(10):
        device.recipe("App", f"{{run: 'exec sleep 1000 # {number}'}}")
        identifier = device.submit_document({"App": "1.0.0"}, "always-the-same")
        assert device.outcome(identifier)["status"] == "SUCCEEDED"
        assert device.config("App", "lifecycle", "run") == f"exec sleep 1000 # {number}"


def test_ids_from_outside_are_only_names(device: Device) -> None:
    device.recipe("Slow", f"{{startup: '{HELD}'}}")
    device.recipe("App", SLEEP)
    running = device.submit({"Slow": "1.0.0"})
    identifiers = [".", "..", "../../up", "a/b", "a+b", "a:b", "a.b", "x" * 1000, "nul\0", "ü"]
    for identifier in identifiers:
        assert device.submit_document({"App": "1.0.0", "Slow": "1.0.0"}, identifier) == identifier
    assert len(device.staged()) == 1 + len(identifiers)
    with pytest.raises(BusError) as caught:
        device.submit_document({"App": "1.0.0"}, "")
    assert caught.value.code == ErrorCode.INVALID
    let_go(device)
    for identifier in (running, *identifiers):
        assert device.outcome(identifier)["status"] == "SUCCEEDED", identifier
    wait_until(device.staged, lambda staged: not staged)
