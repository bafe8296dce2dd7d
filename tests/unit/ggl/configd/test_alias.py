"""The configuration of the nucleus, by whichever of its names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.request import Request
from ggl.configd.boot import boot
from ggl.configd.service import methods
from ggl.configd.store import Store, open_store
from ggl.paths import find_root

JAVA, LITE = "aws.greengrass.Nucleus", "aws.greengrass.NucleusLite"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path / "config.db")) as store:
        yield store


def call(store: Store, method: str, **params: Any) -> Any:
    return methods(store)[method].handler(Request.__new__(Request), params)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["services", JAVA, "configuration", "awsRegion"], "r"),
        (["Services", JAVA.upper(), "configuration"], {"awsRegion": "r"}),
        (["services"], {JAVA: {"configuration": {"awsRegion": "r"}}}),
        ([], {"services": {JAVA: {"configuration": {"awsRegion": "r"}}}}),
    ],
)
def test_what_is_written_to_one_name_is_read_under_both(store: Store, path: list[str], value: Any) -> None:
    call(store, "write", key_path=["services", LITE, "configuration"], value={"mqtt": {"port": 443}})
    call(store, "write", key_path=path, value=value)
    for name in (JAVA, LITE):
        assert call(store, "read", key_path=["services", name, "configuration"]) == {
            "mqtt": {"port": 443},
            "awsRegion": "r",
        }
    assert call(store, "list", key_path=["services"]) == [LITE]
    call(store, "delete", key_path=["services", JAVA])
    assert call(store, "read", key_path=["services"]) == {}


def test_a_boot_file_may_use_the_other_name_but_not_both(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = find_root(str(tmp_path))
    (tmp_path / "config.d").mkdir()
    (tmp_path / "config.d/1.yaml").write_text(f"services: {{{JAVA}: {{configuration: {{awsRegion: r}}}}}}\n")
    (tmp_path / "config.d/2.yaml").write_text(f"services: {{{JAVA}: {{version: x}}, {LITE}: {{version: y}}}}\n")
    boot(store, root)
    assert store.tree.read(("services", LITE, "configuration", "awsRegion")) == "r"
    assert store.tree.names(("services",)) == [LITE]
    assert (
        "2.yaml is left out: aws.greengrass.Nucleus and aws.greengrass.NucleusLite are the same"
        in capfd.readouterr().err
    )
