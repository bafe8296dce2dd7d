"""Which files of the kernel are written, on hosts that this one is not: the hierarchies are plain directories."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from ggl.bus.loop import Loop
from ggl.host.process.bounds import Bounds
from ggl.host.process.cgroups import Cgroup, Unavailable
from ggl.host.process.hierarchy import places
from ggl.host.unit import Limits
from ggl.paths import find_root

V2 = "31 23 0:28 / {root} rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "32 31 0:29 / {root}/{name} rw,relatime - cgroup cgroup rw,{name}\n"


def ours(_processes: Iterable[int]) -> bool:
    return True


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A version 2 hierarchy whose process is in ``/own``; as the kernel has it, each cgroup with its files."""
    root = tmp_path / "cgroup"
    for directory in (root, root / "own", root / "own/greengrass", root / "own/greengrass/com.a"):
        directory.mkdir()
        (directory / "cgroup.subtree_control").touch()
        (directory / "cgroup.procs").touch()
        (directory / "cgroup.controllers").write_text("cpu memory pids\n")
    return tmp_path


def proc(tmp_path: Path, cgroup: str, mountinfo: str) -> Path:
    directory = tmp_path / "self"
    directory.mkdir(exist_ok=True)
    (directory / "cgroup").write_text(cgroup)
    (directory / "mountinfo").write_text(mountinfo)
    return directory


def test_limits_in_version_2(second: Path) -> None:
    root = second / "cgroup"
    cgroup = Cgroup("greengrass", "com.a", ours, proc(second, "0::/own\n", V2.format(root=root)))
    cgroup.limit(Limits(memory=2048, cpus=1.5))
    directory = root / "own/greengrass/com.a"
    assert (directory / "memory.max").read_text() == str(2048 * 1024)
    assert (directory / "cpu.max").read_text() == "150000 100000"
    assert (root / "own/cgroup.subtree_control").read_text() in ("+memory", "+cpu")
    assert (root / "own/greengrass/cgroup.subtree_control").read_text() in ("+memory", "+cpu")
    assert cgroup.entrances() == (str(directory / "cgroup.procs"),)
    cgroup.limit(Limits())
    assert (directory / "memory.max").read_text() == "max"
    assert (directory / "cpu.max").read_text() == "max 100000"


def test_freezing_in_version_2(second: Path) -> None:
    root = second / "cgroup"
    cgroup = Cgroup("greengrass", "com.a", ours, proc(second, "0::/own\n", V2.format(root=root)))
    cgroup.freeze(lambda: [7])
    directory = root / "own/greengrass/com.a"
    assert (directory / "cgroup.freeze").read_text() == "1"
    assert (directory / "cgroup.procs").read_text() == "7"
    cgroup.thaw()
    assert (directory / "cgroup.freeze").read_text() == "0"


def test_limits_in_version_1(tmp_path: Path) -> None:
    mountinfo = "".join(V1.format(root=tmp_path, name=name) for name in ("memory", "cpu"))
    for name in ("memory", "cpu"):
        (tmp_path / name / "docker").mkdir(parents=True)
    cgroup = Cgroup("greengrass", "com.a", ours, proc(tmp_path, "4:memory:/docker\n1:cpu:/\n", mountinfo))
    cgroup.limit(Limits(memory=2048, cpus=0.5))
    memory, cpu = tmp_path / "memory/docker/greengrass/com.a", tmp_path / "cpu/greengrass/com.a"
    assert (memory / "memory.limit_in_bytes").read_text() == str(2048 * 1024)
    assert (cpu / "cpu.cfs_quota_us").read_text() == "50000"
    cgroup.limit(Limits())
    assert (memory / "memory.limit_in_bytes").read_text() == "-1"
    assert (cpu / "cpu.cfs_quota_us").read_text() == "-1"


def test_once_the_runtime_has_made_room_for_limits_it_is_below_the_same_cgroup(tmp_path: Path) -> None:
    directory = proc(tmp_path, "0::/own/greengrass.runtime\n", V2.format(root="/c"))
    assert [place.parent for place in places("freezer", "greengrass", directory)] == [Path("/c/own"), Path("/c")]


@pytest.mark.parametrize(
    ("root", "cgroup", "own"),
    [
        ("/", "/a/b", "/c/a/b"),
        ("/docker/a", "/docker/a/b", "/c/b"),
        ("/docker/a", "/docker/a", "/c"),
        ("/docker/a", "/docker/ab", "/c"),
        ("/", "/../elsewhere", "/c"),
    ],
)
def test_our_own_cgroup_is_found_in_what_is_mounted_of_the_hierarchy(
    tmp_path: Path, root: str, cgroup: str, own: str
) -> None:
    line = f"31 23 0:28 {root} /c rw,relatime - cgroup2 cgroup2 rw\n"
    (first, *_) = places("freezer", "greengrass", proc(tmp_path, f"0::{cgroup}\n", line))
    assert str(first.parent) == own


def test_a_component_whose_limits_cannot_be_enforced_runs_and_one_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_args: object) -> None:
        raise Unavailable("cgroups are mounted read-only")

    monkeypatch.setattr(Cgroup, "limit", refuse)
    bounds = Bounds(Loop(), find_root(str(tmp_path)), "ggl.com.a", "com.a", set)
    assert bounds.enter(Limits(memory=1024)) == ()
    assert not bounds.limited
    assert capfd.readouterr().err.count("runs without its systemResourceLimits: cgroups are mounted read-only") == 1


def test_what_is_not_there_or_not_writable_is_told_with_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no memory controller"):
        Cgroup("greengrass", "com.a", ours, proc(tmp_path, "", "")).limit(Limits(memory=1))
    root = Path("/proc/self/net")  # nobody can make directories there
    line = V1.format(root="/proc/self", name="net,memory").replace("net,memory", "net", 1)
    directory = proc(tmp_path, "4:memory:/\n", line)
    assert root.is_dir()
    with pytest.raises(Unavailable, match=r"/proc/self/net/greengrass"):
        Cgroup("greengrass", "com.a", ours, directory).limit(Limits(memory=1))
