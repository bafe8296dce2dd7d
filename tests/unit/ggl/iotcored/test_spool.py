from collections.abc import Callable
from pathlib import Path

import pytest

from ggl.iotcored import disk
from ggl.iotcored import spool as memory
from ggl.iotcored.disk import DiskSpool
from ggl.iotcored.message import Message
from ggl.iotcored.spool import Entry, MemorySpool, Spool, SpoolFull

Make = Callable[[int], Spool]


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "memory":
        return MemorySpool
    return lambda limit: DiskSpool(tmp_path / "spool" / "spooler.db", limit)


def message(text: str, qos: int = 1) -> Message:
    return Message("a/b", text.encode(), qos)


def taken(spool: Spool) -> Entry:
    entry = spool.take()
    assert entry is not None
    return entry


def texts(spool: Spool) -> list[str]:
    found = []
    while (entry := spool.take()) is not None:
        found.append(entry.message.payload.decode())
    return found


def test_messages_come_in_order_and_stay_until_they_are_removed(make: Make) -> None:
    spool = make(1000)
    for text in "abc":
        spool.add(message(text))
    first = taken(spool)
    assert (first.message.payload, spool.messages, spool.size) == (b"a", 3, 3)
    spool.remove(first.number)
    assert (spool.messages, spool.size) == (2, 2)
    assert texts(spool) == ["b", "c"]
    assert spool.take() is None


def test_what_was_put_back_comes_first_again(make: Make) -> None:
    spool = make(1000)
    for text in "abcd":
        spool.add(message(text))
    under_way = [taken(spool), taken(spool)]
    for entry in reversed(under_way):
        spool.put_back(entry)
    assert texts(spool) == ["a", "b", "c", "d"]


def test_when_it_is_full_the_oldest_of_qos_0_go_first(make: Make) -> None:
    spool = make(10)
    for text, qos in (("000", 0), ("1111", 1), ("222", 0)):
        spool.add(message(text, qos))
    spool.add(message("33"))
    assert spool.size == 9
    with pytest.raises(SpoolFull, match=r"maxSizeInBytes \(10\)"):
        spool.add(message("5555555", 0))
    assert texts(spool) == ["1111", "33"]


def test_what_is_under_way_is_not_dropped(make: Make) -> None:
    spool = make(10)
    spool.add(message("000000", 0))
    under_way = taken(spool)
    with pytest.raises(SpoolFull):
        spool.add(message("11111"))
    spool.put_back(under_way)
    spool.add(message("11111"))
    assert texts(spool) == ["11111"]


def test_messages_of_qos_0_can_be_dropped_all_at_once(make: Make) -> None:
    spool = make(1000)
    for number in range(30):
        spool.add(message(str(number), number % 2))
    under_way = taken(spool)
    assert under_way.message.qos == 0
    assert spool.drop_qos0() == 14
    assert texts(spool) == [str(number) for number in range(1, 30, 2)]
    spool.remove(under_way.number)
    assert spool.messages == 15


class TestDisk:
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "spool" / "spooler.db"

    def test_messages_outlive_the_process_with_all_they_have(self, tmp_path: Path) -> None:
        properties = {
            "message_expiry": 60,
            "correlation_data": b"\0\1",
            "response_topic": "r",
            "payload_format": 1,
            "content_type": "text/plain",
            "user_properties": [["k", "v"], ["k", "w"]],
        }
        whole = Message("t", b"\xff", 1, True, properties)
        spool = DiskSpool(self.path(tmp_path), 1000)
        numbers = [spool.add(each) for each in (message("a"), whole, message("c"))]
        taken(spool)
        spool.remove(numbers[0])
        spool.commit()  # and then it is killed
        again = DiskSpool(self.path(tmp_path), 1000)
        assert (again.messages, again.size) == (2, spool.size)
        found = taken(again)
        assert found.message == whole
        assert again.add(message("d")) > numbers[-1]
        assert texts(again) == ["c", "d"]

    def test_a_damaged_database_is_set_aside(self, tmp_path: Path) -> None:
        path = self.path(tmp_path)
        path.parent.mkdir()
        path.write_bytes(b"SQLite format 3\0" + b"x" * 8192)
        spool = DiskSpool(path, 1000)
        spool.add(message("a"))
        assert texts(spool) == ["a"]
        assert (path.parent / "spooler.db.damaged").read_bytes().startswith(b"SQLite format 3\0xxx")

    def test_what_cannot_be_written_is_kept_in_memory_in_its_place(self, tmp_path: Path) -> None:
        spool = DiskSpool(self.path(tmp_path), 100_000_000)
        spool.add(message("a"))
        spool.commit()
        spool.add(message("bb"))
        under_way = taken(spool), taken(spool)
        spool.add(message("ccc"))
        spool._db.execute("PRAGMA max_page_count = 8")  # a disk that is full
        spool.add(message("x" * 100_000))
        spool._db.execute("PRAGMA max_page_count = 100000")
        spool.add(message("d"))
        spool.commit()
        assert spool.messages == 5
        for entry in reversed(under_way):
            spool.put_back(entry)
        assert [len(text) for text in texts(spool)] == [1, 2, 3, 100_000, 1]
        for number in range(1, 6):
            spool.remove(number)
        assert (spool.messages, spool.size) == (0, 0)

    def test_a_place_where_nothing_can_be_written_is_no_end(self, tmp_path: Path) -> None:
        (tmp_path / "spool").write_text("a file where a directory should be")
        spool = DiskSpool(self.path(tmp_path), 1000)
        spool.add(message("a"))
        assert texts(spool) == ["a"]

    def test_a_database_of_the_greengrass_component_is_understood(self, tmp_path: Path) -> None:
        import sqlite3

        path = self.path(tmp_path)
        path.parent.mkdir()
        with sqlite3.connect(path) as database:
            database.execute(
                "CREATE TABLE spooler (message_id INTEGER PRIMARY KEY, retried INTEGER NOT NULL, topic STRING NOT NULL,"
                " qos INTEGER NOT NULL, retain BOOLEAN, payload BLOB, userProperties BLOB,"
                " messageExpiryIntervalSeconds BIGINT, correlationData BLOB, responseTopic STRING,"
                " payloadFormat INTEGER, contentType STRING)"
            )
            row = (7, 2, "123", 1, 0, b"x", b'[{"key":"k","value":"v"}]', None, None, None, 1, None)
            database.execute(f"INSERT INTO spooler VALUES ({','.join('?' * 12)})", row)
        entry = taken(DiskSpool(path, 1000))
        assert (entry.number, entry.tries) == (7, 2)
        assert entry.message == Message("123", b"x", 1, False, {"payload_format": 1, "user_properties": [["k", "v"]]})


def test_empty_messages_have_a_limit_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (disk, memory):
        monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    spool = make(1000)
    for _ in range(2):
        spool.add(message(""))
    spool.add(message("", qos=0))
    spool.add(message(""))
    with pytest.raises(SpoolFull, match="3 messages wait"):
        spool.add(message(""))


def test_properties_count_as_payload_does(make: Make) -> None:
    spool = make(1000)
    pairs = [["key", "é" * 200]]
    numbers = [spool.add(Message("a", b"", 1, properties={"user_properties": pairs})) for _ in range(2)]
    with pytest.raises(SpoolFull, match="maxSizeInBytes"):
        spool.add(Message("a", b"x" * 200, 1))
    for _ in numbers:
        spool.remove(taken(spool).number)
    assert (spool.messages, spool.size) == (0, 0)
