"""The versions that a deployment asks for: exact ones, not ranges."""

from __future__ import annotations

from gglcli.errors import INVALID, CliError


def require_version(component: str, version: str) -> None:
    """Raises ``CliError`` unless ``version`` is a version as a recipe has it."""
    from ggl.recipe.version import VersionError, check_version

    try:
        check_version(version)
    except VersionError as error:
        hint = "a deployment names exact versions, such as 1.0.0"
        raise CliError(f"the version of '{component}' is not one: {error}", INVALID, hint=hint) from None
