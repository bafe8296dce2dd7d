"""What a runtime's configuration starts with."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ggl.configd.boot import boot
from ggl.configd.store import Store, Write, now, open_store
from ggl.paths import Root, find_root
from ggl.version import NUCLEUS_VERSION

NUCLEUS = ["services", "aws.greengrass.NucleusLite"]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return find_root(str(tmp_path))


@pytest.fixture
def store(root: Root) -> Iterator[Store]:
    with closing(open_store(root.config_db)) as store:
        yield store


def put(root: Root, name: str, text: str | bytes) -> None:
    path = root.config / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def booted(store: Store, root: Root) -> Any:
    boot(store, root)
    return store.tree.read([])


def test_a_private_runtime_runs_components_as_the_one_who_started_it(store: Store, root: Root) -> None:
    assert booted(store, root) == {
        "system": {"rootPath": str(root.state)},
        "services": {
            "aws.greengrass.NucleusLite": {
                "componentType": "NUCLEUS",
                "version": NUCLEUS_VERSION,
                "configuration": {"runWithDefault": {"posixUser": pwd.getpwuid(os.geteuid()).pw_name}},
            }
        },
    }
    assert store.tree.newest([]) == 0


def test_a_system_runtime_has_no_default_user(store: Store, root: Root) -> None:
    booted(store, root._replace(system=True))
    assert store.tree.read([*NUCLEUS, "configuration"]) == {}


def test_files_override_defaults_and_one_another_by_name_and_never_what_was_set_since(store: Store, root: Root) -> None:
    store.apply([Write(["default"], "recipe", 0), Write(["deployed"], "kept", now())])
    put(root, "config.yaml", "{default: file, deployed: file, order: main, main: 1}")
    put(root, "config.d/20-b.json", '{"order": "b"}')
    put(root, "config.d/10-a.yml", "order: a\na: 1")
    put(root, "config.d/.hidden.yaml", "order: hidden")
    put(root, "config.d/30-readme.txt", "order: text")
    tree = booted(store, root)
    assert [tree[key] for key in ("default", "deployed", "order", "main", "a")] == ["file", "kept", "b", 1, 1]
    assert store.tree.newest(["order"]) == 2


def test_a_second_start_with_the_same_files_stores_nothing(store: Store, root: Root) -> None:
    put(root, "config.yaml", "a: [1, {b: 2}]")
    booted(store, root)
    changes = store.database._connection.total_changes
    booted(store, root)
    assert store.database._connection.total_changes == changes


def test_an_edited_file_takes_effect_and_a_removed_line_stays(store: Store, root: Root) -> None:
    put(root, "config.yaml", "a: 1\nb: 1")
    booted(store, root)
    put(root, "config.yaml", "a: 2")
    tree = booted(store, root)
    assert (tree["a"], tree["b"]) == (2, 1)


def test_yaml_has_the_types_of_json(store: Store, root: Root) -> None:
    put(
        root,
        "config.yaml",
        """
        i: 86400
        neg: -3
        hex: 0x1f
        octal: 0o17
        zip: 01234
        f: 1.5
        e: 1e3
        t: true
        no: no
        on: on
        time: 12:30
        date: 2024-01-01
        version: 1.2.3
        empty:
        tilde: ~
        quoted: "1"
        8443: port
        base: &base {x: 1, y: 2}
        derived: {<<: *base, y: 3}
        text: |
          two
          lines
        """,
    )
    tree = booted(store, root)
    expected = {
        "i": 86400, "neg": -3, "hex": 31, "octal": 15, "zip": 1234, "f": 1.5, "e": 1000.0, "t": True, "no": "no",
        "on": "on", "time": "12:30", "date": "2024-01-01", "version": "1.2.3", "empty": None, "tilde": None,
        "quoted": "1", "8443": "port", "base": {"x": 1, "y": 2}, "derived": {"x": 1, "y": 3}, "text": "two\nlines\n",
    }  # fmt: skip
    assert {key: tree[key] for key in expected} == expected
    assert all(type(tree[key]) is type(value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("bad.yaml", "a: 1\nb: ]", "line 2"),
        ("bad.json", '{"a":\n ]', "line 2, column 2"),
        ("list.yaml", "- a", "must hold a map"),
        ("big.yaml", "a: " + "x" * (1024 * 1024), "bigger than the limit"),
        ("deep.yaml", "a: " + "[" * 100_000 + "]" * 100_000, "nested deeper"),
        ("deep.json", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "left out"),
        ("bomb.yaml", "a0: &a0 [1,1]\n" + "".join(f"a{n+1}: &a{n+1} [*a{n},*a{n}]\n" for n in range(40)), "parts"),
        ("latin.yaml", b"a: \xff", "not UTF-8"),
        ("nan.json", '{"a": NaN}', "not finite"),
        ("huge.json", '{"a": 99999999999999999999}', "64 bits"),
        ("python.yaml", "a: !!python/object/apply:os.system [ls]", "line 1"),
        ("pair.yaml", "? [a, b]\n: 1", "key must be a string"),
        ("binary.yaml", "a: !!binary aGk=", "cannot be stored"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_fault_and_the_others_are_loaded(
    store: Store, root: Root, capfd: pytest.CaptureFixture[str], name: str, content: str | bytes, complaint: str
) -> None:
    put(root, f"config.d/{name}", content)
    put(root, "config.d/zz.yaml", "last: 1")
    assert booted(store, root)["last"] == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert name in line
    assert complaint in line


def test_a_directory_or_pipe_in_the_place_of_a_file_is_left_out(
    store: Store, root: Root, capfd: pytest.CaptureFixture[str]
) -> None:
    (root.config / "config.d" / "dir.yaml").mkdir(parents=True)
    os.mkfifo(root.config / "config.d" / "pipe.yaml")
    put(root, "config.d/zz.yaml", "last: 1")
    assert booted(store, root)["last"] == 1
    assert "dir.yaml is left out" in capfd.readouterr().err
