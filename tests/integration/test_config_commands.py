"""``ggl config`` with files: compare, dump, load, back up, restore, migrate, against a real runtime.

The tests share one runtime and leave of its configuration only what the others do not look at.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Runtime, running
from tests.integration.test_cli import Ggl

DIFFERENT = 9


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    with running() as runtime:
        yield runtime


@pytest.fixture
def ggl(shared: Runtime) -> Ggl:
    return Ggl(shared.root.state)


@pytest.fixture
def component(ggl: Ggl, request: pytest.FixtureRequest) -> Iterator[str]:
    """A component's configuration, which is removed afterwards."""
    name = f"com.example.{request.node.originalname}"
    ggl("config", "set", name, json.dumps({"rate": 5, "server": {"port": 80, "tags": ["a"]}}))
    yield name
    ggl("config", "unset", f"/services/{name}")


def key_of(component: str, *keys: str) -> str:
    return "/".join(["/services", component, "configuration", *keys])


def test_a_dump_compared_edited_and_loaded(ggl: Ggl, component: str, tmp_path: Path) -> None:
    file = tmp_path / "before.yaml"
    ggl("config", "dump", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert ggl("config", "diff", file).out == ""

    ggl("config", "set", f"{component}/rate", "yes")
    ggl("config", "unset", f"{component}/server/port")
    ggl("config", "set", f"{component}/new", "{}")
    rate, port, new = (key_of(component, *keys) for keys in (["rate"], ["server", "port"], ["new"]))
    differ = ggl("config", "diff", file, "--key", component, code=DIFFERENT)
    assert differ.out.splitlines() == [
        f"--- {file}",
        "+++ live configuration",
        f"-{rate}: 5",
        f'+{rate}: "yes"',
        f"-{port}: 80",
        f"+{new}: {{}}",
    ]
    changes = ggl("config", "diff", file, "--json", code=DIFFERENT).json
    assert changes == [{"key": rate, "from": 5, "to": "yes"}, {"key": port, "from": 80}, {"key": new, "to": {}}]
    assert ggl("config", "diff", file, "--key", f"{component}/server/tags").out == ""

    preview = ggl("config", "load", file, "--dry-run", "--json").json
    expected = [{"key": rate, "from": "yes", "to": 5}, {"key": port, "to": 80}]
    assert (preview["changes"], preview["dry_run"]) == (expected, True)
    assert ggl("config", "get", f"{component}/rate").out == "yes\n"
    assert ggl("config", "load", file).out.endswith("2 values changed\n")
    assert ggl("config", "diff", file, "--json", code=DIFFERENT).json == [{"key": new, "to": {}}]
    ggl("config", "load", file, "--replace", component)
    assert ggl("config", "diff", file).out == ""


def test_timestamps_of_a_dump_decide_what_a_load_changes(ggl: Ggl, component: str, tmp_path: Path) -> None:
    file = tmp_path / "stamped.json"
    ggl("config", "dump", "--timestamps", "--key", component, file)
    ggl("config", "set", f"{component}/rate", "6")
    loaded = ggl("config", "load", file, "--json").json
    assert loaded == {"changes": [], "kept": [key_of(component, "rate")], "dry_run": False}
    assert "stays, it is newer here" in ggl("config", "load", file).out
    ggl("config", "load", file, "--replace", component)
    restored = ggl("config", "dump", "--timestamps", "--key", component, "--json").json
    assert restored == json.loads(file.read_text())


def test_a_dump_in_a_pipe_is_loaded_from_one(ggl: Ggl, component: str) -> None:
    for form in ("yaml", "json"):
        text = ggl("config", "dump", "--key", component, "--format", form).out
        ggl("config", "set", f"{component}/rate", "0")
        assert ggl("config", "load", "-", stdin=text).out.startswith(f"-{key_of(component, 'rate')}: 0\n")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "a: [\n", "a.yaml: line 2, column 1"),
        ("a.json", '{"a": }', "a.json: line 1, column 7"),
        ("a.yaml", "- 1\n", "must hold a map"),
        ("a.yaml", "services: {c: {configuration: 5}}\n", "/services/c/configuration must be a map"),
        ("a.yaml", "a: {b: 1, B: 2}\n", "/a/b and /a/B are the same key"),
        ("a.yaml", "a: {v: 1, t: 2}\nb: 3\n", "/a has a timestamp, /b has none"),
        ("a.yaml", "a: .inf\nb: 99999999999999999999999\n", "64 bits"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_with_the_place(
    ggl: Ggl, tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    before = ggl("config", "get", "/", "--json").json
    assert message in ggl("config", "load", tmp_path / name, code=5).err
    assert ggl("config", "get", "/", "--json").json == before


def test_a_key_that_the_file_lacks_is_not_replaced(ggl: Ggl, component: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("system: {}\n")
    error = ggl("config", "load", tmp_path / "a.yaml", "--replace", component, code=5).err
    assert f"has nothing at {key_of(component)}" in error


def test_a_backup_comes_back_with_its_timestamps(ggl: Ggl, shared: Runtime, component: str, tmp_path: Path) -> None:
    record = {"table": "test", "key": "k", "value": 1}
    shared.call("gg_config", "put", record)
    file = tmp_path / "backup.db"
    ggl("config", "backup", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert "exists already; use --force" in ggl("config", "backup", file, code=5).err
    ggl("config", "backup", file, "--force")

    before = shared.call("gg_config", "read_with_timestamps", {"key_path": []})
    ggl("config", "set", f"{component}/rate", "6")
    ggl("config", "set", f"{component}/more", "7")
    shared.call("gg_config", "put", {**record, "value": 2})
    preview = ggl("config", "restore", file, "--dry-run", "--json").json["changes"]
    assert preview == [
        {"key": key_of(component, "more"), "from": 7},
        {"key": key_of(component, "rate"), "from": 6, "to": 5},
    ]
    restored = ggl("config", "restore", file)
    assert restored.out.endswith("2 values changed\n")
    assert "deploy their components again" in restored.err
    assert shared.call("gg_config", "read_with_timestamps", {"key_path": []}) == before
    assert shared.call("gg_config", "get", {"table": "test", "key": "k"}) == 2  # history stays


def test_a_backup_of_another_device_is_restored_but_for_its_root_path(
    ggl: Ggl, shared: Runtime, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    ggl("config", "backup", other)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("""UPDATE leaf SET value = '"/elsewhere"' WHERE path = '["system","rootPath"]'""")
        connection.execute("""INSERT INTO leaf VALUES ('["services","com.example.X","version"]', '"1.0.0"', 5)""")
        connection.commit()
    restored = ggl("config", "restore", other)
    assert "other versions of components, which do not run now: com.example.X none -> 1.0.0" in restored.err
    assert ggl("config", "get", "/system/rootPath").out == f"{shared.root.state}\n"
    ggl("config", "unset", "/services/com.example.X")


def test_a_damaged_backup_is_refused(ggl: Ggl, component: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.db"
    ggl("config", "set", f"{component}/long", "x" * 50_000)
    ggl("config", "backup", file)
    data = file.read_bytes()
    for damaged, message in (
        (data[: len(data) // 2], "is damaged"),
        (data[:4096] + b"\xff" * (len(data) - 4096), "is damaged"),
        (b"no database", "is no SQLite database"),
    ):
        file.write_bytes(damaged)
        assert message in ggl("config", "restore", file, code=5).err
    assert "there is no such file" in ggl("config", "restore", tmp_path / "none", code=4).err


def test_a_backup_while_the_runtime_is_down(tmp_path: Path) -> None:
    with running() as runtime:
        ggl = Ggl(runtime.root.state)
        ggl("config", "set", "com.example.Down/a", "1")
        runtime.kill(runtime.pid_of("configd"))
        runtime.down()
        ggl("config", "backup", tmp_path / "backup.db")
        runtime.up()
        ggl("config", "unset", "/services/com.example.Down")
        ggl("config", "restore", tmp_path / "backup.db")
        assert ggl("config", "get", "com.example.Down/a").out == "1\n"
    error = ggl("--root", tmp_path / "nothing", "config", "backup", tmp_path / "x", code=4).err
    assert f"there is no {tmp_path}/nothing/config.db" in error


def test_a_java_nucleus_is_taken_over(ggl: Ggl, tmp_path: Path) -> None:
    entries: list[tuple[int, list[str], Any]] = [
        (100, ["system", "thingName"], "thing-7"),
        (100, ["system", "privateKeyPath"], "/nowhere/key.pem"),
        (1, ["services", "aws.greengrass.Nucleus", "configuration", "awsRegion"], "eu-central-1"),
        (1, ["services", "aws.greengrass.Nucleus", "configuration", "jvmOptions"], "-Xmx64m"),
        (210, ["services", "com.example.Meter", "configuration", "rate"], 9),
        (210, ["services", "com.example.Meter", "version"], "1.0.0"),
    ]
    log = tmp_path / "config.tlog"
    lines = [json.dumps({"TS": time, "TP": path, "W": "changed", "V": value}) for time, path, value in entries]
    log.write_text("\n".join([*lines, '{"TS":3']))
    ggl("config", "set", "/system/thingName", "newer")

    preview = ggl("config", "migrate", tmp_path, "--dry-run", "--json").json
    rate, region = key_of("com.example.Meter", "rate"), key_of("aws.greengrass.NucleusLite", "awsRegion")
    assert preview["changes"] == [
        {"key": region, "to": "eu-central-1"},
        {"key": "/system/privateKeyPath", "to": "/nowhere/key.pem"},
        {"key": rate, "to": 9},
    ]
    assert preview["kept"] == ["/system/thingName"]
    assert preview["components"] == [
        {"component": "com.example.Meter", "version": "1.0.0", "root": False, "groups": []}
    ]
    assert [each["key"] for each in preview["left_out"]] == [key_of("aws.greengrass.Nucleus", "jvmOptions")]
    assert "cut off" in preview["notes"][0]
    assert "/nowhere/key.pem, which cannot be read here" in preview["notes"][1]
    assert preview["source"] == {"nucleus": "Java nucleus", "format": "transaction log", "file": str(log)}

    text = ggl("config", "migrate", log).out
    assert "to be deployed" in text
    assert ggl("config", "get", "com.example.Meter", "--timestamps", "--json").json == {"rate": {"v": 9, "t": 210}}
    assert "com.example.Meter" not in [each["component"] for each in ggl("component", "list", "--json").json]
    assert ggl("config", "migrate", log, "--json").json["changes"] == []

    log.write_text("\n".join([lines[0], "damage", *lines]))
    error = ggl("config", "migrate", log, code=5).err
    assert f"{log}, line 2: not a JSON object" in error
    assert "bootstrap.tlog" in error
    assert error.count("\n") == 1
    for key in ("/system/thingName", "/system/privateKeyPath", "/services/com.example.Meter", region):
        ggl("config", "unset", key)


def test_migration_needs_the_runtime(ggl: Ggl, tmp_path: Path) -> None:
    file = tmp_path / "effectiveConfig.yaml"
    file.write_text("system: {thingName: x}\n")
    assert "is not running" in ggl("--root", tmp_path / "none", "config", "migrate", file, code=3).err
    assert ggl("config", "migrate", tmp_path / "nothing", code=4).err.count("\n") == 1
    os.truncate(file, 0)
    assert "is empty" in ggl("config", "migrate", file, code=5).err
