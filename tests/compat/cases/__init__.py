"""Every case, in the order of the table's rows."""

from __future__ import annotations

from tests.compat.case import Case
from tests.compat.cases import (
    cloud,
    components,
    configuration,
    deployments,
    messages,
    policies,
    runtime,
    streams,
)

CASES: tuple[Case, ...] = (
    *configuration.CASES,
    *messages.CASES,
    *components.CASES,
    *deployments.CASES,
    *policies.CASES,
    *runtime.CASES,
    *cloud.CASES,
    *streams.CASES,
)
