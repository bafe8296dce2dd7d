"""Artifacts that are not on this device: who gets them, by the scheme of their URI.

A fetcher is a function ``(artifact, target, context)``. It writes the artifact to ``target``, whose directory exists.
What an earlier, interrupted attempt left there it may complete. It calls ``context.reserve`` with the bytes it is about
to write as soon as it knows them, ``context.patience.check`` all the while, and raises ``DeploymentError`` for what
cannot be had. Whether the file is genuine is checked by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.patience import Patience

if TYPE_CHECKING:
    from ggl.deploymentd.dataplane import DataPlane
    from ggl.paths import Root
    from ggl.recipe.model import Artifact

FETCHERS: dict[str, str] = {
    "s3": "ggl.deploymentd.fetch_s3:fetch",
    "greengrass": "ggl.deploymentd.fetch_greengrass:fetch",
}
"""Scheme to ``module:function``; the module is imported when the first artifact of its scheme is needed."""


@dataclass(frozen=True)
class Context:
    """For whom an artifact is fetched."""

    root: Root
    component: str
    version: str
    reserve: Callable[[int], None]
    """Raises ``DeploymentError`` when that many more bytes do not fit."""
    arn: str = ""
    """What the cloud calls the component version; empty for one that does not come from there."""
    patience: Patience = field(default_factory=Patience)

    @property
    def cloud(self) -> DataPlane:
        """Nothing is fetched without it."""
        assert self.patience.cloud is not None, "a device that is not provisioned fetches nothing"
        return self.patience.cloud

    def what(self, artifact: Artifact) -> str:
        return f"{self.component} {self.version}: the artifact {artifact.uri}"


def fetcher(scheme: str) -> Callable[[Artifact, Path, Context], Any] | None:
    """The fetcher of ``scheme`` (in lower case); ``None`` when there is none."""
    name = FETCHERS.get(scheme)
    if name is None:
        return None
    module, _, function = name.partition(":")
    found: Callable[[Artifact, Path, Context], Any] = getattr(import_module(module), function)
    return found
