"""What a component may do, as ``ggl component policy`` shows it."""

from __future__ import annotations

import shlex
from typing import Any

from ggl.ipc.model import CLI
from gglcli import output
from gglcli.client import command
from gglcli.operations import short
from gglcli.output import Block, Cell, Fields, Table, Text, Time


def overview(data: dict[str, Any]) -> list[Block]:
    """All policies, what is wrong with them, and what was refused."""
    names = [("thing name", data["thing_name"])] if data["thing_name"] else []
    always = ("always allowed", ", ".join(data["always"]))
    policies: list[list[Cell]] = [
        [each["service"], each["policy"], _operations(each["operations"]), ", ".join(each["resources"])]
        for each in data["policies"]
    ]
    blocks: list[Block] = [
        Fields([("component", data["component"]), *names, always]),
        Text(""),
        Table(
            ["SERVICE", "POLICY", "OPERATIONS", "RESOURCES"],
            policies,
            "it has no policies: nothing that needs one is allowed",
        ),
    ]
    if data["problems"]:
        problems: list[list[Cell]] = [[each["service"], each["policy"], each["text"]] for each in data["problems"]]
        title = Text("What is wrong with the policies", "bad")
        blocks += [Text(""), title, Table(["SERVICE", "POLICY", "PROBLEM"], problems)]
    if data["refused"]:
        refused: list[list[Cell]] = [
            [Time(each["last"]), each["count"], short(each["operation"]), each["resource"]] for each in data["refused"]
        ]
        title = Text("Refused since ipcd was started", "head")
        blocks += [Text(""), title, Table(["LAST", "TIMES", "OPERATION", "RESOURCE"], refused)]
        first = data["refused"][0]
        words = f"component policy {data['component']} --check {short(first['operation'])}"
        again = command(words if first["resource"] == "*" else f"{words} {shlex.quote(first['resource'])}")
        blocks.append(Text(f"'{again}' tells why", "dim"))
    return blocks


def _operations(names: list[str]) -> str:
    return ", ".join(map(short, names))


def verdict(data: dict[str, Any]) -> list[Block]:
    """Whether one request is allowed, and why or why not."""
    check = data["check"]
    asked = short(check["operation"]) + (f" on '{check['resource']}'" if check["service"] else "")
    if check["allowed"]:
        return [Text(f"{data['component']} may call {asked}", "good"), Text(check["reason"])]
    blocks: list[Block] = [Text(f"{data['component']} may not call {asked}", "bad"), Text(check["reason"])]
    if check["service"] == CLI:
        blocks.append(Text("a client of the Greengrass command line tool may, without any policy", "dim"))
    if check["near"]:
        near = [[each["resource"], each["policy"], each["why"]] for each in check["near"]]
        blocks += [Text(""), Table(["RESOURCE", "POLICY", "WHY"], near)]
    if check["remedy"]:
        blocks += [Text(""), *_remedy(data["component"], check["remedy"])]
    times = [
        each
        for each in data["refused"]
        if (each["operation"], each["resource"]) == (check["operation"], check["resource"])
    ]
    for each in times:
        count = f"{each['count']} time{'s' * (each['count'] != 1)}"
        blocks += [Text(""), Text(f"It was refused {count}, last at {output.iso_time(each['last'])}")]
    return blocks


def _remedy(component: str, access_control: dict[str, Any]) -> list[Block]:
    [(service, policies)] = access_control.items()
    [(name, policy)] = policies.items()
    key = f"{component}/accessControl/{service}/{name.replace('~', '~0').replace('/', '~1')}"
    line = f"config set {shlex.quote(key)} {shlex.quote(output.to_json(policy))}"
    return [
        Text("This in the recipe, below ComponentConfiguration: DefaultConfiguration, would allow it:", "head"),
        Text(yaml_text({"accessControl": access_control})),
        Text(""),
        Text("To try it on this device:", "head"),
        Text(command(line)),
    ]


def yaml_text(access_control: dict[str, Any]) -> str:
    """Short lists stay on their line, as people write policies."""
    import yaml

    text: str = yaml.safe_dump(access_control, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)
    return text.rstrip("\n")
