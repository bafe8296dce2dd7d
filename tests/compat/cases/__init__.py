"""Every case.

Those that list deployments come before the many that make some: a client with small buffers takes no long lists.
"""

from __future__ import annotations

from tests.compat.case import Case
from tests.compat.cases import (
    cloud,
    components,
    configuration,
    deployments,
    iot_core,
    messages,
    policies,
    runtime,
    streams,
)

CASES: tuple[Case, ...] = (
    *configuration.CASES,
    *messages.CASES,
    *policies.CASES,
    *components.CASES,
    *deployments.CASES,
    *runtime.CASES,
    *cloud.CASES,
    *iot_core.CASES,
    *streams.CASES,
)
