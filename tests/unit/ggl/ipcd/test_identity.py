"""Who may show which token, and from where. (With real processes: the integration tests and tests/system.)"""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from ggl.bus.peer import Peer
from ggl.host.systemd import membership
from ggl.ipcd.backends import Backends
from ggl.ipcd.cli_clients import CliClients
from ggl.ipcd.identity import Identities, Refused
from ggl.ipcd.tokens import Tokens

METER, HEATER = "com.example.Meter", "com.example.Heater"
HERE = Peer(os.getpid(), os.getuid(), os.getgid())


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    tokens = Tokens(tmp_path / "tokens")
    tokens.runs_as(METER, "main", [4711])
    tokens.runs_as(HEATER, "main", [4711])
    return tokens


def owner(tokens: Tokens, peer: Peer) -> str:
    return Identities(tokens, cast(CliClients, None), cast(Backends, None)).owner(tokens.token_of(METER), peer)


@pytest.fixture
def in_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd runs the components, and says that the process is one of the heater's."""
    monkeypatch.setenv("GGL_HOST", "systemd")
    monkeypatch.setattr(membership, "service_of", lambda _pid: f"ggl.{HEATER}.service")


def test_a_token_is_refused_from_the_unit_of_another_component(tokens: Tokens, in_unit: None) -> None:
    with pytest.raises(Refused, match=r"token of com\.example\.Meter, but its process belongs to the unit"):
        owner(tokens, HERE)


def test_where_systemd_does_not_run_the_components_units_say_nothing(
    tokens: Tokens, in_unit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GGL_HOST")
    assert owner(tokens, HERE) == METER


@pytest.mark.parametrize(
    "service", ["", *(f"ggl.{METER}{end}.service" for end in ("", ".install", ".bootstrap")), "ggl.core.hostd.service"]
)
def test_a_token_is_good_in_each_unit_of_its_component_and_in_none(
    tokens: Tokens, in_unit: None, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setattr(membership, "service_of", lambda _pid: service)
    assert owner(tokens, HERE) == METER


def test_a_process_that_is_hidden_is_judged_by_its_user(tokens: Tokens, in_unit: None) -> None:
    assert owner(tokens, HERE._replace(pid=0)) == METER


def test_whoever_left_meanwhile_is_refused_as_its_number_may_be_anothers(
    tokens: Tokens, in_unit: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "service_of", lambda _pid: f"ggl.{METER}.service")
    with pytest.raises(Refused, match="its process is gone"):
        owner(tokens, Peer(os.getpid(), 4711, 4711))


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/system.slice/ggl.org.A.service", "ggl.org.A.service"),
        ("/system.slice/ggl.org.A.service/of its own/ggl.org.B.service", "ggl.org.A.service"),
        ("/plant.slice/plant-line.slice/ggl.org.A.service", "ggl.org.A.service"),
        ("/docker/4f2a/system.slice/ggl.org.A.service", "ggl.org.A.service"),
        ("/user.slice/user-7.slice/user@7.service/app.slice/ggl.org.A.service", "user@7.service"),
        ("/system.slice/docker-4f2a.scope", "docker-4f2a.scope"),
        ("/system.slice", ""),
        ("/", ""),
    ],
)
def test_the_outermost_unit_counts(path: str, unit: str) -> None:
    assert membership._unit_in(path) == unit
