"""From a neutral unit to the text of systemd's: what is said, and that systemd takes whatever is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ggl.host.systemd.component_unit import choose, file_name, render
from ggl.host.systemd.layout import Layout
from ggl.host.unit import Command, Condition, Limits, Start, Unit
from ggl.paths import Root

LAYOUT = Layout(command=(sys.executable, "-I"))
ELSEWHERE = Root(state=Path("/srv/my gg%h"), run=Path("/run/$x"), config=Path('/etc/"gg"'))


def unit(kind: str = "run", timeout: float | None = None, **options: object) -> Unit:
    start = (Start(kind, Command("true", timeout=timeout)),)
    fields = {"name": "ggl.com.a", "component": "com.a", "phase": "main", "start": start, **options}
    return Unit(**fields)  # type: ignore[arg-type]


def settings_of(given_unit: Unit, layout: Layout = LAYOUT) -> dict[str, list[str]]:
    """The values of each setting of the unit file, in order."""
    found: dict[str, list[str]] = {}
    for line in render(given_unit, layout).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def step(*arguments: str) -> str:
    return " ".join(f'"{each}"' for each in (sys.executable, "-I", "-m", "ggl.host.systemd.step", *arguments))


def test_a_component_that_runs() -> None:
    written = settings_of(unit(timeout=90.5, stop=Command("stop"), user="ggc_user:ggc_group", restart_delay=0.25))
    assert written["Type"] == ["notify"]
    assert (written["TimeoutStartSec"], written["RuntimeMaxSec"]) == (["infinity"], ["90.5"])
    assert "RemainAfterExit" not in written
    assert written["ExecStart"] == [step("start", "ggl.com.a", "run")]
    assert written["ExecStop"] == [step("stop", "ggl.com.a")]
    assert written["ExecStopPost"] == ["+" + step("post", "ggl.com.a")]
    assert (written["Restart"], written["RestartSec"]) == (["on-failure"], ["0.25"])
    assert written["StartLimitIntervalSec"] == ["0"]
    assert written["SyslogIdentifier"] == ["com.a"]
    # A user that is not there would keep systemd from running any step.
    assert written["X-User"] == ["ggc_user:ggc_group"]
    assert not {"User", "Group"} & set(written)


@pytest.mark.parametrize("kind", ["startup", "oneshot"])
def test_what_stays_up_without_a_process(kind: str) -> None:
    written = settings_of(unit(kind, 120.0))
    assert written["Type"] == ["notify" if kind == "startup" else "oneshot"]
    assert (written["RemainAfterExit"], written["TimeoutStartSec"]) == (["yes"], ["120"])
    assert "RuntimeMaxSec" not in written
    assert "ExecStop" not in written


def test_dependencies_are_an_order_and_nothing_else() -> None:
    written = settings_of(unit(requires=("ggl.com.b", "ggl.c d"), install="ggl.com.a.install"))
    assert written["After"][1:] == ["ggl.com.b.service", "ggl.c\\x20d.service", "ggl.com.a.install.service"]
    assert not {"Requires", "BindsTo", "Wants"} & set(written)


def test_a_description_is_a_part_of_a_sentence() -> None:
    assert settings_of(unit(description="Greets. Twice.\n"))["Description"] == ["Greets. Twice"]
    assert settings_of(unit(description=".\\."))["Description"] == ["."]
    assert settings_of(unit(description="..."))["Description"] == ["ggl.com.a"]


def test_limits() -> None:
    written = settings_of(unit(limits=Limits(memory=51200, cpus=1.5)))
    assert (written["MemoryMax"], written["CPUQuota"]) == (["51200K"], ["150%"])
    assert settings_of(unit(limits=Limits(cpus=0.000001)))["CPUQuota"] == ["1%"]
    assert not {"MemoryMax", "CPUQuota"} & set(settings_of(unit()))


def test_times_without_a_meaning_are_no_limit_and_none_at_all_is_very_little() -> None:
    assert settings_of(unit("startup"))["TimeoutStartSec"] == ["infinity"]
    assert settings_of(unit("startup", 1e300))["TimeoutStartSec"] == ["infinity"]
    assert settings_of(unit("startup", 0.0))["TimeoutStartSec"] == ["0.001"]


def test_nothing_to_start_is_up_at_once() -> None:
    written = settings_of(unit(start=(), stop=Command("stop")))
    assert (written["Type"], written["RemainAfterExit"], written["ExecStart"]) == (["oneshot"], ["yes"], ["/bin/true"])


def test_a_private_root_is_told_to_the_steps() -> None:
    written = settings_of(unit(), replace(LAYOUT, root=ELSEWHERE))
    assert '"GGL_ROOT=/srv/my gg%%h"' in written["Environment"]
    assert "Environment" not in settings_of(unit())


def test_the_first_way_to_start_that_is_not_skipped_is_chosen() -> None:
    here, nowhere = Condition("exists", "/"), Condition("exists", "/no/such/file")
    skipped, taken = Start("startup", Command("a", skip_if=here)), Start("run", Command("b", skip_if=nowhere))
    assert choose(unit(start=(skipped, taken))).start == (taken,)
    assert choose(unit(start=(taken, skipped))).start == (taken,)
    # Its step will find that there is nothing to do.
    assert choose(unit(start=(skipped, skipped))).start == (skipped,)
    assert choose(unit(start=(skipped,))).start == (skipped,)


# -- whatever somebody calls a component -------------------------------------------------------------------------------

HOSTILE = st.sampled_from(
    [
        "%n",
        "%%",
        "$HOME",
        "${X}",
        "\\",
        "\\x2d",
        '"',
        "'",
        "\n",
        "\r\n[Service]\n",
        "\t",
        " ",
        ";",
        "#",
        "@",
        "é",
        "\ufffe",
    ]
)
PIECES = st.lists(HOSTILE | st.text(max_size=8), max_size=12).map("".join)
NAMES = PIECES.map(lambda text: text.replace("/", "").replace("\0", "")).filter(
    lambda name: name and len(name.encode("utf-8", "surrogatepass")) < 190
)
TIMES = st.none() | st.floats(0, 1e12, allow_nan=False)
COMMANDS = st.builds(Command, PIECES, st.dictionaries(PIECES, PIECES, max_size=2), st.booleans(), TIMES, st.none())
UNITS = st.builds(
    lambda name, component, **rest: Unit(name=f"ggl.{name}", component=component, phase="main", **rest),
    NAMES,
    NAMES,
    description=PIECES,
    start=st.lists(st.builds(Start, st.sampled_from(["run", "startup", "oneshot"]), COMMANDS), max_size=2).map(tuple),
    stop=st.none() | COMMANDS,
    recover=st.none() | COMMANDS,
    requires=st.lists(NAMES.map("ggl.".__add__), max_size=2).map(tuple),
    install=st.just("") | NAMES.map("ggl.".__add__),
    restart=st.sampled_from(["no", "on-failure"]),
    restart_delay=st.floats(0, 1e12, allow_nan=False),
    user=PIECES,
    shell=PIECES,
    limits=st.builds(
        Limits, st.none() | st.integers(1, 2**52 - 1), st.none() | st.floats(1e-9, 2.0**52, exclude_max=True)
    ),
)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.generate],  # each example is a process: to make it smaller would take minutes
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(UNITS, min_size=1, max_size=12, unique_by=lambda unit: unit.name))
def test_systemd_takes_every_unit_file_without_a_word(units: list[Unit]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(directory, file_name(unit.name)) for unit in units]
        for given_unit, file in zip(units, files, strict=True):
            file.write_text(render(given_unit, LAYOUT), encoding="utf-8")
        verify(files)


def verify(files: list[Path]) -> None:
    # The manager's own environment is that of a private one, which is not running here.
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, files)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", env=environment)
    ours = [line for line in done.stderr.splitlines() if any(file.name in line for file in files)]
    assert (ours, done.returncode) == ([], 0), done.stderr


@given(UNITS)
def test_every_unit_file_has_the_settings_it_should_have_and_no_others(given_unit: Unit) -> None:
    known = set(settings_of(unit("run", 1.0, stop=Command(""), user="u", limits=Limits(1, 1.0))))
    known |= {"RemainAfterExit"}
    assert set(settings_of(given_unit)) <= known
    text = render(given_unit, LAYOUT)
    assert [line for line in text.splitlines() if line.startswith("[")] == ["[Unit]", "[Service]"]
