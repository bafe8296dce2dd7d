"""What a deployment works out before it changes anything: configurations, scripts, and who runs them."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from ggl.deploymentd.current import Current
from ggl.deploymentd.document import Document
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.targets import Targets, make_targets, service_operations, target_units
from ggl.deploymentd.update import ComponentUpdate, RunWith
from ggl.deploymentd.users import RunAs, run_as
from ggl.host.unit import Limits
from ggl.paths import find_root
from ggl.recipe.load import recipe_from_data
from ggl.recipe.model import Recipe

ROOT = find_root("/r")
OWN = pwd.getpwuid(os.geteuid())
OTHER = next(entry for entry in pwd.getpwall() if entry.pw_uid not in (0, OWN.pw_uid))


def stamp(value: Any, time: int = 9) -> Any:
    return {key: stamp(v, time) for key, v in value.items()} if isinstance(value, dict) else {"v": value, "t": time}


def component(lifecycle: dict[str, Any], name: str = "A", **more: Any) -> Recipe:
    data = {"RecipeFormatVersion": "2020-01-25", "ComponentName": name, "ComponentVersion": "1.0.0", **more}
    return recipe_from_data({**data, "Manifests": [{"Lifecycle": lifecycle}]})


def targets(*recipes: Recipe, updates: Any = None, services: Any = None, euid: int = 1000) -> Targets:
    document = Document("d", "g", 100, {}, updates or {})
    return make_targets(ROOT, recipes, document, Current(stamp(services or {}), "thing"), euid=euid)


def refusal(*recipes: Recipe, **more: Any) -> str:
    with pytest.raises(DeploymentError) as caught:
        targets(*recipes, **more)
    return caught.value.message


def test_scripts_are_made_from_the_configuration_as_it_will_be() -> None:
    base = component(
        {"run": "true"}, "Base", ComponentConfiguration={"DefaultConfiguration": {"port": 1, "host": "default"}}
    )
    user = component(
        {"run": "use {Base:configuration:/host} {Base:configuration:/port} {iot:thingName} {configuration:/missing}"},
        ComponentDependencies={"Base": {"VersionRequirement": "*"}},
    )
    services = {"Base": {"configuration": {"host": "set"}}}
    made = targets(base, user, services=services, updates={"Base": ComponentUpdate({"port": 2})})
    assert made.components[1].lifecycle.steps["run"].script == "use set 2 thing {configuration:/missing}"
    assert made.components[0].configuration == {"port": 2, "host": "set"}
    assert {tuple(operation["key_path"]) for operation in made.operations} == {
        ("services", "Base", "configuration"),
        ("services", "A", "configuration"),
    }


def test_the_nucleus_is_configured_under_either_name_and_counts_at_once() -> None:
    update = ComponentUpdate({"runWithDefault": {"posixUser": OTHER.pw_name, "posixShell": "/bin/bash"}})
    made = targets(component({"run": "true"}), updates={"aws.greengrass.Nucleus": update}, euid=0)
    assert made.operations[0]["key_path"] == ["services", "aws.greengrass.NucleusLite", "configuration"]
    assert made.components[0].run_as == RunAs(OTHER.pw_name, (OTHER.pw_uid, OTHER.pw_gid))
    assert made.components[0].shell == "/bin/bash"


def test_configuration_for_a_component_that_is_not_deployed_is_refused() -> None:
    assert "Typo, which is not part of it" in refusal(component({}), updates={"Typo": ComponentUpdate({})})


def test_two_names_that_differ_in_letter_case_only_are_refused() -> None:
    assert "the components APP and App differ in letter case only" in refusal(
        component({}, "App"), component({}, "APP")
    )
    assert "components App and app differ" in refusal(component({}, "app"), services={"App": {"version": "1.0.0"}})


def test_defaults_of_the_nucleus_must_be_good_for_something_when_they_change() -> None:
    def change(defaults: dict[str, Any]) -> Any:
        return {"aws.greengrass.Nucleus": ComponentUpdate({"runWithDefault": defaults})}

    assert "there is no user 'nobody-here'" in refusal(updates=change({"posixUser": "nobody-here"}), euid=0)
    assert "needs a group" in refusal(updates=change({"posixUser": 54321}), euid=0)
    assert "must be more than 0" in refusal(updates=change({"systemResourceLimits": {"memory": 0}}))
    before = {"aws.greengrass.NucleusLite": {"configuration": {"runWithDefault": {"posixUser": "nobody-here"}}}}
    targets(services=before, euid=0)  # nobody needs it, and nobody touched it
    targets(updates=change({"posixUser": OTHER.pw_name}), euid=0)


def test_a_component_for_another_platform_is_refused_with_the_reason() -> None:
    recipe = recipe_from_data(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": "A",
            "ComponentVersion": "1.0.0",
            "Manifests": [{"Platform": {"os": "windows"}, "Lifecycle": {"run": "dir"}}],
        }
    )
    assert "os=windows" in refusal(recipe)
    services = {"aws.greengrass.NucleusLite": {"configuration": {"platformOverride": {"os": "windows"}}}}
    assert targets(recipe, services=services).components[0].name == "A"


def test_steps_that_need_root_are_refused_by_a_runtime_that_is_not_root() -> None:
    privileged = component({"install": {"Script": "apt", "RequiresPrivilege": True}, "run": "true"})
    message = refusal(privileged)
    assert "its install needs RequiresPrivilege" in message
    assert "start it as root" in message


def test_a_root_runtime_asks_for_a_user_unless_only_root_runs_anything() -> None:
    assert "set runWithDefault.posixUser" in refusal(component({"run": "true"}), euid=0)
    assert targets(component({}), euid=0).components[0].run_as == RunAs()
    only_root = component({"run": {"Script": "true", "RequiresPrivilege": True}})
    assert targets(only_root, euid=0).components[0].run_as == RunAs()


def test_run_with_of_a_component_wins_and_is_kept_until_it_is_removed() -> None:
    recipe = component({"run": "true"})
    default = {"aws.greengrass.NucleusLite": {"configuration": {"runWithDefault": {"posixUser": "root"}}}}
    kept = {**default, "A": {"runWith": {"posixUser": OTHER.pw_name}}}

    def user(services: Any, run_with: RunWith | None) -> str:
        updates = {"A": ComponentUpdate(run_with=run_with)} if run_with else {}
        return targets(recipe, services=services, updates=updates, euid=0).components[0].run_as.user

    assert user(default, RunWith(OTHER.pw_name)) == OTHER.pw_name
    assert user(kept, None) == OTHER.pw_name
    assert user(kept, RunWith(None)) == OTHER.pw_name
    assert user(kept, RunWith("")) == "root"


def test_a_user_may_be_a_number() -> None:
    services = {"aws.greengrass.NucleusLite": {"configuration": {"runWithDefault": {"posixUser": OTHER.pw_uid}}}}
    made = targets(component({"run": "true"}), services=services, euid=0)
    assert made.components[0].run_as == RunAs(str(OTHER.pw_uid), (OTHER.pw_uid, OTHER.pw_gid))


def test_limits_are_the_components_own_and_else_those_of_the_nucleus() -> None:
    recipe = component({"run": "true"})
    default = {"runWithDefault": {"systemResourceLimits": {"memory": 100, "cpus": 2}}}
    services = {"aws.greengrass.NucleusLite": {"configuration": default}}
    before = {**services, "A": {"runWith": {"systemResourceLimits": {"memory": 7}}}}

    def limits(services: Any, run_with: RunWith | None) -> Limits:
        updates = {"A": ComponentUpdate(run_with=run_with)} if run_with else {}
        return targets(recipe, services=services, updates=updates).components[0].limits

    assert limits(services, None) == Limits(100, 2.0)
    assert limits(services, RunWith(memory=5)) == Limits(5, 2.0)
    assert limits(before, None) == Limits(7, 2.0)
    assert limits(before, RunWith(cpus=0.5)) == Limits(100, 0.5)
    assert limits({}, RunWith("")) == Limits()
    default["runWithDefault"]["systemResourceLimits"] = {"memory": -1}  # type: ignore[dict-item]
    assert "must be more than 0" in refusal(recipe, services=services)


def test_the_nucleus_may_be_a_dependency_whose_configuration_a_script_uses() -> None:
    services = {"aws.greengrass.NucleusLite": {"configuration": {"awsRegion": "eu-west-1"}}}
    for name in ("aws.greengrass.Nucleus", "aws.greengrass.NucleusLite"):
        script = f"x {{{name}:configuration:/awsRegion}}"
        recipe = component({"run": script}, ComponentDependencies={name: {"VersionRequirement": ">=2.0.0"}})
        made = targets(recipe, services=services)
        assert made.components[0].lifecycle.steps["run"].script == "x eu-west-1"


@pytest.mark.parametrize("wanted", [True, "true"])
def test_variables_in_configuration_are_replaced_where_the_nucleus_is_told_to(wanted: object) -> None:
    text = "{iot:thingName} {work:path} {Base:artifacts:path} {configuration:/b}"
    recipe = component(
        {"run": "echo {configuration:/a}"},
        ComponentConfiguration={"DefaultConfiguration": {"a": text}},
        ComponentDependencies={"Base": {"VersionRequirement": "*"}},
    )
    updates = {"A": ComponentUpdate({"list": ["{iot:thingName}", 1]})}
    plainly = targets(component({}, "Base"), recipe, updates=updates).components[1]
    assert plainly.configuration == {"a": text, "list": ["{iot:thingName}", 1]}
    # The deployment that changes the setting is done by it.
    updates["aws.greengrass.Nucleus"] = ComponentUpdate({"interpolateComponentConfiguration": wanted})
    made = targets(component({}, "Base"), recipe, updates=updates).components[1]
    replaced = "thing /r/work/A /r/packages/artifacts/Base/1.0.0 {configuration:/b}"
    assert made.configuration == {"a": replaced, "list": ["thing", 1]}
    assert made.lifecycle.steps["run"].script == f"echo {replaced}"


def test_what_is_deployed_is_recorded_and_the_version_of_before_with_it() -> None:
    recipe = component({"run": "true"}, ComponentDependencies={"B": {"VersionRequirement": "*"}})
    made = targets(recipe).components[0]
    operations = service_operations(made, Current(stamp({"A": {"version": "0.9.0"}})))
    written = {each["key_path"][2]: each["value"] for each in operations if each["op"] == "write"}
    assert written == {
        "version": "1.0.0",
        "previousVersion": "0.9.0",
        "componentType": "GENERIC",
        "dependencies": ["B:HARD"],
        "lifecycle": {"run": "true"},
    }


def test_the_revision_changes_with_scripts_artifacts_and_version_and_with_nothing_else() -> None:
    def revision(script: str = "true", content: str = "", **more: Any) -> str:
        made = targets(component({"run": script}, **more)).components[0]
        return target_units(ROOT, made, content)[0].revision

    same = {revision(), revision(ComponentPublisher="somebody")}
    assert len(same) == 1
    others = {revision("false"), revision(content="1"), revision(content="2")}
    assert len(others | same) == 4


@pytest.mark.parametrize(
    ("own", "default", "euid", "expected"),
    [
        ("", "", 1000, RunAs()),
        (OTHER.pw_name, "", 0, RunAs(OTHER.pw_name, (OTHER.pw_uid, OTHER.pw_gid))),
        ("", f"{OTHER.pw_uid}:0", 0, RunAs(f"{OTHER.pw_uid}:0", (OTHER.pw_uid, 0))),
        ("54321:54322", OTHER.pw_name, 0, RunAs("54321:54322", (54321, 54322))),
        ("", OTHER.pw_name, OTHER.pw_uid, RunAs()),
    ],
)
def test_whom_a_component_runs_as(own: str, default: str, euid: int, expected: RunAs) -> None:
    assert run_as("A", own, default, euid) == expected


@pytest.mark.parametrize(
    ("own", "default", "euid", "text"),
    [
        ("", "", 0, "there is no user to run it"),
        ("no-such-user", "", 0, "there is no user 'no-such-user'"),
        ("root:no-such-group", "", 0, "there is no group 'no-such-group'"),
        ("54321", "", 0, "needs a group"),
        (OTHER.pw_name, "", 54321, "leave out its posixUser"),
        ("", OTHER.pw_name, 54321, "remove runWithDefault.posixUser"),
    ],
)
def test_what_cannot_be_run_says_what_to_do(own: str, default: str, euid: int, text: str) -> None:
    with pytest.raises(DeploymentError, match=text) as caught:
        run_as("A", own, default, euid)
    assert caught.value.codes == ("RUN_WITH_CONFIG_NOT_VALID",)
