"""What the daemons that talk to AWS share: who the device is, how AWS is reached, TLS, HTTPS, patience."""

from __future__ import annotations

from typing import Any

TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"
"""The component that stands for AWS credentials: whoever depends on it gets some."""


def needs_credentials(dependencies: Any) -> bool:
    """Whether a component wants AWS credentials. ``dependencies``: as a deployment records them, ``name:HARD``."""
    return isinstance(dependencies, list) and any(
        str(each).partition(":")[0] == TOKEN_EXCHANGE for each in dependencies
    )
