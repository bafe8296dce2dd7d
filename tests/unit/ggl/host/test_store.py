"""Units on disk."""

from __future__ import annotations

from pathlib import Path

from ggl.host import store
from ggl.host.unit import Unit


def test_a_unit_is_found_by_its_name(tmp_path: Path) -> None:
    unit = Unit("ggl.a b%", description="é")
    store.save(tmp_path, unit, True)
    assert store.load(tmp_path, "ggl.a b%") == unit
    assert store.load(tmp_path, "ggl.b") is None


def test_a_file_that_cannot_be_used_costs_only_its_unit(tmp_path: Path) -> None:
    store.save(tmp_path, Unit("ggl.a"), False)
    (tmp_path / "ggl.b.json").write_text("{")
    assert store.load(tmp_path, "ggl.b") is None
    assert list(store.load_all(tmp_path)) == [(Unit("ggl.a"), False)]
