"""Local deployments, and what components are asked before a deployment changes them."""

from __future__ import annotations

from typing import Any

from tests.compat.actions.asking import call, gets, keep_answer, subscribe
from tests.compat.actions.deploying import (
    HELD,
    a_deployment,
    deployment_over,
    folders,
    let_go,
    round_of,
    round_result,
)
from tests.compat.actions.world import bus, stored
from tests.compat.case import JS, STRANGER, UNKNOWN, Answer, C, Case, Having, Match, Refusal, Step

CREATE, CANCEL = "CreateLocalDeployment", "CancelLocalDeployment"
STATUS, LIST = "GetLocalDeploymentStatus", "ListLocalDeployments"
WATCH, DEFER = "SubscribeToComponentUpdates", "DeferComponentUpdate"
VALIDATE, REPORT = "SubscribeToValidateConfigurationUpdates", "SendConfigurationValidityReport"

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
WHEN = Match(r"\d\d-\d\d-\d{4} \d\d:\d\d:\d\d UTC")
CREATED = Answer({"deploymentId": Match(UUID)})
NOBODY = "01234567-89ab-cdef-0123-456789abcdef"
DEPLOYED = "com.example.Deployed"

UNAUTHORIZED = Refusal("UnauthorizedError", "Principal {me} is not authorized to perform .+")
INVALID = Refusal("InvalidArgumentsError")
NO_UUID = Refusal("InvalidArgumentsError", "Invalid deploymentId format received. DeploymentId is a UUID")
UNKNOWN_ID = Refusal("ResourceNotFoundError", ".+", {"resourceType": "LocalDeployment", "resourceName": NOBODY})
NO_CONFIGURATION = Refusal("ServiceError", "Invalid componentToConfiguration value.*")

SUCCEEDED = (keep_answer("deploymentId", "deployment"), deployment_over("{deployment}", "SUCCEEDED"))


def twisted(member: str, value: Any, expect: Refusal = INVALID) -> Case:
    return Case(CREATE, f"a twisted {member}", {member: value}, expect, unchecked=True, clients=(C,))


REQUESTING = (
    Case(CREATE, "a component", {
        "recipeDirectoryPath": "{recipes}", "artifactsDirectoryPath": "{artifacts}",
        "rootComponentVersionsToAdd": {DEPLOYED: "1.0.0"},
        "componentToConfiguration": {DEPLOYED: {"MERGE": {"c": [1, None]}, "RESET": ["/b"]}},
        "componentToRunWithInfo": {DEPLOYED: {"systemResourceLimits": {"memory": 1 << 20, "cpus": 1.5}}},
        "failureHandlingPolicy": "ROLLBACK",
    }, CREATED, (folders(DEPLOYED),), then=(
        *SUCCEEDED,
        stored({"a": 1, "b": 1, "c": [1, None]}, component=DEPLOYED),
        call(STATUS, {"deploymentId": "{deployment}"}, Answer({"deployment": {
            "deploymentId": "{deployment}", "status": "SUCCEEDED", "createdOn": WHEN,
            "deploymentStatusDetails": {"detailedDeploymentStatus": "SUCCESSFUL"},
        }})),
        call(CREATE, {"rootComponentsToRemove": [DEPLOYED]}, CREATED),
        lambda scene: _gone(scene),
    )),
    Case(CREATE, "nothing", {}, CREATED, then=SUCCEEDED),
    Case(CREATE, "configuration as text", {"componentToConfiguration": {"com.example.None": '{"merge": {"a": 2}}'}},
         CREATED, clients=(C,)),
    Case(CREATE, "to be removed, by the C runtime's name", {"rootComponentVersionsToRemove": ["com.example.None"]},
         CREATED, then=SUCCEEDED, clients=(C,)),
    Case(CREATE, "not allowed", {}, UNAUTHORIZED, caller=STRANGER),
    Case(CREATE, "a colon in the group", {"groupName": "a:b"}, INVALID),
    Case(CREATE, "a policy nobody knows", {"failureHandlingPolicy": "PANIC"}, INVALID),
    Case(CREATE, "a name that is none", {"rootComponentVersionsToAdd": {"../up": "1.0.0"}}, INVALID),
    Case(CREATE, "no folder of recipes", {"recipeDirectoryPath": "{nowhere}"},
         Refusal("InvalidRecipeDirectoryPathError"), (folders(),)),
    Case(CREATE, "a relative folder of recipes", {"recipeDirectoryPath": "recipes"},
         Refusal("InvalidRecipeDirectoryPathError")),
    Case(CREATE, "no folder of artifacts", {"artifactsDirectoryPath": "{nowhere}"},
         Refusal("InvalidArtifactsDirectoryPathError"), (folders(),)),
    Case(CREATE, "the runtime's own artifacts", {"artifactsDirectoryPath": "{state}"},
         Refusal("InvalidArtifactsDirectoryPathError"),
         (lambda scene: scene.names.update(state=str(scene.runtime.root.state)),)),
    Case(CREATE, "a configuration that cannot be", {"componentToConfiguration": {DEPLOYED: {"MERGE": 1}}},
         NO_CONFIGURATION),
    twisted("rootComponentVersionsToAdd", ["a"]),
    twisted("rootComponentsToRemove", "a", Refusal("ServiceError")),
    twisted("groupName", 5, Refusal("ServiceError")),
    twisted("recipeDirectoryPath", 5, Refusal("InvalidRecipeDirectoryPathError")),
)  # fmt: skip

LOOKING = (
    Case(STATUS, "one that is over", {"deploymentId": "{deployment}"}, Answer({"deployment": {
        "deploymentId": "{deployment}", "status": "SUCCEEDED", "createdOn": WHEN,
        "deploymentStatusDetails": {"detailedDeploymentStatus": "SUCCESSFUL"},
    }}), (a_deployment(),)),
    Case(STATUS, "one that failed", {"deploymentId": "{deployment}"}, Answer({"deployment": {
        "deploymentId": "{deployment}", "status": "FAILED", "createdOn": WHEN,
        "deploymentStatusDetails": {
            "detailedDeploymentStatus": "FAILED_NO_STATE_CHANGE",
            "deploymentErrorStack": Having(elements=("DEPLOYMENT_FAILURE",)),
            "deploymentErrorTypes": Having(elements=(Match(".+"),)), "deploymentFailureCause": Match(".+"),
        },
    }}), (bus("gg_deployment", "create_local_deployment", "created",
              root_component_versions_to_add={"com.example.Nowhere": "1.0.0"}),
          lambda scene: scene.names.update(deployment=scene.values["created"]["deployment_id"]),
          deployment_over("{deployment}", "FAILED"),)),
    Case(STATUS, "an unknown one", {"deploymentId": NOBODY}, UNKNOWN_ID),
    Case(STATUS, "no UUID", {"deploymentId": "latest"}, NO_UUID),
    Case(STATUS, "without an id", {}, INVALID, unchecked=True),
    Case(STATUS, "an id that is no text", {"deploymentId": 5}, Refusal("ServiceError"), unchecked=True),
    Case(STATUS, "not allowed", {"deploymentId": NOBODY}, UNAUTHORIZED, caller=STRANGER),
    Case(LIST, "all of them", {}, Answer({"localDeployments": Having(elements=(
        {"deploymentId": "{deployment}", "status": "SUCCEEDED", "createdOn": WHEN},
    ))}), (a_deployment(),)),
    Case(LIST, "not allowed", {}, UNAUTHORIZED, caller=STRANGER),
    Case(CANCEL, "one that waits", {"deploymentId": "{waiting}"},
         Answer({"message": "Cancel request submitted. Deployment ID: {waiting}"}), (
         folders(lifecycle=HELD),
         bus("gg_deployment", "create_local_deployment", recipe_directory_path="{recipes}",
             root_component_versions_to_add={DEPLOYED: "1.0.0"}),
         bus("gg_deployment", "create_local_deployment", "created", root_components_to_remove=[DEPLOYED]),
         bus("gg_deployment", "create_local_deployment", "waiting"),
         lambda scene: scene.names.update(waiting=scene.values["waiting"]["deployment_id"],
                                          deployment=scene.values["created"]["deployment_id"])),
         then=(let_go, deployment_over("{deployment}", "SUCCEEDED"), deployment_over("{waiting}", "CANCELED"))),
    Case(CANCEL, "one that is over", {"deploymentId": "{deployment}"},
         Answer({"message": "Cancellation request is not processed because deployment is already finished"}),
         (a_deployment(),)),
    Case(CANCEL, "an unknown one", {"deploymentId": NOBODY}, UNKNOWN_ID),
    Case(CANCEL, "no UUID", {"deploymentId": "latest"}, NO_UUID),
    Case(CANCEL, "without an id", {}, NO_UUID),
    Case(CANCEL, "not allowed", {"deploymentId": NOBODY}, UNAUTHORIZED, caller=STRANGER),
)  # fmt: skip


def pre_update(deployment: str = "{me}-d", restarting: bool = False) -> dict[str, Any]:
    return {"preUpdateEvent": {"deploymentId": deployment, "isGgcRestarting": restarting}}


def post_update(deployment: str = "{me}-d") -> dict[str, Any]:
    return {"postUpdateEvent": {"deploymentId": deployment}}


def ask_for_update(restarting: bool = False) -> Any:
    return round_of("pre_update", deployment_id="{me}-d", is_ggc_restarting=restarting, timeout=60)


def answered(delay: int, message: str = "") -> Any:
    reply = {"recheck_after_ms": delay, "message": message}
    return round_result({"recheck_after_ms": delay, "replies": {"{me}": reply}, "silent": []})


LATE = Refusal("ServiceError", "Time limit to respond to PreComponentUpdateEvent exceeded")
SUBSCRIBED = subscribe(WATCH, {})
ASKED = (SUBSCRIBED, ask_for_update(), gets(0, pre_update()))

UPDATES = (
    Case(WATCH, "before and after an update", {}, Answer(), then=(
        Step(ask_for_update(), (pre_update(),)),
        call(DEFER, {"deploymentId": "{me}-d", "recheckAfterMs": 0}), answered(0),
        Step(bus("gg_consent", "post_update", deployment_id="{me}-d"), (post_update(),)),
    )),
    Case(WATCH, "an update that restarts the runtime", {}, Answer(), then=(
        Step(ask_for_update(restarting=True), (pre_update(restarting=True),)),
        call(DEFER, {"deploymentId": "{me}-d", "recheckAfterMs": 0}), answered(0),
    )),
    Case(WATCH, "several on one connection", {}, Answer(), then=(
        SUBSCRIBED,
        Step(bus("gg_consent", "post_update", deployment_id="{me}-d"), (post_update(),)),
        gets(1, post_update()),
    )),
    Case(WATCH, "of what is not a component", {},
         Refusal("ResourceNotFoundError", ".+", {"resourceType": "Component", "resourceName": "{me}"}), caller=UNKNOWN),
    Case(DEFER, "go on", {"deploymentId": "{me}-d", "recheckAfterMs": 0}, Answer(), ASKED, then=(answered(0),)),
    Case(DEFER, "wait", {"deploymentId": "{me}-d", "recheckAfterMs": 1500, "message": "busy"}, Answer(), ASKED,
         then=(answered(1500, "busy"),)),
    Case(DEFER, "no time: ignored", {"deploymentId": "{me}-d"}, Answer(), ASKED,
         then=(call(DEFER, {"deploymentId": "{me}-d", "recheckAfterMs": 5}), answered(5))),
    Case(DEFER, "without a subscription", {"deploymentId": "{me}-d", "recheckAfterMs": 0},
         Refusal("InvalidArgumentsError", "Component is not subscribed to component update events")),
    Case(DEFER, "without a deployment", {"recheckAfterMs": 0}, INVALID, (SUBSCRIBED,), unchecked=True),
    Case(DEFER, "another deployment", {"deploymentId": "another", "recheckAfterMs": 0}, LATE, ASKED),
    Case(DEFER, "nobody asked", {"deploymentId": "{me}-d", "recheckAfterMs": 0}, LATE, (SUBSCRIBED,)),
    Case(DEFER, "twice", {"deploymentId": "{me}-d", "recheckAfterMs": 0}, LATE,
         (*ASKED, call(DEFER, {"deploymentId": "{me}-d", "recheckAfterMs": 0}))),
    Case(DEFER, "a time that is none", {"deploymentId": "{me}-d", "recheckAfterMs": "soon"}, Refusal("ServiceError"),
         ASKED, unchecked=True, clients=(JS, C)),
)  # fmt: skip

PROPOSED: dict[str, Any] = {"x": {"y": [1, 2.5, None, "ü", {}]}, "accessControl": {}, "nothing": None}


def ask_for_validity() -> Any:
    return round_of("validate", deployment_id="{me}-v", timeout=60, configurations={"{me}": PROPOSED})


def report(status: Any, deployment: str | None = "{me}-v", **more: Any) -> dict[str, Any]:
    given = {} if deployment is None else {"deploymentId": deployment}
    return {"configurationValidityReport": {"status": status, **given, **more}}


def verdict(rejected: dict[str, str], accepted: list[str]) -> Any:
    return round_result({"rejected": rejected, "accepted": accepted, "silent": []})


NOT_ASKED = Refusal("InvalidArgumentsError", "Validation request either timed out or was never made")
VALIDATION = {"validateConfigurationUpdateEvent": {"configuration": PROPOSED, "deploymentId": "{me}-v"}}
QUESTIONED = (subscribe(VALIDATE, {}), ask_for_validity(), gets(0, VALIDATION))

VALIDATIONS = (
    Case(VALIDATE, "the whole new configuration", {}, Answer(), then=(
        Step(ask_for_validity(), (VALIDATION,)),
        call(REPORT, report("ACCEPTED")), verdict({}, ["{me}"]),
    )),
    Case(VALIDATE, "the first of two is asked, then the next", {}, Answer(), then=(
        subscribe(VALIDATE, {}, own_connection=True),
        Step(ask_for_validity(), (VALIDATION,)),
        call(REPORT, report("ACCEPTED")), verdict({}, ["{me}"]),
    )),
    Case(REPORT, "accepted", report("ACCEPTED"), Answer(), QUESTIONED, then=(verdict({}, ["{me}"]),)),
    Case(REPORT, "rejected", report("REJECTED", message="too hot: ü"), Answer(), QUESTIONED,
         then=(verdict({"{me}": "too hot: ü"}, []),)),
    Case(REPORT, "nobody asked", report("ACCEPTED"), NOT_ASKED),
    Case(REPORT, "another deployment", report("ACCEPTED", "another"), NOT_ASKED, QUESTIONED),
    Case(REPORT, "twice", report("ACCEPTED"), NOT_ASKED, (*QUESTIONED, call(REPORT, report("ACCEPTED")))),
    Case(REPORT, "without a deployment", report("ACCEPTED", None), INVALID, unchecked=True),
    Case(REPORT, "without a report", {}, INVALID, unchecked=True),
    Case(REPORT, "a report that is no map", {"configurationValidityReport": 5}, Refusal("ServiceError"), clients=(C,)),
    Case(REPORT, "a status nobody knows", report("PERHAPS"), INVALID, QUESTIONED),
)  # fmt: skip


def _gone(scene: Any) -> None:
    from tests.integration.conftest import wait_until

    wait_until(lambda: DEPLOYED not in scene.bus("gg_config", "list", key_path=["services"]), seconds=120)


CASES = (*LOOKING, *REQUESTING, *UPDATES, *VALIDATIONS)
