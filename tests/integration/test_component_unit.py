"""``ggl component unit``: what a component is to the host, on either host."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ggl.host.unit import Command, Unit
from tests.integration.conftest import ON_SYSTEMD, Runtime
from tests.integration.test_components import GGL, ggl
from tests.integration.units import component, deploy

NAME = "org.A"


def test_it_shows_the_units_as_systemd_has_them_or_would(runtime: Runtime) -> None:
    deploy(runtime, *component(NAME, "exec sleep 1000", install="true", stop=Command("echo bye", timeout=7.0)))
    text = ggl(runtime, "component", "unit", NAME)
    main, install = text.split("[Unit]")[1:]
    assert ("Type=notify" in main, "ExecStop=" in main) == (True, True)
    assert ("Type=oneshot" in install, "RemainAfterExit=yes" in install) == (True, True)
    for line in ("Description=ggl.org.A", "After=ggl.org.A.install.service", "TimeoutStartSec=infinity"):
        assert f"{line}\n" in main
    assert "echo bye" not in text
    if ON_SYSTEMD:
        for name in ("ggl.org.A.service", "ggl.org.A.install.service"):
            file = Path("/run/systemd/system", name)
            assert f"# {file}\n{file.read_text()}".strip() in text


def test_json_gives_the_whole_definition(runtime: Runtime) -> None:
    units = component(NAME, "exec sleep 1000", install="true", stop=Command("echo bye", timeout=7.0))
    deploy(runtime, *units)
    shown = json.loads(ggl(runtime, "component", "unit", NAME, "--json"))
    assert [each["unit"] for each in shown] == ["ggl.org.A", "ggl.org.A.install"]
    assert [Unit.from_dict(each["definition"]) for each in shown] == units
    assert [Path(each["file"]).name for each in shown] == ["ggl.org.A.service", "ggl.org.A.install.service"]
    assert "[Service]" in shown[0]["text"]


def test_the_definition_is_the_newest_also_while_an_older_one_runs(runtime: Runtime) -> None:
    deploy(runtime, *component(NAME, "exec sleep 1000"))
    runtime.wait_for_unit("ggl.org.A", "active")
    newer = component(NAME, "exec sleep 1000", revision="2", start_limit_burst=7)
    deploy(runtime, *newer, start=False)
    (shown,) = json.loads(ggl(runtime, "component", "unit", NAME, "--json"))
    assert shown["definition"]["start_limit_burst"] == 7


def test_an_unknown_component_is_an_error_with_a_suggestion(runtime: Runtime) -> None:
    deploy(runtime, *component(NAME, "exec sleep 1000"))
    words = [GGL, "--root", str(runtime.root.state), "component", "unit", "org.B"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 4
    assert "there is no component 'org.B'" in done.stderr
    assert "did you mean 'org.A'" in done.stderr
