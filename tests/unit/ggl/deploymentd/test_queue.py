"""The queue of deployments and its durable records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ggl.bus.errors import BusError, ErrorCode
from ggl.deploymentd import queue as queue_module
from ggl.deploymentd.journal import Journal
from ggl.deploymentd.queue import INPUTS, LAST, TABLE, AlreadyKnown, Canceled, GivesWay, Queue, QueueFull
from ggl.deploymentd.record import CANCELED, FAILED, IN_PROGRESS, IOT_JOBS, SUCCEEDED, Deployment


class Disk:
    """Records that outlive a queue."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], Any] = {}

    def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Any = None) -> None:
        for each in operations:
            place = each["table"], each["key"]
            if each["op"] == "put":
                self.stored[place] = each["value"]
            else:
                self.stored.pop(place, None)

    def get(self, table: str, key: str) -> Any:
        return self.stored.get((table, key))

    def scan(self, table: str) -> list[tuple[str, Any]]:
        return sorted((key, value) for (where, key), value in self.stored.items() if where == table)


def deployment(name: str, **more: Any) -> Deployment:
    return Deployment(name, created=1000, **more)


def restarted(disk: Disk) -> Queue:
    queue = Queue()
    queue.load(disk)
    return queue


def next_id(queue: Queue) -> str:
    found = queue.next()
    return found.deployment_id if found else ""


def test_deployments_are_taken_up_in_the_order_they_came() -> None:
    disk, queue = Disk(), Queue()
    for name in ("z", "a", "m"):
        queue.add(disk, deployment(name), {})
    order = []
    while found := queue.next():
        order.append(found.deployment_id)
        queue.update(disk, found.deployment_id, status=SUCCEEDED)
    assert order == ["z", "a", "m"]
    assert queue.is_idle


def test_a_restarted_daemon_goes_on_with_the_interrupted_one_and_then_in_order() -> None:
    disk, queue = Disk(), Queue()
    for name in ("z", "a", "m"):
        queue.add(disk, deployment(name), {})
    queue.update(disk, "a", status=IN_PROGRESS, step="start", changed=("C",), failure={"cause": "x"})
    queue = restarted(disk)
    assert queue.next() == deployment(
        "a", writes=2, sequence=2, status=IN_PROGRESS, step="start", changed=("C",), failure={"cause": "x"}
    )
    queue.update(disk, "a", status=FAILED)
    assert next_id(queue) == "z"
    queue.add(disk, deployment("b"), {})
    assert [known.deployment_id for known in restarted(disk).everything()] == ["z", "a", "m", "b"]


def test_progress_that_is_only_shown_is_not_kept() -> None:
    disk, seen = Disk(), list[Deployment]()
    queue = Queue(seen.append)
    queue.add(disk, deployment("a"), {})
    queue.update(None, "a", states={"C": "STARTING"})
    queue.update(None, "a", states={"C": "STARTING"})
    assert [known.states for known in seen] == [{}, {"C": "STARTING"}]
    assert disk.stored[TABLE, "a"]["states"] == {}


def test_what_the_disk_refuses_has_not_happened() -> None:
    class Full(Disk):
        def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Any = None) -> None:
            raise OSError("full")

    queue = Queue()
    with pytest.raises(OSError, match="full"):
        queue.add(Full(), deployment("a"), {})
    assert queue.everything() == []


def test_only_the_last_deployments_that_are_over_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "HISTORY", 2)
    disk, queue = Disk(), Queue()
    for name in ("a", "b", "c", "d", "e"):
        queue.add(disk, deployment(name), {})
        if name != "a":
            queue.update(disk, name, status=SUCCEEDED)
    queue.prune(disk)
    assert [known.deployment_id for known in restarted(disk).everything()] == ["a", "d", "e"]


def test_the_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "MAX_QUEUED", 1)
    queue = Queue()
    queue.add(Disk(), deployment("a"), {})
    with pytest.raises(QueueFull):
        queue.add(Disk(), deployment("b"), {})


def test_a_damaged_record_does_not_stop_the_others() -> None:
    disk = Disk()
    disk.stored = {(TABLE, "x"): 5, (TABLE, "y"): {"status": 1}, (TABLE, "z"): deployment("z").to_dict()}
    assert [known.deployment_id for known in restarted(disk).everything()] == ["z"]


def test_one_that_waits_is_canceled_at_once_and_what_it_was_made_from_goes() -> None:
    disk, queue = Disk(), Queue()
    queue.add(disk, deployment("a"), {"request": {}})
    assert queue.cancel(disk, "a")
    assert restarted(disk).get("a") == queue.get("a")
    assert queue.get("a").status == CANCELED  # type: ignore[union-attr]
    assert (INPUTS, "a") not in disk.stored


def test_one_that_runs_is_canceled_until_the_step_that_changes_something() -> None:
    disk, queue = Disk(), Queue()
    queue.add(disk, deployment("a"), {})
    queue.update(disk, "a", status=IN_PROGRESS, step="resolve")
    assert queue.cancel(disk, "a")
    queue = restarted(disk)  # it was promised, so it holds over a restart
    queue.update(disk, "a", step="prepare")
    with pytest.raises(Canceled):
        queue.update(disk, "a", step="stop")
    queue.update(disk, "a", canceling=False)
    queue.update(disk, "a", step="stop")
    assert not queue.cancel(disk, "a")
    assert not queue.get("a").canceling  # type: ignore[union-attr]


def test_one_that_was_canceled_while_it_was_taken_up_stays_so() -> None:
    disk, queue = Disk(), Queue()
    queue.add(disk, deployment("a"), {})
    taken_up = queue.next()
    assert taken_up is not None
    queue.cancel(disk, "a")
    with pytest.raises(Canceled):
        queue.update(disk, "a", status=IN_PROGRESS)
    assert restarted(disk).get("a").status == CANCELED  # type: ignore[union-attr]


def test_an_id_can_be_deployed_again_when_the_deployment_is_over() -> None:
    disk, queue = Disk(), Queue()
    queue.add(disk, deployment("a"), {})
    with pytest.raises(AlreadyKnown):
        queue.add(disk, deployment("a"), {})
    queue.update(disk, "a", status=SUCCEEDED)
    queue.add(disk, deployment("a"), {})
    assert next_id(queue) == "a"


def test_a_write_whose_answer_was_lost_is_recognised_and_what_is_stored_counts() -> None:
    class Forgetful(Disk):
        """Does what it is told, and says that it did not answer in time."""

        def transaction(self, operations: Sequence[Mapping[str, Any]], is_done: Any = None) -> None:
            super().transaction(operations)
            assert is_done is None or is_done()
            raise BusError(ErrorCode.TIMEOUT, "late")

    disk, late, queue = Disk(), Forgetful(), Queue()
    queue.add(disk, deployment("a"), {})
    late.stored = disk.stored
    with pytest.raises(BusError):
        queue.update(late, "a", status=SUCCEEDED)
    assert next_id(queue) == "a"
    queue.refresh(disk, "a")
    assert queue.is_idle
    assert queue.get("a") == restarted(disk).get("a")


def test_one_that_waits_for_the_network_gives_way_to_local_ones_and_goes_on_after_them() -> None:
    disk, queue = Disk(), Queue()
    queue.add(disk, deployment("job", type=IOT_JOBS), {})
    queue.add(disk, deployment("later", type=IOT_JOBS), {})
    queue.update(disk, "job", status=IN_PROGRESS, step="resolve")
    journal = Journal(queue, disk, "job")
    journal.sleep(0.01, patiently=True)  # nobody wants to go first
    for name in ("mine", "mine too"):
        queue.add(disk, deployment(name), {})
    assert next_id(queue) == "job"
    journal.sleep(0.01)
    with pytest.raises(GivesWay):
        journal.sleep(60.0, patiently=True)
    assert next_id(queue) == "mine"
    queue.update(disk, "mine", status=IN_PROGRESS, step="wait")
    assert next_id(restarted(disk)) == "mine"
    queue.update(disk, "mine", status=SUCCEEDED)
    assert next_id(queue) == "mine too"
    queue.cancel(disk, "mine too")
    assert next_id(queue) == "job"
    queue.update(disk, "job", status=SUCCEEDED)
    assert next_id(queue) == "later"


def test_the_one_whose_status_changed_last_is_a_record_for_those_who_ask_often() -> None:
    disk, queue = Disk(), Queue()
    for name in ("z", "a"):
        queue.add(disk, deployment(name), {})
    queue.update(disk, "z", status=SUCCEEDED, finished=2000)
    queue.update(disk, "a", message="only words")
    assert disk.get(LAST, LAST) == {
        "deployment_id": "z",
        "name": "",
        "type": "LOCAL",
        "status": SUCCEEDED,
        "created": 1000,
        "finished": 2000,
    }
