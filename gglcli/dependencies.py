"""Who depends on whom, as trees of names with versions and states; read from what deployments have recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ggl.recipe.model import BUILT_IN
from gglcli import output
from gglcli.output import Cell, State, Table

Node = dict[str, Any]
"""``component``, ``type`` (HARD, SOFT, or empty at the top), ``version``, ``state``, ``children``.

``repeated`` is true when what is below it stands elsewhere already."""

PROVIDED = "built in"
ABSENT = "not deployed"


class Dependencies:
    """``services``: the configuration below ``services``. ``healths``: those of all components, by name."""

    def __init__(self, services: Mapping[str, Any], healths: Mapping[str, Mapping[str, Any]]) -> None:
        self._healths = healths
        self._needs = {name: _needs(services.get(name)) for name in healths}

    def tree(self, component: str) -> list[Node]:
        """What ``component`` depends on."""
        return self._below(component, self._needs, {component})

    def dependents(self, component: str) -> list[Node]:
        """What depends on ``component``, directly or by way of others."""
        users: dict[str, dict[str, str]] = {}
        for name, needs in self._needs.items():
            for needed, kind in needs.items():
                users.setdefault(needed, {})[name] = kind
        return self._below(component, users, {component})

    def forest(self) -> list[Node]:
        """Every component below each that depends on it; at the top is what nobody depends on."""
        needed = {name for needs in self._needs.values() for name in needs}
        shown: set[str] = set()
        top = [self._node(name, "", self._needs, shown) for name in sorted(self._healths) if name not in needed]
        # Those that need each other in a circle have no top.
        top += [self._node(name, "", self._needs, shown) for name in sorted(self._healths) if name not in shown]
        return top

    def _below(self, component: str, edges: Mapping[str, Mapping[str, str]], shown: set[str]) -> list[Node]:
        found = sorted(edges.get(component, {}).items())
        return [self._node(name, kind, edges, shown) for name, kind in found]

    def _node(self, name: str, kind: str, edges: Mapping[str, Mapping[str, str]], shown: set[str]) -> Node:
        health = self._healths.get(name, {})
        known = PROVIDED if name in BUILT_IN else ABSENT
        node: Node = {
            "component": name,
            "type": kind,
            "version": health.get("version", ""),
            "state": health.get("state", known),
            "children": [],
        }
        if name in shown:
            node["repeated"] = bool(edges.get(name))
        else:
            shown.add(name)
            node["children"] = self._below(name, edges, shown)
        return node


def tree_table(nodes: Iterable[Node], first_column: str, empty: str = "") -> Table:
    """The trees as a table: lines connect the names on a terminal, two spaces a level indent them in a pipe."""
    rows: list[list[Cell]] = []
    _add_rows(list(nodes), "", rows, output.on_terminal(), top=True)
    return Table([first_column, "TYPE", "VERSION", "STATE"], rows, empty=empty)


def _add_rows(nodes: list[Node], indent: str, rows: list[list[Cell]], lines: bool, top: bool = False) -> None:
    for number, node in enumerate(nodes, 1):
        last = number == len(nodes)
        branch, below = "", ""
        if not top:
            branch, below = (("└─ " if last else "├─ "), ("   " if last else "│  ")) if lines else ("  ", "  ")
        name = f"{indent}{branch}{node['component']}{' …' if lines and node.get('repeated') else ''}"
        rows.append([name, node["type"] or None, node["version"] or None, State(node["state"])])
        _add_rows(node["children"], indent + below, rows, lines)


def _needs(service: Any) -> dict[str, str]:
    """``name:HARD`` as it stands in the configuration, as name and type."""
    recorded = service.get("dependencies") if isinstance(service, dict) else None
    pairs = (str(each).rpartition(":") for each in (recorded if isinstance(recorded, list) else []))
    return {name: kind for name, _, kind in pairs if name}
