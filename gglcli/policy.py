"""What a component may do, as ``ggl component policy`` shows it."""

from __future__ import annotations

import shlex
from typing import Any

from ggl.ipc.model import CLI
from gglcli import output
from gglcli.client import command
from gglcli.operations import short
from gglcli.output import Block, Cell, Document, Fields, Table, Text, Time


def overview(data: dict[str, Any]) -> list[Block]:
    """All policies, what is wrong with them, and what was refused."""
    names = [("thing name", data["thing_name"])] if data["thing_name"] else []
    always = ("always allowed", ", ".join(data["always"]))
    policies: list[list[Cell]] = [_row(each) for each in data["policies"]]
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
        title = Text(f"Refused since {output.iso_time(data['refused_since'])}", "head")
        blocks += [Text(""), title, Table(["LAST", "TIMES", "OPERATION", "RESOURCE"], refused)]
        first = data["refused"][0]
        words = f"component policy {shlex.quote(data['component'])} --check {shlex.quote(short(first['operation']))}"
        again = command(words if first["resource"] == "*" else f"{words} {shell_word(first['resource'])}")
        blocks += [Text(""), Text("To see why:", "head"), Text(again)]
    return blocks


def _row(policy: dict[str, Any]) -> list[Cell]:
    """As it is written, and what of it counts for nothing."""
    unknown, invalid = policy["unknown"], policy["invalid"] if policy["grants"] else ()
    operations = [f"{name} (unknown)" if name in unknown else short(name) for name in policy["operations"]]
    resources = [f"{text} (invalid)" if text in invalid else text for text in policy["resources"]]
    texts = [", ".join(resources), *([] if policy["grants"] else ["-> nothing"])]
    return [policy["service"], policy["policy"], ", ".join(operations), " ".join(filter(None, texts))]


def shell_word(text: str) -> str:
    """``text`` for the command line of a shell; what cannot be shown is written as an escape."""
    if text.isprintable():
        return shlex.quote(text)
    characters = (
        "\\" + character if character in "\\'" else character if character.isprintable() else _escaped(character)
        for character in text
    )
    return f"$'{''.join(characters)}'"


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def verdict(data: dict[str, Any]) -> list[Block]:
    """Whether one request is allowed, and why or why not."""
    check = data["check"]
    asked = short(check["operation"]) + (f" on '{check['resource']}'" if check["service"] else "")
    unserved = [] if check["served"] else [Text("nobody serves it now: a request fails with a ServiceError", "dim")]
    if check["allowed"]:
        return [Text(f"{data['component']} may call {asked}", "good"), Text(check["reason"]), *unserved]
    blocks: list[Block] = [Text(f"{data['component']} may not call {asked}", "bad"), Text(check["reason"])]
    blocks += unserved
    if check["near"]:
        near = [[each["resource"], each["policy"], each["why"]] for each in check["near"]]
        blocks += [Text(""), Table(["RESOURCE", "POLICY", "WHY"], near)]
    if check["remedy"]:
        blocks += [Text(""), *_remedy(data["component"], check)]
    times = [
        each
        for each in data["refused"]
        if (each["operation"], each["resource"]) == (check["operation"], check["resource"])
    ]
    for each in times:
        count = f"{each['count']} time{'s' * (each['count'] != 1)}"
        blocks += [Text(""), Text(f"It was refused {count}, last at {output.iso_time(each['last'])}")]
    return blocks


def _remedy(component: str, check: dict[str, Any]) -> list[Block]:
    path = [part.replace("~", "~0").replace("/", "~1") for part in (component, *check["write"]["key_path"])]
    line = f"config set {shell_word('/'.join(path))} {shlex.quote(output.to_json(check['write']['value']))}"
    also = "Or, as one more policy, this" if check["mend"] else "This"
    recipe: list[Block] = [
        Text(f"{also} in the recipe, below ComponentConfiguration: DefaultConfiguration, would allow it:", "head"),
        Document(yaml_text({"accessControl": check["remedy"]})),
        Text(""),
    ]
    return [
        *([] if component == CLI else recipe),  # it has none
        Text("To try it on this device:", "head"),
        Text(command(line)),
    ]


def yaml_text(access_control: dict[str, Any]) -> str:
    """Short lists stay on their line, as people write policies."""
    import yaml

    text: str = yaml.safe_dump(access_control, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)
    return text.rstrip("\n")
