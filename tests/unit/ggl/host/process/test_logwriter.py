"""Log files: rotation, and what happens when the disk is full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ggl.bus.loop import Loop
from ggl.host.process import logwriter
from ggl.host.process.logs import Logs
from ggl.host.process.logwriter import FILE_SIZE, FILES_KEPT, LogFile, LogWriter


def test_a_file_is_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    file = LogFile(tmp_path, "org.A", echo=False)
    for number in range((FILES_KEPT + 3) * 4):
        file.write(f"{number}\n".encode().rjust(FILE_SIZE // 4, b"x"))
    file.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(["org.A.log"] + [f"org.A.log.{number}" for number in range(1, FILES_KEPT + 1)])
    assert all(path.stat().st_size <= FILE_SIZE for path in tmp_path.iterdir())
    # Nothing between the oldest kept line and the newest is missing.
    newest_last = [tmp_path / f"org.A.log.{number}" for number in range(FILES_KEPT, 0, -1)] + [tmp_path / "org.A.log"]
    numbers = [int(line.lstrip(b"x")) for path in newest_last for line in path.read_bytes().split(b"\n") if line]
    assert numbers == list(range(numbers[0], (FILES_KEPT + 3) * 4))


def test_a_name_with_dots_keeps_all_of_it(tmp_path: Path) -> None:
    file = LogFile(tmp_path, "com.example.Hello", echo=False)
    file.write(b"a line\n")
    file.close()
    assert (tmp_path / "com.example.Hello.log").read_bytes() == b"a line\n"


def test_very_many_lines_at_once_go_to_several_files_and_none_is_cut(tmp_path: Path) -> None:
    file = LogFile(tmp_path, "org.A", echo=False)
    file.write(b"".join(b"%07d\n" % number for number in range(400_000)))
    file.close()
    files = [tmp_path / f"org.A.log.{number}" for number in (3, 2, 1)] + [tmp_path / "org.A.log"]
    assert all(path.stat().st_size <= FILE_SIZE for path in files)
    assert [int(line) for path in files for line in path.read_bytes().split()] == list(range(400_000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", tmp_path]).returncode:
        pytest.skip("needs the right to mount a file system")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_costs_lines_but_not_the_writer_and_the_loss_is_told(small_disk: Path) -> None:
    filler = small_disk / "filler"
    file = LogFile(small_disk, "org.A", echo=False)
    file.write(b"before\n")
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(b"x" * (1 << 20))
    for _ in range(3):
        file.write(b"y" * 8191 + b"\n")
    filler.unlink()
    file.write(b"after\n")
    text = (small_disk / "org.A.log").read_text()
    assert "y" not in text, "half a line was left"
    assert text.startswith("before\n")
    assert "3 lines could not be written here" in text
    assert text.endswith("after\n")


def test_it_leaves_only_between_lines_and_the_first_word_calls_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logwriter, "IDLE_SECONDS", 0.05)
    supervisor = Loop()
    logs = Logs(supervisor)
    outputs = logs.outputs("org.A")

    def write_down() -> None:
        loop = Loop()
        control = logs.connect()
        LogWriter(loop, control, tmp_path, echo=False)
        loop.call_later(0.3, lambda: os.write(outputs.stderr, b"rest\n"))
        loop.run()
        loop.close()
        control.close()

    os.write(outputs.stderr, b"half a line, ")
    write_down()
    assert (tmp_path / "org.A.log").read_text().endswith("half a line, rest\n")
    later = logs.outputs("org.B")
    logs.rest(supervisor.stop)
    supervisor.call_later(0.1, lambda: os.write(later.stdout, b"more"))
    supervisor.run()
    logs.connect().close()
    for name in ("org.A", "org.B"):
        logs.forget(name)
    supervisor.close()
