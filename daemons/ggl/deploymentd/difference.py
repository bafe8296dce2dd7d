"""What an activation changes, for people: components with the reasons, configuration, files, roots.

Pure. This is what a dry run shows and what a generation is compared by; the words for a component are add, update
(another version), reinstall, restart, configure (it keeps running), limits, remove and keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.configuration import plain
from ggl.deploymentd.contents import RECIPES

if TYPE_CHECKING:
    from ggl.deploymentd.activation import Activation
    from ggl.deploymentd.contents import Contents
    from ggl.deploymentd.current import Current
    from ggl.deploymentd.generation import Image
    from ggl.host.unit import Unit

_ABSENT = object()


def difference(
    activation: Activation,
    image: Image,
    current: Current,
    changed: Iterable[str],
    configurations: Mapping[str, Any],
    groups: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """``image`` is that of the current generation; ``changed`` are the components that are started anew,
    ``configurations`` those that will be written, ``groups`` the roots of each group as they will be."""
    configuration = [
        entry
        for component, after in sorted(configurations.items())
        if component not in activation.removed
        for entry in _values(component, plain(current.configuration(component)), after)
    ]
    configured = {entry["component"] for entry in configuration}
    files = _files(image.contents, activation.contents)
    refiled = {path.split("/")[1] for paths in files.values() for path in paths}
    return {
        "components": _components(activation, image, current, set(changed), configured, refiled),
        "configuration": configuration,
        "files": files,
        "roots": _roots(current.groups, groups),
    }


def _components(
    activation: Activation,
    image: Image,
    current: Current,
    changed: set[str],
    configured: set[str],
    refiled: set[str],
) -> list[dict[str, Any]]:
    """``configured`` have another configuration, ``refiled`` other files."""
    entries = []
    before = current.versions
    for name, version in activation.versions.items():
        old = [unit for unit in image.units if unit.component == name]
        new = [unit for unit in activation.units if unit.component == name]
        reasons = _reasons(old, new) + (["artifacts"] if name in refiled else [])
        if name not in before:
            action, reasons = "add", []
        elif before[name] != version:
            action = "update"
        elif name in changed:
            action = "restart" if _revisions(old, "install") == _revisions(new, "install") else "reinstall"
            reasons = reasons or ["it is not up"]
        elif name in configured:
            action = "configure"
        elif "limits" in reasons:
            action = "limits"
        else:
            action = "keep"
        entries.append(
            {"component": name, "action": action, "from": before.get(name, ""), "to": version, "reasons": reasons}
        )
    for name in activation.removed:
        entries.append({"component": name, "action": "remove", "from": before.get(name, ""), "to": "", "reasons": []})
    return entries


_PARTS = (
    ("version", "version"),
    ("start", "script"),
    ("recover", "recover script"),
    ("stop", "shutdown script"),
    ("user", "user"),
    ("shell", "shell"),
    ("requires", "dependencies"),
    ("limits", "limits"),
)


def _reasons(old: list[Unit], new: list[Unit]) -> list[str]:
    """What is different about a component's units, in words."""
    if not old:
        return []
    found: dict[str, None] = {}
    before = {unit.name: unit for unit in old}
    for unit in new:
        was = before.get(unit.name)
        if was is None:
            found["install script"] = None
            continue
        parts = [word for field, word in _PARTS if getattr(was, field) != getattr(unit, field)]
        if unit.phase == "install":
            parts = ["install script" if part == "script" else part for part in parts]
        found.update(dict.fromkeys(parts))
    if set(before) - {unit.name for unit in new}:
        found["install script"] = None
    return list(found)


def _revisions(units: list[Unit], phase: str) -> list[str]:
    return [unit.revision for unit in units if unit.phase == phase]


def _roots(old: Mapping[str, Mapping[str, str]], new: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    groups = [group for group in {**old, **new} if old.get(group, {}) != new.get(group, {})]
    before = {name: version for group in groups for name, version in old.get(group, {}).items()}
    after = {name: version for group in groups for name, version in new.get(group, {}).items()}
    return {
        "group": ", ".join(groups),
        "added": {name: version for name, version in after.items() if name not in before},
        "changed": {
            name: [before[name], version] for name, version in after.items() if before.get(name, version) != version
        },
        "removed": {name: version for name, version in before.items() if name not in after},
    }


def _values(component: str, old: Any, new: Any, pointer: str = "") -> Iterable[dict[str, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from _values(component, old.get(key, _ABSENT), new.get(key, _ABSENT), place)
    elif old != new:
        entry = {"component": component, "key": pointer}
        if old is not _ABSENT:
            entry["from"] = old
        if new is not _ABSENT:
            entry["to"] = new
        yield entry


def _files(old: Contents, new: Contents) -> dict[str, list[str]]:
    def artifacts(contents: Contents) -> dict[str, str]:
        found = contents.files.items()
        return {path: file.digest for path, file in found if not path.startswith(f"{RECIPES}/")}

    before, after = artifacts(old), artifacts(new)
    return {
        "added": sorted(after.keys() - before.keys()),
        "changed": sorted(path for path in after.keys() & before.keys() if after[path] != before[path]),
        "removed": sorted(before.keys() - after.keys()),
    }
