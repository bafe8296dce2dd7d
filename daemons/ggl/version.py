"""Version numbers that the runtime reports."""

from __future__ import annotations

VERSION = "0.1.0"
"""Version of ggl itself, as in pyproject.toml (a test keeps the two equal)."""

NUCLEUS = "aws.greengrass.NucleusLite"
"""The name under which the nucleus itself has its configuration and is depended on."""

NUCLEUS_ALIAS = "aws.greengrass.Nucleus"
"""What components that were written for the Java nucleus call it."""

NUCLEUS_VERSION = "2.18.0"
"""The Greengrass nucleus whose behaviour we provide: components see it as ``GGC_VERSION``, and a dependency on
``aws.greengrass.Nucleus`` is checked against it."""
