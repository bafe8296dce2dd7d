"""What is found out before a script runs, and why it may not be able to."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from ggl.host.unit import Command, Start, Unit
from ggl.paths import find_root
from ggl.runner.preparation import EXIT_LACKING, EXIT_NOT_STARTED, NotStarted, prepare, reset_signals

COMMON = {"PATH": "/bin", "SVCUID": "TOKEN", "HOME": "/home/of/runtime"}
UNIT = Unit("ggl.com.a", component="com.a", start=(Start("run", Command("true")),))


def test_the_step_has_the_last_word_on_its_environment(tmp_path: Path) -> None:
    command = Command("true", {"PATH": "/opt/bin", "MODE": "x"})
    script = prepare(UNIT, command, "start", find_root(str(tmp_path)), COMMON)
    assert script.environment == {**COMMON, "PATH": "/opt/bin", "MODE": "x"}
    assert script.common == COMMON
    assert (script.directory, script.directory.stat().st_mode & 0o777) == (tmp_path / "work/com.a", 0o700)


def test_a_user_who_is_not_there_is_no_passing_trouble(tmp_path: Path) -> None:
    unit = Unit("ggl.a", component="a", user="nobodyhere")
    with pytest.raises(NotStarted, match="there is no user 'nobodyhere'") as raised:
        prepare(unit, Command("true"), "start", find_root(str(tmp_path)), COMMON)
    assert (raised.value.lacking, raised.value.exit_status) == (False, EXIT_NOT_STARTED)


def test_a_runtime_that_does_not_run_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="the runtime did not give what start needs") as raised:
        prepare(UNIT, Command("true"), "start", find_root(str(tmp_path)))
    assert (raised.value.lacking, raised.value.exit_status) == (True, EXIT_LACKING)


@pytest.mark.parametrize(("number", "lacking"), [(errno.ENOSPC, True), (errno.EROFS, False)])
def test_a_full_disk_passes_and_one_that_cannot_be_written_to_does_not(
    number: int, lacking: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mkdir(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(NotStarted, match=os.strerror(number)) as raised:
        prepare(UNIT, Command("true"), "start", find_root(str(tmp_path)), COMMON)
    assert raised.value.lacking is lacking


def test_a_script_with_a_zero_byte_says_so(tmp_path: Path) -> None:
    script = prepare(UNIT, Command("true\0"), "start", find_root(str(tmp_path)), COMMON)
    with pytest.raises(NotStarted, match="null byte"):
        script.execute()


def test_a_script_ignores_no_signal_that_python_does() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        reset_signals()
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
