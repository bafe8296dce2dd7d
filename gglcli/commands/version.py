"""``ggl version``."""

from __future__ import annotations


def version() -> None:
    """Show the version of ggl, and of the Greengrass nucleus it behaves like.

    Examples:
      ggl version
      ggl version --json
    """
    from gglcli.version import show_version

    show_version()
