"""Components that look at other components, stop, restart, pause and resume them, with the official SDK."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2
from awsiot.greengrasscoreipc.model import (
    InvalidArgumentsError,
    LifecycleState,
    RequestStatus,
    ResourceNotFoundError,
    UnauthorizedError,
)

from ggl.host.unit import Command, Start, Unit, main_unit
from ggl.version import NUCLEUS, NUCLEUS_ALIAS, NUCLEUS_VERSION
from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.ipc_clients import Components

OPERATOR, METER, BASE = "com.example.Operator", "com.example.Meter", "com.example.Base"
POLICIES = {
    "aws.greengrass.Cli": {"p": {"operations": ["*"], "resources": ["*"]}},
    "aws.greengrass.ipc.lifecycle": {"p": {"operations": ["*"], "resources": ["com.example.*", "Nobody", NUCLEUS]}},
}
TICKING = "while :; do echo tick; sleep 0.05; done"


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture
def operator(runtime: Runtime) -> Iterator[GreengrassCoreIPCClientV2]:
    configure(runtime, OPERATOR, {"accessControl": POLICIES})
    with Components(runtime) as components:
        yield components.connect(runtime.call("gg_ipc", "token", {"component": OPERATOR}))


@pytest.fixture
def meter(runtime: Runtime) -> Iterator[str]:
    """A component that prints all the time."""
    load(runtime, METER, TICKING)
    wait_for(runtime, METER, "RUNNING")
    yield METER
    runtime.call("gg_host", "unload", {"names": [main_unit(METER)]})


def configure(runtime: Runtime, name: str, configuration: dict[str, Any], **others: Any) -> None:
    service = {"configuration": configuration, **others}
    runtime.call("gg_config", "write", {"key_path": ["services", name], "value": service})


def load(runtime: Runtime, name: str, script: str, kind: str = "run") -> None:
    unit = Unit(
        main_unit(name), component=name, version="1.0.0", phase="main", start=(Start(kind, Command(script)),),
        restart_delay=0.1, revision="r1",
    )  # fmt: skip
    runtime.call("gg_host", "load", {"units": [unit.to_dict()], "start": [unit.name]})


def health(runtime: Runtime, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = runtime.call("gg_health", "status", {"component": name})
    return answer


def wait_for(runtime: Runtime, name: str, state: str) -> dict[str, Any]:
    return wait_until(lambda: health(runtime, name), lambda answer: answer["state"] == state)


def ticks_twice(runtime: Runtime) -> tuple[int, int]:
    """With time for some more in between."""
    before = ticks(runtime)
    time.sleep(0.3)
    return before, ticks(runtime)


def ticks(runtime: Runtime) -> int:
    return runtime.whole_log(METER).count("tick")


# -- looking -----------------------------------------------------------------------------------------------------------


def test_the_details_of_a_component(runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str) -> None:
    configuration = {"seconds": 1, "deep": {"_private": 1, "er": [1]}, "accessControl": POLICIES}
    configure(runtime, meter, {**configuration, "_own": {"x": 1}})
    details = operator.get_component_details(component_name=meter).component_details
    assert (details.component_name, details.version, details.state) == (meter, "1.0.0", LifecycleState.RUNNING)
    assert details.configuration == {"seconds": 1, "deep": {"er": [1]}, "accessControl": POLICIES}


def test_components_are_listed_dependencies_first(
    runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str
) -> None:
    load(runtime, "A", "true")
    load(runtime, BASE, "false")
    configure(runtime, "A", {"x": {}}, dependencies=[f"{METER}:HARD", f"{NUCLEUS_ALIAS}:SOFT"])
    configure(runtime, METER, {}, dependencies=[f"{BASE}:SOFT"])
    wait_for(runtime, BASE, "BROKEN")
    wait_for(runtime, "A", "FINISHED")
    components = {each.component_name: each for each in operator.list_components().components or []}
    assert list(components) == [NUCLEUS, BASE, METER, "A"]
    assert [each.state for each in components.values()] == ["RUNNING", "BROKEN", "RUNNING", "FINISHED"]
    assert [each.version for each in components.values()] == [NUCLEUS_VERSION, "1.0.0", "1.0.0", "1.0.0"]
    assert components["A"].configuration == {"x": {}}
    runtime.call("gg_host", "unload", {"names": [main_unit("A"), main_unit(BASE)]})


@pytest.mark.parametrize("name", [NUCLEUS, NUCLEUS_ALIAS])
def test_the_nucleus_is_found_under_both_names(operator: GreengrassCoreIPCClientV2, name: str) -> None:
    details = operator.get_component_details(component_name=name).component_details
    assert (details.component_name, details.version) == (name, NUCLEUS_VERSION)


def test_a_component_without_a_name_or_unknown(operator: GreengrassCoreIPCClientV2) -> None:
    for call in operator.get_component_details, operator.stop_component, operator.restart_component:
        with pytest.raises(InvalidArgumentsError) as invalid:
            call(component_name="")
        assert invalid.value.message == "Component name cannot be empty"
    for call in operator.pause_component, operator.resume_component:
        with pytest.raises(InvalidArgumentsError) as invalid:
            call(component_name="")
        assert invalid.value.message == "Component name is required."
    for call in (
        operator.get_component_details, operator.stop_component, operator.restart_component,
        operator.pause_component, operator.resume_component,
    ):  # fmt: skip
        with pytest.raises(ResourceNotFoundError) as unknown:
            call(component_name="Nobody")
        assert unknown.value.message == "Component with name Nobody not found in Greengrass"
        assert (unknown.value.resource_type, unknown.value.resource_name) == ("Component", "Nobody")


def test_who_is_not_allowed(runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str) -> None:
    configure(
        runtime, BASE, {"accessControl": {"aws.greengrass.Cli": {"p": {"operations": ["*"], "resources": [BASE]}}}}
    )
    with Components(runtime) as components:
        base = components.connect(runtime.call("gg_ipc", "token", {"component": BASE}))
        with pytest.raises(UnauthorizedError):
            base.list_components()
        for call in (
            base.get_component_details, base.stop_component, base.restart_component,
            base.pause_component, base.resume_component,
        ):  # fmt: skip
            with pytest.raises(UnauthorizedError):
                call(component_name=meter)
        with pytest.raises(ResourceNotFoundError):
            base.get_component_details(component_name=BASE)  # allowed, but it is not there
    with pytest.raises(UnauthorizedError):
        operator.pause_component(component_name="other.Component")


# -- acting ------------------------------------------------------------------------------------------------------------


def test_a_component_is_stopped_and_restarted(
    runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str
) -> None:
    assert operator.stop_component(component_name=meter).stop_status == RequestStatus.SUCCEEDED
    wait_for(runtime, meter, "FINISHED")
    assert operator.stop_component(component_name=meter).stop_status == RequestStatus.SUCCEEDED
    assert operator.restart_component(component_name=meter).restart_status == RequestStatus.SUCCEEDED
    pid = wait_for(runtime, meter, "RUNNING")["pid"]
    operator.restart_component(component_name=meter)
    wait_until(lambda: health(runtime, meter), lambda now: now["state"] == "RUNNING" and now["pid"] not in (0, pid))


def test_a_broken_component_is_restarted(runtime: Runtime, operator: GreengrassCoreIPCClientV2) -> None:
    load(runtime, BASE, f"test -e {runtime.root.state}/good && exec sleep 1000")
    wait_for(runtime, BASE, "BROKEN")
    (runtime.root.state / "good").touch()
    assert operator.restart_component(component_name=BASE).restart_status == RequestStatus.SUCCEEDED
    wait_for(runtime, BASE, "RUNNING")
    runtime.call("gg_host", "unload", {"names": [main_unit(BASE)]})


def test_the_nucleus_refuses_to_go(operator: GreengrassCoreIPCClientV2) -> None:
    assert operator.stop_component(component_name=NUCLEUS).stop_status == RequestStatus.FAILED
    assert operator.restart_component(component_name=NUCLEUS).restart_status == RequestStatus.FAILED
    for call in operator.pause_component, operator.resume_component:
        with pytest.raises(InvalidArgumentsError):
            call(component_name=NUCLEUS)


def test_a_component_is_paused_and_resumed(runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        operator.resume_component(component_name=meter)
    assert caught.value.message == f"Component {meter} is not paused"
    for _ in range(2):  # pausing what is paused has no effect
        operator.pause_component(component_name=meter)
        assert runtime.unit(main_unit(meter))["paused"]
        assert health(runtime, meter)["state"] == "RUNNING"
    before = wait_until(lambda: ticks_twice(runtime), lambda counts: counts[0] == counts[1])[0]
    operator.resume_component(component_name=meter)
    wait_until(lambda: ticks(runtime), lambda count: count > before)
    assert not runtime.unit(main_unit(meter))["paused"]


def test_a_paused_component_can_be_stopped_but_not_paused_again(
    runtime: Runtime, operator: GreengrassCoreIPCClientV2, meter: str
) -> None:
    operator.pause_component(component_name=meter)
    operator.stop_component(component_name=meter)
    wait_for(runtime, meter, "FINISHED")
    with pytest.raises(InvalidArgumentsError) as caught:
        operator.pause_component(component_name=meter)
    assert caught.value.message == f"Component {meter} is not running"
    with pytest.raises(InvalidArgumentsError) as caught:
        operator.resume_component(component_name=meter)
    assert caught.value.message == f"Component {meter} is not paused"
