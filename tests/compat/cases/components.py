"""Components: looking at them, stopping, restarting, pausing them, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.compat.actions.asking import call
from tests.compat.actions.world import becomes, bus, i_run, paused, running_component
from tests.compat.case import STRANGER, UNKNOWN, Answer, Case, Having, Match, Refusal

LIST, DETAILS = "ListComponents", "GetComponentDetails"
STOP, RESTART, PAUSE, RESUME = "StopComponent", "RestartComponent", "PauseComponent", "ResumeComponent"
UPDATE = "UpdateState"
NUCLEUS = "aws.greengrass.Nucleus"

TARGET: Mapping[str, Any] = {"componentName": "{target}"}
UNAUTHORIZED = Refusal("UnauthorizedError", "Principal {me} is not authorized to perform .+")
TWISTED = Refusal("ServiceError", "Received invalid parameters.*")


def no_such(operation: str) -> tuple[Case, ...]:
    """What every operation with a component's name refuses."""
    missing = "Component name is required." if operation in (PAUSE, RESUME) else "Component name cannot be empty"
    name = "com.example.Nobody"
    return (
        Case(operation, "not allowed", {"componentName": name}, UNAUTHORIZED, caller=STRANGER),
        Case(operation, "an unknown component", {"componentName": name},
             Refusal("ResourceNotFoundError", f"Component with name {name} not found in Greengrass",
                     {"resourceType": "Component", "resourceName": name})),
        Case(operation, "an empty name", {"componentName": ""}, Refusal("InvalidArgumentsError", missing)),
        Case(operation, "without a name", {}, Refusal("InvalidArgumentsError", missing), unchecked=True),
        Case(operation, "a name that is no text", {"componentName": 5}, TWISTED, unchecked=True),
    )  # fmt: skip


LOOKING = (
    Case(LIST, "all of them", {}, Answer({"components": Having(elements=(
        {"componentName": "{target}", "version": "1.0.0", "state": "RUNNING", "configuration": {"x": 1}},
        Having({"componentName": Match(r"aws\.greengrass\.Nucleus.*"), "version": Match(".+"), "state": "RUNNING"}),
    ))}), (running_component(),)),
    Case(LIST, "not allowed", {}, UNAUTHORIZED, caller=STRANGER),
    Case(DETAILS, "of a component", TARGET, Answer({"componentDetails": {
        "componentName": "{target}", "version": "1.0.0", "state": "RUNNING", "configuration": {"x": 1},
    }}), (running_component(),)),
    Case(DETAILS, "of the nucleus", {"componentName": NUCLEUS}, Answer({"componentDetails": Having({
        "componentName": NUCLEUS, "version": Match(r"\d+\.\d+\.\d+"), "state": "RUNNING",
    })})),
    *no_such(DETAILS),
    Case(DETAILS, "a long name of an unknown one", {"componentName": "x" * 4000}, Refusal("ResourceNotFoundError")),
    Case(DETAILS, "a long name, not allowed", {"componentName": "ü" * 4000}, Refusal("UnauthorizedError"),
         caller=STRANGER, then=(call(DETAILS, {"componentName": ""}, Refusal("InvalidArgumentsError")),)),
)  # fmt: skip

ACTING = (
    Case(STOP, "a running component", TARGET, Answer({"stopStatus": "SUCCEEDED"}), (running_component(),),
         then=(becomes("{target}", "FINISHED"),)),
    Case(STOP, "the nucleus", {"componentName": NUCLEUS}, Answer({"stopStatus": "FAILED", "message": Match(".+")})),
    *no_such(STOP),
    Case(RESTART, "a running component", TARGET, Answer({"restartStatus": "SUCCEEDED"}), (running_component(),),
         then=(becomes("{target}", "RUNNING"),)),
    Case(RESTART, "one that was stopped", TARGET, Answer({"restartStatus": "SUCCEEDED"}),
         (running_component(), call(STOP, TARGET, Answer({"stopStatus": "SUCCEEDED"})),
          becomes("{target}", "FINISHED")),
         then=(becomes("{target}", "RUNNING"),)),
    Case(RESTART, "the nucleus", {"componentName": NUCLEUS},
         Answer({"restartStatus": "FAILED", "message": Match(".+")})),
    *no_such(RESTART),
    Case(PAUSE, "a running component", TARGET, Answer(), (running_component(),),
         then=(paused("{target}", True), becomes("{target}", "RUNNING"),
               call(PAUSE, TARGET), call(RESUME, TARGET), paused("{target}", False))),
    Case(PAUSE, "one that does not run", TARGET, Refusal("InvalidArgumentsError", "Component {target} is not running"),
         (running_component(), bus("gg_host", "stop", names=["ggl.{target}"]), becomes("{target}", "FINISHED"))),
    Case(PAUSE, "the nucleus", {"componentName": NUCLEUS}, Refusal("InvalidArgumentsError")),
    *no_such(PAUSE),
    Case(RESUME, "a paused component", TARGET, Answer(), (running_component(), call(PAUSE, TARGET)),
         then=(paused("{target}", False),)),
    Case(RESUME, "one that is not paused", TARGET, Refusal("InvalidArgumentsError", "Component {target} is not paused"),
         (running_component(),)),
    Case(RESUME, "the nucleus", {"componentName": NUCLEUS}, Refusal("InvalidArgumentsError")),
    *no_such(RESUME),
)  # fmt: skip

REPORTING = (
    Case(UPDATE, "running, while it starts", {"state": "RUNNING"}, Answer(),
         (i_run("exec sleep 1000", "startup", "STARTING"),), then=(becomes("{me}", "RUNNING"),)),
    Case(UPDATE, "running, while it runs", {"state": "RUNNING"}, Answer(), (i_run(),),
         then=(becomes("{me}", "RUNNING"),)),
    Case(UPDATE, "an error", {"state": "ERRORED"}, Answer(),
         (i_run(), bus("gg_health", "status", "before", component="{me}")),
         then=(lambda scene: _restarted(scene),)),
    Case(UPDATE, "of what is not a component", {"state": "RUNNING"},
         Refusal("ResourceNotFoundError", ".+", {"resourceType": "Component", "resourceName": "{me}"}), caller=UNKNOWN),
    Case(UPDATE, "without a state", {}, Refusal("ServiceError"), (i_run(),), unchecked=True),
    Case(UPDATE, "a state nobody knows", {"state": "SLEEPY"}, Refusal("ServiceError"), (i_run(),)),
    Case(UPDATE, "a state that is no text", {"state": 5}, Refusal("ServiceError"), (i_run(),), unchecked=True),
)  # fmt: skip


def _restarted(scene: Any) -> None:
    from tests.integration.conftest import wait_until

    before = scene.values["before"]["pid"]
    wait_until(
        lambda: scene.bus("gg_health", "status", component=scene.names["me"]),
        lambda now: now["state"] == "RUNNING" and now["pid"] not in (0, before),
    )


CASES = (*LOOKING, *ACTING, *REPORTING)
