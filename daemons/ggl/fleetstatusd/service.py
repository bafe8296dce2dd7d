"""The bus interface ``gg_fleet_status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ggl.daemon import Context


def setup(context: Context) -> None:
    context.serve("gg_fleet_status", {})
