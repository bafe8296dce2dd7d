"""What a path holds is found by content; what cannot be read is told with file, place and remedy."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from ggl.configd.store import open_store
from gglcli.migrate.source import Source, find_source
from gglcli.migrate.tree import BadSource

LOG = '{"TS":5,"TP":["system","thingName"],"W":"changed","V":"%s"}\n'
YAML = """---
services:
  aws.greengrass.Nucleus: {componentType: "NUCLEUS", configuration: {awsRegion: "eu-central-1"}, version: "2.12.6"}
system:
  thingName: "from yaml"
"""


def thing(source: Source) -> tuple[object, object]:
    name = source.tree["system"]["thingName"]
    return name["v"], name["t"]


def bad(path: Path) -> BadSource:
    with pytest.raises(BadSource) as caught:
        find_source(path)
    return caught.value


def test_a_java_nucleus_is_found_by_its_root_its_folder_and_its_log(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    log = config / "config.tlog"
    log.write_text(LOG % "live")
    (config / "effectiveConfig.yaml").write_text(YAML)
    (config / "config.tlog+").write_text("half")
    for path in (tmp_path, config, log):
        found = find_source(path)
        assert (found.nucleus, found.format, found.path, found.notes) == ("Java nucleus", "transaction log", log, ())
        assert thing(found) == ("live", 5)
    log.rename(tmp_path / "anything.bin")
    assert thing(find_source(tmp_path / "anything.bin")) == ("live", 5)


def test_what_is_here_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bad(Path(".")).message == f"there is no configuration of a nucleus in {tmp_path}"


def test_the_log_is_chosen_as_the_nucleus_chooses_it(tmp_path: Path) -> None:
    (tmp_path / "bootstrap.tlog").write_text(LOG % "bootstrap")
    (tmp_path / "config.tlog~").write_text(LOG % "before")
    (tmp_path / "config.tlog").write_text("damage\n" + LOG % "live")
    found = find_source(tmp_path)
    assert thing(found) == ("before", 5)
    assert len(found.notes) == 1
    assert f"{tmp_path}/config.tlog" in found.notes[0]
    (tmp_path / "config.tlog.old").write_text(LOG % "old")
    assert thing(find_source(tmp_path)) == ("old", 5)


def test_without_a_sound_log_the_yaml_will_do_and_counts_from_its_time(tmp_path: Path) -> None:
    path = tmp_path / "effectiveConfig.yaml"
    path.write_text(YAML)
    os.utime(path, (1700000000, 1700000000))
    (tmp_path / "config.tlog").touch()
    found = find_source(tmp_path)
    assert thing(found) == ("from yaml", 1700000000000)
    assert found.format == "YAML"
    assert [note.partition(":")[0] for note in found.notes] == ["passed over", "it has no timestamps"]


def test_a_lite_database_is_read_and_left_as_it_is(tmp_path: Path, lite) -> None:
    lite.fill({"system": {"thingName": "lite", "rootPath": "/x"}, "services": {"c": {"configuration": {}}}}, 2)
    before = lite.path.read_bytes()
    for path in (tmp_path, lite.path):
        found = find_source(path)
        assert (found.nucleus, found.notes) == ("lite nucleus", ())
        assert thing(found) == ("lite", 2)
        assert found.tree["services"] == {"c": {"configuration": {}}}
    assert lite.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [lite.path]


def test_of_lite_keys_that_differ_by_case_the_newer_counts(lite) -> None:
    lite.fill({"system": {"ThingName": "new"}}, 9)
    lite.fill({"SYSTEM": {"thingName": "old"}}, 3)
    assert find_source(lite.path).tree == {"system": {"ThingName": {"v": "new", "t": 9}}}


def test_single_faults_of_a_lite_database_are_remarks(lite) -> None:
    lite.fill({"system": {"thingName": "lite", "rootCaPath": "/ca"}}, 2)
    lite.execute(
        "UPDATE valueTable SET value = '{' WHERE value = '\"/ca\"'",
        "INSERT INTO keyTable VALUES (77, 'a'), (78, 'b')",
        "INSERT INTO relationTable VALUES (77, 78), (78, 77)",
    )
    found = find_source(lite.path)
    assert found.tree == {"system": {"thingName": {"v": "lite", "t": 2}}}
    assert found.notes == (
        "the value of /system/rootCaPath cannot be read and was left out",
        "key 77 ('a') belongs nowhere and was left out",
        "key 78 ('b') belongs nowhere and was left out",
    )


@pytest.mark.parametrize("damage", ["half", "overwritten", "no table"])
def test_a_damaged_lite_database_is_told_with_another_copy(tmp_path: Path, lite, damage: str) -> None:
    lite.fill({f"key{number}": {"value": "x" * 500} for number in range(100)})
    (tmp_path / "config.db.backup").write_bytes(b"x")
    data = lite.path.read_bytes()
    if damage == "half":
        lite.path.write_bytes(data[: len(data) // 2])
    elif damage == "overwritten":
        lite.path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    else:
        lite.execute("DROP TABLE valueTable")
    error = bad(lite.path)
    assert error.message.startswith(str(lite.path))
    assert error.remedy == f"try {lite.path}.backup"


def test_our_own_database_belongs_to_another_command(tmp_path: Path) -> None:
    path = tmp_path / "config.db"
    with closing(open_store(path)):
        pass
    assert "ggl config restore" in bad(path).remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("just words\n", "neither services nor system"),
        ("system: {thingName: [\n", "line 2, column 1"),
        ("services: [1]\n", "/services must be a map"),
        ("system: {}\nSystem: {}\n", "are the same key"),
        ('half a line","TP":["system"],"W":"changed","V":1}\n' + LOG % "x", "line 1: not an entry"),
    ],
)
def test_what_is_no_configuration_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    error = bad(path)
    assert str(path) in error.message
    assert message in error.message
    assert error.remedy


def test_a_folder_without_or_with_two_nuclei_is_told(tmp_path: Path, lite) -> None:
    (tmp_path / "config").mkdir()
    assert "no configuration of a nucleus" in bad(tmp_path / "config").message
    (tmp_path / "config" / "config.tlog").write_text(LOG % "x")
    error = bad(tmp_path)
    assert "two nuclei" in error.message
    assert f"{tmp_path}/config/config.tlog or {tmp_path}/config.db" in error.remedy
