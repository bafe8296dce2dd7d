"""A machine to boot, installed as a device is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boots.machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="ggl-machine-") as directory:
        Path(directory).chmod(0o755)
        yield Machine(Path(directory))
