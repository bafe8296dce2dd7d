"""The fixtures of the integration tests serve here too, on this machine's systemd."""

from __future__ import annotations

from tests.integration.conftest import (  # noqa: F401
    another_port,
    device,
    port,
    pytest_collection_modifyitems,
    pytest_configure,
    runtime,
)
