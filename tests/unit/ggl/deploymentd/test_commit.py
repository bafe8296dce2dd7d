"""What is written about the present generation when a deployment begins, and whether it can be kept at all."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.wire import MAX_FRAME, pack
from ggl.configd.errors import LimitExceeded
from ggl.configd.limits import check_record
from ggl.configd.store import PutRecord, open_store
from ggl.configdb import MAX_RECORD_NODES, MAX_RECORD_SIZE, encode
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.commit import image_after, leave_operations
from ggl.deploymentd.current import Current
from ggl.deploymentd.generation import IMAGES, Generation, Generations, Image, image_fits, services_to_keep
from ggl.host.unit import Unit


def leaf(value: Any) -> Any:
    return {"v": value, "t": 1_760_000_000_000}


def parts(number: int) -> Image:
    """An image of ``number`` maps, lists and scalars."""
    frame = 4  # itself, services, units, contents
    inside = len(Image().contents.to_dict())
    return Image({"A": [0] * (number - frame - inside - 1)})


def size(number: int) -> Image:
    """An image of ``number`` bytes."""
    return Image({"A": "x" * (number - len(encode(Image({"A": ""}).to_dict())))})


CONFIGURATION = {"configuration": {"k": leaf(1)}, "version": leaf("1.0.0"), "lifecycle": {"run": leaf("true")}}
SERVICES = {
    "A": {**CONFIGURATION, "runtime": {"big": leaf("x" * 99)}, "_private": {"secret": leaf("x")}},
    "Unknown": CONFIGURATION,
    "main": {"dependencies": leaf(["A"])},
    "aws.greengrass.NucleusLite": {"configuration": {"k": leaf(2)}, "runtime": {"big": leaf(1)}},
    "DeploymentService": {
        "GroupToRootComponents": {"g": {"A": {"version": leaf("1.0.0")}}},
        "GroupToLastDeployment": {"g": {"timestamp": leaf(1)}},
    },
}
KEPT = {
    "A": CONFIGURATION,
    "aws.greengrass.NucleusLite": {"configuration": {"k": leaf(2)}},
    "DeploymentService": {"GroupToRootComponents": {"g": {"A": {"version": leaf("1.0.0")}}}},
}
PRESENT = Generations({1: Generation(1, components={"A": "1.0.0"})}, 1)


def test_an_image_keeps_of_the_configuration_what_going_back_needs() -> None:
    assert services_to_keep(SERVICES, ("A", "Gone")) == KEPT
    assert services_to_keep({"DeploymentService": leaf(1)}, ("A",)) == {}


def test_the_present_generation_is_left_with_what_components_have_stored() -> None:
    made = Image({"A": {}}, (Unit("ggl.A", "A"),))
    written = {each["table"]: each["value"] for each in leave_operations(PRESENT, made, Current(SERVICES))}
    assert written[IMAGES] == {**made.to_dict(), "services": KEPT}


def test_what_will_be_kept_is_known_before_anything_is_done() -> None:
    version = ["services", "B", "version"]
    activation = Activation(
        versions={"B": "2.0.0"},
        units=(Unit("ggl.B", "B"),),
        operations=({"op": "write", "key_path": version, "value": "2.0.0", "timestamp": 5},),
        commit=({"op": "delete", "key_path": ["services", "A"]},),
    )
    kept = {**KEPT, "B": {"version": {"v": "2.0.0", "t": 5}}}
    del kept["A"]
    assert image_after(activation, Current(SERVICES)) == Image(kept, activation.units, activation.contents)


@pytest.mark.parametrize("generations", [PRESENT, Generations({}, 0)])
def test_what_has_grown_too_large_keeps_no_deployment_from_beginning(
    generations: Generations, capfd: pytest.CaptureFixture[str]
) -> None:
    large = {"A": {"version": leaf("1.0.0"), "configuration": {f"k{n}": leaf("x" * 2**20) for n in range(21)}}}
    operations = leave_operations(generations, Image() if generations.known else None, Current(large))
    assert IMAGES not in [each["table"] for each in operations]
    assert "the configuration is too large to be kept as it is now" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        (size(MAX_RECORD_SIZE), True),
        (size(MAX_RECORD_SIZE + 1), False),
        (parts(MAX_RECORD_NODES), True),
        (parts(MAX_RECORD_NODES + 1), False),
    ],
)
def test_an_image_fits_exactly_when_the_configuration_daemon_takes_it(tmp_path: Path, image: Image, fits: bool) -> None:
    assert image_fits(image) is fits
    with closing(open_store(tmp_path / "config.db")) as store:
        taken = True
        try:
            check_record(IMAGES, "1", image.to_dict())
            store.apply([PutRecord(IMAGES, "1", image.to_dict())])
        except LimitExceeded:
            taken = False
    assert taken is fits


def test_the_largest_record_leaves_room_in_a_frame_for_the_deployment() -> None:
    """Short fractions are what grows most on the bus: 4 bytes of text, 9 there."""
    fractions = [0.5] * (MAX_RECORD_NODES - 3)
    record = {"n": fractions, "s": "x" * (MAX_RECORD_SIZE - len(encode({"n": fractions, "s": ""})))}
    assert len(encode(record)) == MAX_RECORD_SIZE
    assert len(pack([0, 1, "transaction", [record, ""]])) < MAX_FRAME - 2**20
