"""References of container images: ``[registry/]name[:tag][@digest]``.

https://github.com/distribution/reference has the grammar. An image is never named by an id: that means something only
on the device that has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_REGISTRY = "docker.io"
LATEST = "latest"

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(rf"{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_AMAZON = r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov)"
_ECR = re.compile(rf"[0-9]{{12}}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.{_AMAZON}")
"""Nobody else is given the password of this device's account."""
_LONGEST = 255


@dataclass(frozen=True)
class Image:
    """``reference``: as it was written. ``registry``: a host with an optional port. ``tag`` and ``digest`` may be
    empty."""

    reference: str
    registry: str
    name: str
    tag: str
    digest: str

    @property
    def is_floating(self) -> bool:
        """Whether the same reference may well mean another image tomorrow."""
        return not self.digest and self.tag in ("", LATEST)

    @property
    def ecr_region(self) -> str:
        """The AWS region of a private registry of Amazon ECR; empty for every other registry."""
        found = _ECR.fullmatch(self.registry)
        return found[1] if found else ""


def parse_image(reference: str) -> Image | None:
    """``None`` for what is no reference."""
    if len(reference) > _LONGEST:
        return None
    rest, at, digest = reference.partition("@")
    folder, slash, last = rest.rpartition("/")
    last, colon, tag = last.partition(":")
    parts = [*folder.split("/"), last] if slash else [last]
    registry = DEFAULT_REGISTRY
    # What comes first is a registry if it can be nothing else.
    if slash and ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost"):
        registry = parts.pop(0)
    if not _REGISTRY.fullmatch(registry) or not all(_PART.fullmatch(part) for part in parts):
        return None
    if (colon and not _TAG.fullmatch(tag)) or (at and not _DIGEST.fullmatch(digest)):
        return None
    return Image(reference, registry, "/".join(parts), tag, digest)
