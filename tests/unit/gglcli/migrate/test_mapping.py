"""What of another nucleus is taken over, where it goes, and what is left out and said so."""

from __future__ import annotations

from typing import Any

from gglcli.migrate.mapping import Component, make_plan
from gglcli.trees import plain, stamp

METER = "com.example.Meter"
JAVA = {
    "system": {"rootpath": "/greengrass/v2", "ThingName": "t", "certificatefilepath": "/c.pem", "ipcSocketPath": "/s"},
    "setenv": {"LANG": "C"},
    "services": {
        "aws.greengrass.Nucleus": {
            "componentType": "NUCLEUS",
            "version": "2.12.6",
            "configuration": {
                "awsRegion": "eu-central-1",
                "jvmOptions": "-Xmx64m",
                "runWithDefault": {"posixUser": "ggc_user:ggc_group", "windowsUser": "w"},
                "networkProxy": {"proxy": {"url": "http://proxy:3128", "username": "me", "password": "p@ss"}},
            },
        },
        METER: {
            "componentType": "GENERIC",
            "version": "1.0.0",
            "previousVersion": "0.9.0",
            "dependencies": ["aws.greengrass.Nucleus:SOFT"],
            "lifecycle": {"run": "x"},
            "configuration": {"rate": 9},
            "runWith": {"posixUser": "meter"},
            "runtime": {},
        },
        "com.example.Base": {"version": "2.0.0"},
        "aws.greengrass.LogManager": {"componentType": "PLUGIN", "version": "2.3.0", "configuration": {"a": 1}},
        "aws.greengrass.Cli": {"version": "2.12.0", "configuration": {}},
        "main": {"dependencies": [METER, "aws.greengrass.Nucleus:HARD"], "lifecycle": {}},
        "DeploymentService": {"GroupToRootComponents": {"thinggroup/pumps": {METER: {"version": "1.0.0"}}}},
        "FleetStatusService": {"sequenceNumber": 41, "lastPeriodicUpdateTime": 5},
        "_AUTHENTICATION_TOKENS": {"x": "y"},
    },
}


def planned(tree: Any, users: bool = True) -> Any:
    return make_plan(stamp(tree, 7), users=users)


def test_a_java_nucleus() -> None:
    plan = planned(JAVA)
    assert plain(plan.tree) == {
        "system": {"thingName": "t", "certificateFilePath": "/c.pem"},
        "services": {
            "aws.greengrass.NucleusLite": {
                "configuration": {
                    "awsRegion": "eu-central-1",
                    "runWithDefault": {"posixUser": "ggc_user:ggc_group"},
                    "networkProxy": {"proxy": {"url": "http://me:p%40ss@proxy:3128"}},
                }
            },
            METER: {"configuration": {"rate": 9}},
            "FleetStatusService": {"sequenceNumber": 41},
        },
    }
    assert plan.tree["services"][METER]["configuration"]["rate"]["t"] == 7
    assert plan.components == [
        Component(METER, "1.0.0", True, ("pumps",)),
        Component("com.example.Base", "2.0.0", False, ()),
    ]
    nucleus = "/services/aws.greengrass.Nucleus/configuration"
    assert [key for key, _ in plan.left_out] == [
        "/system/rootpath",
        "/system/ipcSocketPath",
        "/setenv",
        f"{nucleus}/jvmOptions",
        f"{nucleus}/runWithDefault/windowsUser",
        "/services/com.example.Meter/runWith",
        "/services/aws.greengrass.LogManager",
        "/services/aws.greengrass.Cli",
        "/services/main",
        "/services/DeploymentService",
    ]
    assert all(reason for _, reason in plan.left_out)


def test_a_runtime_that_is_not_root_keeps_its_own_user() -> None:
    plan = planned(JAVA, users=False)
    assert plain(plan.tree)["services"]["aws.greengrass.NucleusLite"]["configuration"]["runWithDefault"] == {}
    assert "/services/aws.greengrass.Nucleus/configuration/runWithDefault/posixUser" in dict(plan.left_out)


def test_a_lite_nucleus() -> None:
    plan = planned(
        {
            "system": {"rootPath": "/var/lib/greengrass", "thingName": "t"},
            "services": {
                "aws.greengrass.NucleusLite": {"componentType": "NUCLEUS", "configuration": {"iotRoleAlias": "r"}},
                METER: {
                    "version": "1.0.0",
                    "arn": "arn:x",
                    "configArn": ["a"],
                    "configuration": {"a": {}},
                },
                "DeploymentService": {"thingGroupsToRootComponents": {"LOCAL_DEPLOYMENTS": {METER: "1.0.0"}}},
                "aws.greengrass.TokenExchangeService": {"configuration": {"port": "1234"}},
                "aws.greengrass.fleet_provisioning": {"configuration": {"claimKeyPath": "/k"}},
            },
        }
    )
    assert plain(plan.tree) == {
        "system": {"thingName": "t"},
        "services": {
            "aws.greengrass.NucleusLite": {"configuration": {"iotRoleAlias": "r"}},
            METER: {"configuration": {"a": {}}},
        },
    }
    assert plan.components == [Component(METER, "1.0.0", True, ("LOCAL_DEPLOYMENTS",))]
    assert {"/services/aws.greengrass.TokenExchangeService", "/services/aws.greengrass.fleet_provisioning"} <= dict(
        plan.left_out
    ).keys()


def test_a_proxy_that_has_credentials_already_keeps_them() -> None:
    proxy = {"url": "http://a:b@proxy", "username": "me", "password": ""}
    services = {"aws.greengrass.Nucleus": {"configuration": {"networkProxy": {"proxy": proxy}}}}
    plan = planned({"services": services})
    configuration = plain(plan.tree)["services"]["aws.greengrass.NucleusLite"]["configuration"]
    assert configuration == {"networkProxy": {"proxy": {"url": "http://a:b@proxy"}}}
