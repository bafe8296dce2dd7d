"""``ggl logs`` on the files of a runtime that is down."""

from __future__ import annotations

import json

import pytest

from ggl.host import store
from ggl.host.unit import Unit
from gglcli.errors import CliError
from gglcli.timespec import parse_time


@pytest.fixture
def logs(root) -> None:
    root.logs.mkdir(parents=True)
    hello = "".join(f"2026-11-22T02:40:{second:02d}.000000Z INFO hello {second}\n" for second in range(30))
    (root.logs / "com.example.Hello.log").write_text(hello)
    (root.logs / "ggl.core.configd.log").write_text(
        "2026-11-22T02:40:05.500000Z ERROR config: no key trail=3f9a2b11c0\n"
    )


def test_units_are_merged_and_named(ggl, logs) -> None:
    lines = ggl("logs").out.splitlines()
    assert len(lines) == 31
    assert lines[6] == "2026-11-22T02:40:05.500000Z ERROR configd config: no key trail=3f9a2b11c0"
    assert lines[7] == "2026-11-22T02:40:06.000000Z INFO  com.example.Hello hello 6"


def test_a_single_unit_needs_no_name(ggl, logs) -> None:
    assert ggl("logs", "com.example.Hello", "-n", "1").out == "2026-11-22T02:40:29.000000Z INFO  hello 29\n"


def test_options_select(ggl, logs) -> None:
    def found(*words: str) -> list[str]:
        return [
            json.loads(line)["message"].split(" trail")[0] for line in ggl("logs", "--json", *words).out.splitlines()
        ]

    assert found("--level", "warn") == ["config: no key"]
    assert found("--trail", "3f9a2b11c0") == ["config: no key"]
    assert found("--grep", "hello .$", "-n", "2") == ["hello 8", "hello 9"]
    assert found("--since", "2026-11-22T02:40:28Z") == ["hello 28", "hello 29"]
    assert found("--until", "2026-11-22 02:40:00") == ["hello 0"]
    assert found("configd", "-n", "all") == ["config: no key"]


def test_a_daemon_that_never_logged_is_no_error_but_an_unknown_name_is(ggl, logs) -> None:
    assert ggl("logs", "pubsubd").code == 0
    result = ggl("logs", "com.example.Helo")
    assert result.code == 4
    assert "did you mean 'com.example.Hello'" in result.err
    assert ggl("logs", "--grep", "(").code == 5
    assert ggl("logs", "--since", "yesterday").code == 5
    assert ggl("logs", "-n", "few").code == 2
    assert ggl("logs", "--follow", "--until", "1h").code == 2


def test_a_component_that_never_logged_is_no_error(ggl, logs, root) -> None:
    (root.work / "com.example.Quiet").mkdir(parents=True)
    store.save(root.units, Unit("ggl.com.example.New", component="com.example.New"), True)
    for name in ("com.example.Quiet", "com.example.New"):
        result = ggl("logs", name)
        assert (result.code, result.out, f"no record of {name} yet" in result.err) == (0, "", True)
    assert ggl("logs", "../work").code == 4


def test_the_daemon_that_runs_all_others_has_another_name_on_systemd(ggl, logs) -> None:
    result = ggl("logs", "hostd")
    assert (result.code, "did you mean 'ggld'" in result.err) == (4, True)


def test_times_are_ages_or_moments_in_utc() -> None:
    now = 1_795_315_200.0
    assert parse_time("10m", now) == (1_795_315_200 - 600) * 1_000_000
    assert parse_time("2h30m", now) == (1_795_315_200 - 9000) * 1_000_000
    assert parse_time("1.5d", now) == (1_795_315_200 - 129_600) * 1_000_000
    for text in ("2026-11-22T02:40:00Z", "2026-11-22T02:40:00", "2026-11-22 03:40:00+01:00"):
        assert parse_time(text) == 1_795_315_200_000_000
    with pytest.raises(CliError):
        parse_time("10 parsecs")


def test_nothing_to_show_is_said_beside_the_output(ggl, root, logs) -> None:
    result = ggl("logs", "--grep", "nowhere")
    assert (result.code, result.out, result.err) == (0, "", "no record matches\n")
    assert ggl("logs", "--grep", "nowhere", "--json").err == ""


def test_no_logs_at_all_is_said_with_the_place(ggl, root) -> None:
    assert ggl("logs").err == f"there are no logs in {root.logs}\n"
