"""What a recipe says, once it is read: plain frozen data that every later step works on.

Maps that the author fills freely (``DefaultConfiguration``, ``Lifecycle``, ``Platform``) are kept as they were written;
everything with a fixed meaning has a field here, with its default in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ggl.version import NUCLEUS, NUCLEUS_ALIAS

FORMAT_VERSION = "2020-01-25"
GENERIC = "aws.greengrass.generic"
COMPONENT_TYPES = (GENERIC, "aws.greengrass.lambda", "aws.greengrass.plugin", "aws.greengrass.nucleus")
PERMISSIONS = ("NONE", "OWNER", "ALL")
UNARCHIVE = ("NONE", "ZIP", "TAR")
_TAR_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar.xz")
DOCKER = "docker"
SCHEMES = ("s3", "greengrass", DOCKER)
DOCKER_COMPONENT = "aws.greengrass.DockerApplicationManager"
TOKEN_COMPONENT = "aws.greengrass.TokenExchangeService"

BUILT_IN = frozenset(
    {
        NUCLEUS,
        NUCLEUS_ALIAS,
        TOKEN_COMPONENT,
        DOCKER_COMPONENT,
        "aws.greengrass.Cli",
    }
)
"""Components that the runtime itself provides: a dependency on one is satisfied and has no unit to wait for."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe."""

    path: str
    """Where in the recipe, for example ``Manifests[0].Artifacts[1].URI``; empty for the file as a whole."""
    text: str
    """What is wrong and what to do about it."""
    code: str = "RECIPE_PARSE_ERROR"
    """The deployment error code of Greengrass that says this."""

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class RecipeError(ValueError):
    """A recipe cannot be used. The text is fit for a person; ``problems`` and ``code`` are for programs."""

    def __init__(self, problems: Problem | Sequence[Problem], file: str = "") -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.file = file
        where = file or "recipe"
        if len(self.problems) == 1:
            text = f"{where}: {self.problems[0]}"
        else:
            text = "\n  ".join([f"{where}: {len(self.problems)} problems", *map(str, self.problems)])
        super().__init__(text)

    @property
    def code(self) -> str:
        return self.problems[0].code


@dataclass(frozen=True)
class Dependency:
    """A component that another one needs."""

    name: str
    requirement: str
    """Version range in npm's notation; read it with ``ggl.recipe.version``."""
    hard: bool = True
    """A hard dependency must be up before the dependent starts; a soft one only has to be deployed."""


@dataclass(frozen=True)
class Artifact:
    """A file that belongs to a component."""

    uri: str
    unarchive: str = "NONE"
    read: str = "OWNER"
    execute: str = "OWNER"
    digest: str = ""
    """Base64 of the file's hash; only recipes that come from the cloud have one."""
    algorithm: str = ""

    @property
    def scheme(self) -> str:
        return self.uri.partition(":")[0].lower()

    @property
    def image(self) -> str:
        """The reference of a container image; empty for a file."""
        return self.uri.partition(":")[2] if self.scheme == DOCKER else ""

    @property
    def file_name(self) -> str:
        """Name of the file in the component's artifact directory; empty for a container image, which is no file."""
        return "" if self.scheme == DOCKER else self.uri.partition(":")[2].rpartition("/")[2]

    @property
    def unarchived_name(self) -> str:
        """Directory that an archive is unpacked to: the file's name without its last extension (``.tar.gz`` is one)."""
        if self.unarchive == "TAR" and self.file_name.lower().endswith(_TAR_SUFFIXES):
            return self.file_name.rpartition(".")[0].rpartition(".")[0] or self.file_name
        stem, dot, _ = self.file_name.rpartition(".")
        return stem if dot and stem else self.file_name

    @property
    def mode(self) -> int:
        """Permission bits of the file (and of every file unpacked from it)."""
        mode = 0o400
        if self.execute != "NONE":
            mode |= 0o550
        if self.read != "NONE":
            mode |= 0o040
        if self.execute == "ALL":
            mode |= 0o005
        if self.read == "ALL":
            mode |= 0o004
        return mode


@dataclass(frozen=True)
class Manifest:
    """What a component is on the devices that ``platform`` describes."""

    index: int
    name: str = ""
    platform: Mapping[str, str | None] = field(default_factory=dict)
    lifecycle: Mapping[str, Any] = field(default_factory=dict)
    selections: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()

    @property
    def path(self) -> str:
        return f"Manifests[{self.index}]"


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, checked."""

    name: str
    version: str
    type: str = GENERIC
    description: str = ""
    publisher: str = ""
    source: str = ""
    default_configuration: Mapping[str, Any] = field(default_factory=dict)
    dependencies: tuple[Dependency, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    lifecycle: Mapping[str, Any] = field(default_factory=dict)
    """The recipe-wide lifecycle, used by manifests that have none of their own."""
    file: str = field(default="", compare=False)
    """Where the recipe was read from, for messages."""
