"""Which changes of the configuration have permissions read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from ggl.configd.change import Event
from ggl.configd.errors import StorageError
from ggl.configd.policies import stamping
from ggl.paths import find_root
from ggl.stamp import POLICIES, Stamp


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        (("services", "A", "configuration", "accessControl", "aws.greengrass.ipc.pubsub", "p", "resources"), True),
        (("Services", "A", "CONFIGURATION", "ACCESSCONTROL"), True),
        (("services", "A", "configuration"), True),
        (("services", "A"), True),
        (("services",), True),
        ((), True),
        (("system", "ThingName"), True),
        (("services", "A", "configuration", "x"), False),
        (("services", "A", "version"), False),
        (("system", "rootCaPath"), False),
    ],
)
def test_only_what_decides_advances_the_stamp(tmp_path: Path, path: tuple[str, ...], counts: bool) -> None:
    root = find_root(str(tmp_path))
    root.run.mkdir(parents=True)
    stamp = Stamp(root.run / POLICIES)
    before_commit = stamping(root)
    before_commit([Event(("services", "A", "configuration", "accessControl"), True)])
    before = stamp.value()
    before_commit([Event(("a",), False), Event(path, False)])
    assert (stamp.value() != before) is counts


def test_a_change_that_cannot_be_told_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=POLICIES):
        stamping(find_root(str(tmp_path / "nowhere")))([Event(("services",), True)])
