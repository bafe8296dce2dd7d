"""What is told of each component."""

from __future__ import annotations

from typing import Any

import pytest

from ggl.fleetstatusd.components import Origins, entries, is_settled, origins, removed_entry

FLEET = "arn:aws:greengrass:us-east-1:123456789012:configuration:thinggroup/fleet:3"
THING = "arn:aws:greengrass:us-east-1:123456789012:configuration:thing/Thing1:8"


def root(arn: str) -> dict[str, str]:
    return {"version": "1.0.0", "groupConfigArn": arn, "groupConfigName": "x"}


def health(state: str, code: str = "NONE", reason: str = "") -> dict[str, Any]:
    return {"component": "App", "version": "1.0.0", "state": state, "status_code": code, "reason": reason}


def test_a_component_comes_from_every_deployment_whose_roots_lead_to_it() -> None:
    groups = {
        "thinggroup/fleet": {"App": root(FLEET)},
        "thing/Thing1": {"Other": root(THING)},
        "LOCAL_DEPLOYMENT": {"Mine": root("3f0a")},
    }
    found = origins(groups, {"App": ["Library"], "Other": ["Library"], "Library": ["Base", "App"], "Mine": []})
    assert found.roots == {"App", "Other", "Mine"}
    assert found.arns == {
        "App": (THING, FLEET),
        "Other": (THING,),
        "Library": (THING, FLEET),
        "Base": (THING, FLEET),
        "Mine": (),
    }


@pytest.mark.parametrize("groups", [None, "x", {"group": 1}, {"group": {"App": 1}}, {"group": {"App": {"x": 1}}}])
def test_whatever_else_is_stored_there_brings_nothing(groups: Any) -> None:
    assert not any(origins(groups, {}).arns.values())


def test_an_entry_has_the_keys_of_greengrass() -> None:
    where_from = Origins(frozenset({"App"}), {"App": (FLEET,)})
    assert entries([health("RUNNING")], where_from) == {
        "App": {
            "componentName": "App",
            "version": "1.0.0",
            "fleetConfigArns": [FLEET],
            "isRoot": True,
            "status": "RUNNING",
        }
    }


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("INSTALL_ERROR", "INSTALL_ERROR"),
        ("STARTUP_TIMEOUT", "STARTUP_TIMEOUT"),
        ("RUN_IO_ERROR", "RUN_IO_ERROR"),
        ("SHUTDOWN_IO_ERROR", "SHUTDOWN_ERROR"),
        ("RECOVER_TIMEOUT", "RUN_ERROR"),
    ],
)
def test_an_error_has_a_code_that_the_cloud_knows(code: str, told: str) -> None:
    (entry,) = entries([health("BROKEN", code, "x" * 5000)], Origins()).values()
    assert entry["componentStatusDetails"] == {"statusCodes": [told], "statusReason": "x" * 1024}
    assert entry["isRoot"] is False


def test_only_states_that_last_are_settled() -> None:
    def settled(*states: str) -> bool:
        return is_settled({state: {"status": state} for state in states})

    assert settled("RUNNING", "FINISHED", "BROKEN")
    assert not settled("RUNNING", "ERRORED")
    assert not settled("STARTING")


def test_a_removed_component_is_told_in_the_form_in_which_the_cloud_forgets_it() -> None:
    gone = {"componentName": "App", "version": "", "fleetConfigArns": [], "isRoot": True, "status": "UNINSTALLED"}
    assert removed_entry("App") == gone
