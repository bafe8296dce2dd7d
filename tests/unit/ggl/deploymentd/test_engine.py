"""What the engine does when the configuration store does not take what it should keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import cloud_report, rollback
from ggl.deploymentd import engine as engine_module
from ggl.deploymentd.activation import Activation
from ggl.deploymentd.current import Current
from ggl.deploymentd.engine import MAX_ATTEMPTS, Engine
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.generation import IMAGES, Generation, Generations, Image
from ggl.deploymentd.journal import Journal
from ggl.deploymentd.queue import ACTIVATIONS, Queue
from ggl.deploymentd.record import Deployment
from ggl.paths import find_root


class Runtime:
    """Nothing runs on it, and its disk takes small records only."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Any = None) -> None:
        for each in operations:
            if each["op"] == "put" and each["table"] in (ACTIVATIONS, IMAGES):
                self.refused.append(each["table"])
                raise BusError(ErrorCode.NOMEM, "no space left")

    def get(self, _table: str, _key: str) -> Any:
        return Activation(touched=("App",)).to_dict()

    def generations(self) -> Generations:
        return Generations({1: Generation(1)}, 1)

    def image(self, _number: int) -> Image:
        return Image()

    def current(self) -> Current:
        return Current()

    def thing_name(self) -> str:
        return ""

    def units(self) -> dict[str, Any]:
        return {}

    def unload(self, names: Any) -> None:
        assert not list(names)

    def check_not_stopping(self) -> None:
        pass


def test_a_way_back_that_cannot_be_written_is_tried_again_and_at_last_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollback, "undo", lambda *_: Activation())
    runtime: Any = Runtime()
    queue = Queue()
    deployment = Deployment("d", created=1, base=1, policy="ROLLBACK", changed=("App",))
    queue.add(runtime, deployment, {})
    queue.update(runtime, "d", status="IN_PROGRESS", step="wait", attempts=MAX_ATTEMPTS - 1)
    engine = Engine(find_root(str(tmp_path)), runtime, Journal(queue, runtime, "d"))
    monkeypatch.setattr(engine, "_wait", lambda: (_ for _ in ()).throw(OSError(5, "broken")))
    with pytest.raises(BusError, match="no space left"):
        engine.run()
    assert queue.get("d").status == "IN_PROGRESS"  # type: ignore[union-attr]
    for _ in range(2 * MAX_ATTEMPTS):
        with suppress(BusError):
            engine.run()
    over = queue.get("d")
    assert over is not None
    assert (over.status, over.detailed_status) == ("FAILED", "FAILED_UNABLE_TO_ROLLBACK")
    assert "and the way back failed: the runtime could not do it: no space left" in over.cause
    assert set(runtime.refused) == {ACTIVATIONS, IMAGES}


def test_one_that_is_requested_again_at_once_is_left_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime: Any = Runtime()
    queue = Queue()
    told = []

    def ask_again(_runtime: Any, deployment: Deployment) -> None:
        told.append(deployment.status)
        queue.add(runtime, Deployment("d", created=2, request_id="again"), {})

    monkeypatch.setattr(cloud_report, "tell_over", ask_again)
    monkeypatch.setattr(engine_module, "prepare", lambda *_: (_ for _ in ()).throw(DeploymentError("no", "X")))
    queue.add(runtime, Deployment("d", created=1), {})
    Engine(find_root(str(tmp_path)), runtime, Journal(queue, runtime, "d")).run()
    again = queue.get("d")
    assert again is not None
    assert (told, again.status, again.request_id) == (["FAILED"], "QUEUED", "again")


def test_an_outcome_that_cannot_be_kept_as_a_whole_is_kept_in_short(tmp_path: Path) -> None:
    class Strict(Runtime):
        """Takes no record with a long cause."""

        def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Any = None) -> None:
            if any(len(each["value"].get("cause", "")) > 2000 for each in operations if each["op"] == "put"):
                raise BusError(ErrorCode.RANGE, "the record is too large")

        def get(self, table: str, key: str) -> Any:
            return {"document": {"deploymentId": "x" * 5000}}

    runtime: Any = Strict()
    queue = Queue()
    queue.add(runtime, Deployment("d", created=1, roots={"A": "1.0.0"}), {})
    engine = Engine(find_root(str(tmp_path)), runtime, Journal(queue, runtime, "d"))
    engine._fail(DeploymentError("x" * 5000, "COMPONENT_UPDATE_ERROR"))
    over = queue.get("d")
    assert over is not None
    assert (over.status, over.detailed_status, len(over.cause)) == ("FAILED", "FAILED_NO_STATE_CHANGE", 1000)
    assert over.error_stack == ("DEPLOYMENT_FAILURE", "COMPONENT_UPDATE_ERROR")
