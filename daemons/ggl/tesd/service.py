"""The bus interface ``aws_iot_tes``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ggl.daemon import Context


def setup(context: Context) -> None:
    context.serve("aws_iot_tes", {})
