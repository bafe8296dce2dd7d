"""YAML as configuration means it: JSON's types and nothing else.

PyYAML's own rules are those of YAML 1.1, where ``no`` is false, ``12:30`` is 750 and ``2024-01-01`` a date object. Here
a plain scalar is null, true/false, a number or a string, as in the core schema of YAML 1.2, and a key is a string.
What ``dump`` writes is read back as the same values. Imported only when there is a YAML file to read or write.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, ClassVar

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NestedTooDeep(Exception):
    """Maps and lists inside each other; libyaml would overrun its stack while composing them."""


class _Loader(_Base):  # type: ignore[misc]
    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key must be a string", key.start_mark)
                key.tag = "tag:yaml.org,2002:str"
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    base = {"0x": 16, "0o": 8}.get(text[:2], 10)
    return int(text, base)


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), [*"-+0123456789"]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    [*"-+.0123456789"],
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])


def _represent_text(dumper: Any, text: str) -> Any:
    """PyYAML writes line ends beyond ASCII as they are, and reads them back as spaces: they are escaped here."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
# A resolver adds to a copy of the table: the dumper quotes what the loader would take for something else.
_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_Loader.add_constructor("tag:yaml.org,2002:int", _construct_integer)


def parse(text: str, max_depth: int) -> Any:
    """The value of a YAML document; ``None`` for an empty one. Raises ``yaml.YAMLError`` or ``NestedTooDeep``."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > max_depth:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise NestedTooDeep(f"line {line}: nested deeper than the limit of {max_depth} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(text, Loader=_Loader)


def dump(value: Any) -> str:
    """The YAML text of a JSON value; keys keep their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False)
    return text
