"""Generations: what ran on this device, each with everything that is needed to let it run again.

Every applied deployment makes one. A generation has a summary (who, when, what) and an image: the configuration, the
units and the files. The image's configuration is the one that the deployment left; when the next deployment begins it
is replaced by the one of that moment, so that going back does not lose what components have stored meanwhile.
Generation 0 is the device before its first deployment.

One generation is current. Going back makes another one current and changes no generation; the next deployment's
generation then has that one as its parent. So a generation's ancestors are what really ran before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ggl.configdb import MAX_RECORD_NODES, MAX_RECORD_SIZE, encode
from ggl.deploymentd.activation import units_from
from ggl.deploymentd.configuration import Stamped, is_leaf
from ggl.deploymentd.contents import Contents
from ggl.deploymentd.current import GROUPS_PATH
from ggl.host.unit import Unit
from ggl.log import get_logger
from ggl.recipe.model import BUILT_IN
from ggl.values import InvalidValue, get_bool, get_dict, get_int, get_str, get_str_list

SUMMARIES = "generations"
IMAGES = "generation-images"
CURRENT = "current"
"""The key of the record that says which one is current."""
DEFAULT_KEEP = 3
"""Generations that are kept, the current one included, where the configuration does not say."""

NOT_PUT_BACK = ("runtime", "_private")
"""What a component has under these names is its own business: it is in no image."""

_log = get_logger("deployment")


@dataclass(frozen=True)
class Generation:
    """The summary. ``created`` is milliseconds since the epoch."""

    number: int
    parent: int = -1
    created: int = 0
    good: bool = True
    """Everything came up when it was applied."""
    broken: tuple[str, ...] = ()
    """What did not."""
    deployment_id: str = ""
    type: str = ""
    name: str = ""
    by: str = ""
    group: str = ""
    components: Mapping[str, str] = field(default_factory=dict)
    """Name to version, each after those it depends on."""
    requirements: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The version ranges that a component requires of others."""
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    """The components that differ from the parent in anything a deployment decides."""

    def to_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Generation:
        """Raises ``InvalidValue``."""
        return Generation(
            number=get_int(data, "number"),
            parent=get_int(data, "parent", -1),
            created=get_int(data, "created", 0),
            good=get_bool(data, "good", True),
            broken=tuple(get_str_list(data, "broken", [])),
            deployment_id=get_str(data, "deployment_id", ""),
            type=get_str(data, "type", ""),
            name=get_str(data, "name", ""),
            by=get_str(data, "by", ""),
            group=get_str(data, "group", ""),
            components=get_dict(data, "components", {}),
            requirements=get_dict(data, "requirements", {}),
            changed=tuple(get_str_list(data, "changed", [])),
            removed=tuple(get_str_list(data, "removed", [])),
            touched=tuple(get_str_list(data, "touched", [])),
        )


@dataclass(frozen=True)
class Image:
    """What makes a generation run: ``services`` is that subtree of the configuration, with timestamps, as far as
    ``services_to_keep`` goes."""

    services: Stamped = field(default_factory=dict)
    units: tuple[Unit, ...] = ()
    contents: Contents = field(default_factory=Contents)

    def to_dict(self) -> dict[str, Any]:
        return {
            "services": self.services,
            "units": [unit.to_dict() for unit in self.units],
            "contents": self.contents.to_dict(),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Image:
        """Raises ``InvalidValue``."""
        return Image(
            get_dict(data, "services"), units_from(data, "units"), Contents.from_dict(get_dict(data, "contents"))
        )


@dataclass(frozen=True)
class Generations:
    """All summaries by number, and which one is current; before the first deployment that is generation 0."""

    known: Mapping[int, Generation]
    current: int = 0

    def get(self, number: int) -> Generation | None:
        return self.known.get(number)

    @property
    def next_number(self) -> int:
        return max(self.known, default=0) + 1

    def ancestors(self, number: int) -> list[Generation]:
        """The generations that ran before ``number``, the nearest first, as far as they are known."""
        found: list[Generation] = []
        seen = {number}
        generation = self.known.get(number)
        while generation is not None and generation.parent not in seen:
            seen.add(generation.parent)
            generation = self.known.get(generation.parent)
            if generation is not None:
                found.append(generation)
        return found

    def touched_between(self, one: int, other: int) -> set[str] | None:
        """The components that a deployment changed on the way from one generation to the other; ``None`` when a
        generation on that way is not known any more."""
        above = {generation.number for generation in self.ancestors(one)} | {one}
        common = next((each for each in self._chain(other) if each in above), None)
        if common is None:
            return None
        touched: set[str] = set()
        for end in (one, other):
            for number in self._chain(end):
                if number == common:
                    break
                touched.update(self.known[number].touched)
        return touched

    def outdated(self, keep: int) -> list[int]:
        """The numbers of those that need not be kept: all but the current one and its nearest ancestors, ``keep`` of
        them altogether."""
        kept = self._chain(self.current)[: max(1, keep)]
        return [number for number in self.known if number not in kept]

    def _chain(self, number: int) -> list[int]:
        return [number, *(generation.number for generation in self.ancestors(number))]


def key_of(number: int) -> str:
    return f"{number:08d}"


def read_generations(records: Iterable[tuple[str, Any]]) -> Generations:
    """What the records of table ``SUMMARIES`` say. One that cannot be read is left out."""
    known: dict[int, Generation] = {}
    current = 0
    for key, value in records:
        try:
            if not isinstance(value, dict):
                raise InvalidValue("it is no map")
            if key == CURRENT:
                current = get_int(value, "number")
            else:
                generation = Generation.from_dict(value)
                known[generation.number] = generation
        except InvalidValue as error:
            _log.error("the record of generation %s cannot be read and is ignored: %s", key, error)
    return Generations(known, current)


def services_to_keep(services: Stamped, components: Iterable[str]) -> Stamped:
    """What going back to a generation of ``components`` needs of ``services``: theirs, the configuration of what is
    built in, and the roots of the groups."""
    kept: Stamped = {}
    for name in (*components, *sorted(BUILT_IN)):
        node = services.get(name)
        if node is not None:
            kept[name] = {key: child for key, child in node.items() if key not in NOT_PUT_BACK}
    _, holder, groups = GROUPS_PATH
    node = services.get(holder, {})
    if not is_leaf(node) and groups in node:
        kept[holder] = {groups: node[groups]}
    return kept


def image_fits(image: Image) -> bool:
    """Whether the configuration daemon takes ``image`` as a record."""
    data = image.to_dict()
    return _count(data) <= MAX_RECORD_NODES and len(encode(data)) <= MAX_RECORD_SIZE


def _count(value: Any) -> int:
    """Maps, lists and scalars."""
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def put_operations(generation: Generation, image: Image | None = None) -> list[dict[str, Any]]:
    """The operations that keep a generation."""
    key = key_of(generation.number)
    operations = [{"op": "put", "table": SUMMARIES, "key": key, "value": generation.to_dict()}]
    if image is not None:
        operations.append({"op": "put", "table": IMAGES, "key": key, "value": image.to_dict()})
    return operations


def current_operation(number: int) -> dict[str, Any]:
    return {"op": "put", "table": SUMMARIES, "key": CURRENT, "value": {"number": number}}


def drop_operations(numbers: Iterable[int]) -> list[dict[str, Any]]:
    tables = (SUMMARIES, IMAGES)
    return [{"op": "drop", "table": table, "key": key_of(number)} for number in numbers for table in tables]
