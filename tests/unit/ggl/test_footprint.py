"""What the supervisor loads is what every daemon carries: these modules must stay out of it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ggl
from ggl.catalog import DAEMONS

_LOADED = """
import contextlib, sys
sys.argv = ["ggld", "--no-such-argument"]
with contextlib.suppress(SystemExit):
    import ggl.host.process.__main__
import ggl.host.process.main
ggl.host.process.main._load_shared_modules()
print("\\n".join(sys.modules))
"""

_REALLY_LOADED = """
import ggl.program, sys
import {module}
print("\\n".join(module.__spec__.name for module in sys.modules.values() if getattr(module, "__spec__", None)))
"""


SMALL = ("telemetryd", "tesd", "tesserverd")
"""Daemons that load their code themselves: they come and go while components work, and must not take long for it."""
USED_BY_DATACLASSES = pytest.mark.skipif(sys.version_info >= (3, 12), reason="every dataclass needs inspect there")


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        *(
            "argparse",
            "asyncio",
            "ctypes",
            "yaml",
            "semantic_version",
            "rich",
            "typer",
            "boto3",
            "logging",
            "_sqlite3",
            "zipfile",
        ),
        pytest.param("ast", marks=USED_BY_DATACLASSES),
        pytest.param("dis", marks=USED_BY_DATACLASSES),
    ],
)
def test_the_supervisor_does_not_load(module: str, loaded: set[str]) -> None:
    assert module not in loaded


@pytest.mark.parametrize(
    "module",
    [
        *(daemon.module for daemon in DAEMONS if daemon.shared or daemon.name in SMALL),
        "ggl.host.systemd.service",
        "ggl.host.systemd.step_start",
    ],
)
def test_a_process_of_its_own_does_without(module: str) -> None:
    """Each of these would be half a megabyte or more, times the number of daemons on a device with systemd."""
    program = _REALLY_LOADED.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & {"typing", "datetime", "urllib.parse", "ipaddress", "threading", "argparse", "subprocess"}
    if sys.version_info < (3, 12):
        assert "inspect" not in loaded


def test_every_dataclass_is_documented() -> None:
    """One without a docstring gets its signature for one, and for that Python loads ``inspect`` after all."""
    source = Path(ggl.__file__).parent
    bare = [
        f"{path.relative_to(source)}: {node.name}"
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
        and not ast.get_docstring(node)
    ]
    assert bare == []
