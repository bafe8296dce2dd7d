"""The unit files of the core: complete, accepted by systemd, and as closed as the catalogue allows."""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from ggl.catalog import DAEMONS
from ggl.host.systemd.core_units import GIVEN_UP, SYSUSERS, TMPFILES, UNITS, directories, files
from ggl.host.systemd.install import stage
from ggl.host.systemd.layout import (
    CORE_UNIT,
    HOSTD,
    TARGET,
    Layout,
    daemon_unit,
    path_unit,
    port_unit,
    socket_unit,
    template,
    timer_unit,
)
from ggl.host.systemd.wakers import all_daemons, waking

PYTHON = "/usr/bin/python3"
LAYOUT = Layout(command=(PYTHON, "-I"))
FILES = {Path(path).name: text for path, text in files(LAYOUT).items() if path.startswith(UNITS)}


def settings(text: str) -> dict[str, list[str]]:
    """The values of each setting, in their order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_every_daemon_of_the_catalogue_has_its_units() -> None:
    for daemon in DAEMONS:
        service = settings(FILES[daemon_unit(template(daemon))])
        assert service["ExecStart"] == [f'{PYTHON} -I -c "import ggl.{daemon.name}.__main__"']
        assert service["Type"] == ["notify"]
        for interface in daemon.interfaces:
            socket = settings(FILES[socket_unit(interface)])
            assert socket["Service"] == [daemon_unit(daemon.name)]
            assert socket["FileDescriptorName"] == [interface]
            assert socket["SocketMode"] == ["0666" if interface in daemon.public else "0660"]
        assert (port_unit(template(daemon)) in FILES) == daemon.loopback
        assert (path_unit(daemon.name) in FILES) == bool(daemon.unfinished)
        assert (timer_unit(daemon.name) in FILES) == (daemon.every is not None)


def test_a_daemon_that_wants_to_look_is_started_after_the_runtime_and_after_it_has_left() -> None:
    (daemon,) = (daemon for daemon in DAEMONS if daemon.every is not None)
    timer = settings(FILES[timer_unit(daemon.name)])
    assert timer["OnActiveSec"] == timer["OnUnitInactiveSec"] == ["3600"]
    assert timer["Unit"] == [daemon_unit(daemon.name)]
    started, *_ = settings(FILES[CORE_UNIT])["ExecStart"]
    assert set(started.split()) >= set(waking(LAYOUT)) >= {timer_unit(daemon.name)}


def test_a_daemon_that_fails_slowly_is_given_up_and_one_that_comes_and_goes_is_not() -> None:
    for daemon in all_daemons():
        service = settings(FILES[daemon_unit(template(daemon))])
        seconds, starts = float(service["StartLimitIntervalSec"][0]), int(service["StartLimitBurst"][0])
        assert seconds / starts >= 2, daemon.name
        assert seconds / starts <= (daemon.idle_exit or float("inf")), daemon.name


def test_only_the_privileged_run_as_root() -> None:
    root = {daemon.name for daemon in all_daemons() if "User" not in settings(FILES[daemon_unit(template(daemon))])}
    assert root == {daemon.name for daemon in all_daemons() if daemon.privileged} == {"hostd", "recoveryd"}


def test_a_daemon_has_the_capabilities_of_the_catalogue_and_no_others() -> None:
    for daemon in DAEMONS:
        if not daemon.privileged:
            service = settings(FILES[daemon_unit(template(daemon))])
            assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == [" ".join(daemon.capabilities)]


def test_the_core_stays_until_the_last_component_is_down() -> None:
    """Neither the target nor the shutdown of the device stops a socket or a daemon: the core's own unit does."""
    stopped = " ".join(settings(FILES[CORE_UNIT])["ExecStop"]).split()
    for name, text in FILES.items():
        if name.endswith(".socket") or (
            name.startswith("ggl.core.") and name not in (CORE_UNIT, "ggl.core.given-up@.service")
        ):
            assert settings(text)["DefaultDependencies"] == ["no"], name
            assert any(fnmatchcase(name, pattern) for pattern in stopped), name
        if name.endswith(".socket"):
            assert "PartOf" not in settings(text), name
    assert settings(FILES[CORE_UNIT])["PartOf"] == [TARGET]


def test_the_ports_of_the_loopback_are_opened_on_request_and_close_after_whoever_opens_them() -> None:
    (daemon,) = (daemon for daemon in DAEMONS if daemon.loopback)
    name = port_unit(template(daemon))
    socket, service = settings(FILES[name]), settings(FILES[daemon_unit(template(daemon))])
    assert socket["ListenStream"] == ["127.0.0.1:%i", "[::1]:%i"]
    assert socket["Service"] == [f"ggl.core.{daemon.name}@%i.service"]
    assert service["Sockets"] == service["PartOf"] == [f"ggl.core.{daemon.name}@%i.socket"]
    # An implied slice of instances would be stopped with the device, and they with it.
    assert socket["Slice"] == service["Slice"] == ["system.slice"]
    assert service["PrivateNetwork"] == ["yes"]
    assert service["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert name not in waking(LAYOUT)
    first, second, *_ = settings(FILES[CORE_UNIT])["ExecStop"]
    assert daemon_unit(HOSTD.name) in first.split()
    assert second == f"systemctl stop ggl.core.{daemon.name}@*"


def test_a_daemon_that_was_given_up_is_not_offered_again_once_that_is_stopped() -> None:
    """What is stopped in one command of a service whose end by SIGTERM is a success goes on with the next."""
    given_up = settings(FILES[GIVEN_UP])
    assert given_up["SuccessExitStatus"] == ["SIGTERM"]
    assert (len(given_up["ExecStartPre"]), len(given_up["ExecStart"])) == (1, 1)


def test_what_is_enabled_is_the_target_alone() -> None:
    assert [name for name, text in FILES.items() if "[Install]" in text] == [TARGET]


def test_nothing_of_another_user_lies_in_a_directory_of_the_daemons() -> None:
    """systemd-tmpfiles refuses such a path as unsafe."""
    owners = {each.path: each.user for each in directories(LAYOUT)}
    for path, owner in owners.items():
        above = owners.get(path.parent, "root")
        assert above in ("root", owner), path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name.replace("@", "@8080")) for name in FILES]
    for name in FILES:
        if "@" in name:
            (tmp_path / name.replace("@", "@8080")).symlink_to(tmp_path / name)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interpreter_of_any_name_stays_one_word() -> None:
    text = files(Layout(command=('/opt/my "own" 100%/python3', "-I")))[f"{UNITS}/ggl.core.configd.service"]
    assert settings(text)["ExecStart"] == [r'"/opt/my \"own\" 100%%/python3" -I -c "import ggl.configd.__main__"']


def test_a_stage_has_the_files_of_a_package_and_nothing_else(tmp_path: Path) -> None:
    written = stage(LAYOUT, tmp_path, Path("usr/lib/systemd/system"))
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {str(path.relative_to(tmp_path)) for path in written}
    assert found == {
        *(f"usr/lib/systemd/system/{name}" for name in FILES),
        f"usr/lib/{TMPFILES}/ggl.conf",
        f"usr/lib/{SYSUSERS}/ggl.conf",
    }
    assert not (tmp_path / "usr/lib/systemd/system" / TARGET).stat().st_mode & 0o133
