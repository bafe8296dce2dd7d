"""To which service a process belongs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ggl.host.systemd import membership

HYBRID = """\
9:name=systemd:/system.slice/ggl.org.A.service
4:memory:/elsewhere/ggl.org.B.service
0::/system.slice/ggl.org.A.service
"""


@pytest.mark.parametrize(
    ("text", "service"),
    [
        (HYBRID, "ggl.org.A.service"),
        ("0::/system.slice/ggl.org.A.service/ggl.org.B.service/x\n", "ggl.org.A.service"),
        ("0::/system.slice/ssh.service\n", ""),
        ("0::/user.slice/ggl.org.A.scope\n", ""),
        ("12:memory:/ggl.org.A.service\n0::/\n", ""),
        ("0::/system.slice/ggl.a\\x20b.service\n", "ggl.a\\x20b.service"),
    ],
    ids=["hybrid", "below", "other", "scope", "only a controller", "escaped"],
)
def test_the_outermost_service_of_ours_counts(
    text: str, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(text)
    monkeypatch.setattr(membership, "PROC", str(tmp_path))
    assert membership.service_of(7) == service
    assert membership.service_of(8) == ""
