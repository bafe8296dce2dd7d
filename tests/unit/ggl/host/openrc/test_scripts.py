"""Service scripts, as a shell understands them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ggl.host.openrc.scripts import component_script, runtime_script, service_name

AROUND = """
RC_SVCNAME=service RC_LIBEXECDIR=/lib/rc
ebegin() { echo "ebegin $*"; }; eend() { echo "eend $1"; }; need() { echo "need $*"; }; use() { :; }; after() { :; }
service_stopping() { [ "$1" = "$STOPPING" ]; }; yesno() { [ "$1" = YES ]; }
"""
"""What OpenRC provides around a script."""


def in_shell(script: str, then: str, **environment: str) -> str:
    done = subprocess.run(
        ["/bin/sh", "-uc", f"{AROUND}{script}\n{then}"],
        env={"PATH": "/nowhere", "STOPPING": "", **environment},
        capture_output=True, text=True, errors="surrogateescape",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_description_is_a_word_whatever_is_in_it(description: str) -> None:
    shown = in_shell(component_script("org.A", description, ("ggl",)), 'printf %s "$description"; depend >/dev/null')
    assert shown.split() == "".join(char if char.isprintable() else " " for char in description).split() or (
        shown == "Greengrass component org.A"
    )
    assert "\n" not in shown


@pytest.mark.parametrize(
    "description", ["'; touch pwned; '", "$(touch pwned)", "`touch pwned`", "a\n}\ntouch pwned\n{"]
)
def test_nothing_of_a_description_is_executed(description: str, tmp_path: Path) -> None:
    script = component_script("org.A", description, ("ggl",)).replace("DO", f"echo > {tmp_path}/done")
    in_shell(script, "depend; :")
    assert list(tmp_path.iterdir()) == []


def test_a_component_is_steered_by_asking_the_runtime(tmp_path: Path) -> None:
    ggl = tmp_path / "a place" / "ggl"
    ggl.parent.mkdir()
    ggl.write_text('#!/bin/sh\necho "$*" >&3\n')
    ggl.chmod(0o755)
    script = component_script("-org.A", "", (str(ggl), "-I"))
    assert in_shell(script, "depend") == "need greengrass-lite\n"
    assert "component start --timeout 60 -- -org.A" in in_shell(script, "start 3>&1")
    assert "-I component stop -- -org.A" in in_shell(script, "stop 3>&1")
    assert "-I logs -- -org.A" in in_shell(script, "logs 3>&1")


@pytest.mark.parametrize("environment", [{"STOPPING": "greengrass-lite"}, {"RC_GOINGDOWN": "YES"}])
def test_a_component_that_goes_down_with_the_runtime_is_not_told_to_stay_down(environment: dict[str, str]) -> None:
    assert in_shell(component_script("org.A", "", ("false",)), "stop", **environment) == ""


def test_a_failure_to_start_is_openrcs_to_know() -> None:
    assert in_shell(component_script("org.A", "", ("/bin/false",)), "start").splitlines()[-1] == "eend 1"


def test_the_supervisor_may_be_anywhere(tmp_path: Path) -> None:
    python = tmp_path / "it's a place" / "python3"
    script = runtime_script((str(python), "-I"), "/var/log/the log")
    words = in_shell(script, 'eval set -- $command -- $command_args; for word; do echo "$word"; done').splitlines()
    assert words == [str(python), "--", "-I", "-m", "ggl.host.openrc"]
    assert "GGL_OPENRC=/lib/rc" in in_shell(script, 'echo "$supervise_daemon_args"')


def test_names_that_openrc_cannot_have() -> None:
    assert service_name("org.A") == "ggl.org.A"
    for name in ("org.A.sh", "a b", "../x", "", "a;b"):
        assert service_name(name) is None
