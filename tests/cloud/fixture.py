"""Fixtures: ``aws`` is the stand-in alone; ``cloud_runtime`` and ``cloud_device`` a runtime that is one of its things.

The runtime is one of the process host, in a private root: a test that uses it is marked ``process_host``.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cloud.aws import Cloud
    from tests.integration.conftest import Runtime
    from tests.integration.device import Device


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Cloud]:
    """AWS, for one test."""
    from tests.cloud.aws import cloud
    from tests.cloud.broker import require_mosquitto

    require_mosquitto()
    with cloud(tmp_path / "aws") as found:
        yield found


@pytest.fixture
def cloud_runtime(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime that is Thing1, and up. Its components run as whoever runs the tests."""
    from tests.integration.conftest import running

    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    user = pwd.getpwuid(os.geteuid()).pw_name
    with running(lambda root: aws.write_boot_file(root, runWithDefault={"posixUser": user})) as runtime:
        yield runtime


@pytest.fixture
def cloud_device(cloud_runtime: Runtime, tmp_path: Path) -> Device:
    """The same, with what a developer does to it."""
    from tests.integration.device import Device

    return Device(cloud_runtime, tmp_path)
