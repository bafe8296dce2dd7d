"""``ggl logs`` where the journal is the log."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from ggl.logs.journal import Journal
from ggl.logs.reader import Query
from ggl.logs.record import Record
from tests.integration.conftest import Runtime, children
from tests.integration.device import Device
from tests.system.runtime import RUNTIME_UNITS, systemctl, wait_until

ALL = Query()


def ggl_logs(*words: str) -> list[dict[str, Any]]:
    subprocess.run(["journalctl", "--sync"], check=True)
    done = subprocess.run(["ggl", "logs", "--json", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


Service = Callable[..., None]


@pytest.fixture
def service() -> Iterator[Service]:
    """Make a unit of systemd that runs a script, labelled as a component's is."""
    made: list[str] = []

    def make(unit: str, script: str, identifier: str = "") -> None:
        label = identifier or unit.removeprefix("ggl.")
        script = script.replace("$", "$$").replace("%", "%%")
        # Without the journal's own limit of lines in a time.
        limit = "LogRateLimitIntervalSec=1s\nLogRateLimitBurst=10000000\n"
        text = f"[Service]\nType=oneshot\nSyslogIdentifier={label}\n{limit}ExecStart=/bin/sh -c '{script}'\n"
        (RUNTIME_UNITS / f"{unit}.service").write_text(text)
        systemctl("daemon-reload")
        made.append(unit)

    yield make
    for unit in made:
        systemctl("stop", unit, check=False)
        (RUNTIME_UNITS / f"{unit}.service").unlink()
    systemctl("daemon-reload")


def shown(records: Iterator[Record]) -> list[str]:
    return [f"{record.level} {record.message}" for record in records]


def test_a_component_and_the_daemons_are_read_as_on_the_other_host(device: Device) -> None:
    script = 'echo out; echo err >&2; echo \\"<3>bad\\"; printf \\"\\\\\\\\xff\\\\n\\"; exec sleep 1000'
    device.recipe("org.Talk", f'{{install: "echo installing", run: "{script}"}}')
    device.succeed({"org.Talk": "1.0.0"})
    wait_until(lambda: len(ggl_logs("org.Talk")) >= 4)
    lines = [(entry["level"], entry["message"]) for entry in ggl_logs("org.Talk")]
    assert ("INFO", "installing") in lines
    assert {("INFO", "out"), ("WARN", "err"), ("ERROR", "bad")} <= set(lines)
    assert {entry["unit"] for entry in ggl_logs("org.Talk")} == {"org.Talk"}
    assert not any("Started" in message or "systemd" in message for _, message in lines)
    assert {"org.Talk", "deploymentd"} <= {entry["unit"] for entry in ggl_logs("-n", "all")}
    trails = {entry["trail"] for entry in ggl_logs("deploymentd")} - {""}
    assert trails
    told = ggl_logs("--trail", trails.pop())
    assert "deploymentd" in {entry["unit"] for entry in told}
    device.runtime.down()
    assert [entry["message"] for entry in ggl_logs("org.Talk", "--level", "error", "-n", "1")] == ["bad"]


def test_a_name_that_nobody_has_is_an_error_with_a_hint(device: Device) -> None:
    device.recipe("org.Talk", "{run: 'echo hello'}")
    device.succeed({"org.Talk": "1.0.0"})
    wait_until(lambda: "hello" in device.runtime.log("org.Talk"))
    done = subprocess.run(["ggl", "logs", "org.Tolk"], capture_output=True, text=True)
    assert done.returncode == 4
    assert done.stderr == "error: ggl logs: there is no log of 'org.Tolk' in the journal; did you mean 'org.Talk'\n"


def test_whoever_may_not_read_the_journal_gets_one_line(runtime: Runtime) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run([*nobody, "ggl", "logs", "--root", str(runtime.root.state)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ggl logs: no permission to read the journal; run ggl as root")


def test_each_unit_counts_for_its_component(service: Service) -> None:
    service("ggl.org.logs.B", "echo main")
    service("ggl.org.logs.B.bootstrap", "echo bootstrap", "org.logs.B")
    service("ggl.org.logs.B.install", "echo a component with an odd name", "org.logs.B.install")
    for unit in ("ggl.org.logs.B", "ggl.org.logs.B.bootstrap", "ggl.org.logs.B.install"):
        systemctl("start", unit)
    subprocess.run(["journalctl", "--sync"], check=True)
    journal = Journal()
    assert {"org.logs.B", "org.logs.B.install"} <= set(journal.names())
    assert shown(journal.records(["org.logs.B"], ALL, None)) == ["INFO main", "INFO bootstrap"]
    assert shown(journal.records(["org.logs.B.install"], ALL, 5)) == ["INFO a component with an odd name"]


def test_the_last_of_many_are_found_and_filters_hold_in_both_directions(service: Service) -> None:
    service("ggl.org.logs.N", 'for i in $(seq 300); do echo "<$((i % 8))>line $i trail=t$((i % 3))"; done')
    systemctl("start", "ggl.org.logs.N")
    subprocess.run(["journalctl", "--sync"], check=True)
    journal = Journal()
    whole = list(journal.records(["org.logs.N"], ALL, None))
    assert len(whole) == 300
    assert list(journal.records(["org.logs.N"], ALL, 7)) == whole[-7:]
    middle = whole[150].time
    for query in (
        Query(trail="t1"),
        Query(level="ERROR"),
        Query(level="WARN", trail="t2"),
        Query(since=middle),
        Query(until=middle),
        Query(since=whole[100].time, until=middle, level="INFO"),
    ):
        expected = [record for record in whole if query.matches(record)]
        assert expected
        assert list(journal.records(["org.logs.N"], query, None)) == expected
        assert list(journal.records(["org.logs.N"], query, 20)) == expected[-20:]


@pytest.mark.parametrize("name_it", [True, False])
@pytest.mark.parametrize("past", [10, 0, None])
def test_from_the_past_to_the_present_nothing_is_lost_or_shown_twice(
    service: Service, past: int | None, name_it: bool, tmp_path: Path
) -> None:
    name, read = f"org.logs.C.{past}.{name_it}", tmp_path / "read"
    # As fast as it can; and slowly from then on, until whoever follows has come.
    wait = f'if [ "$i" -ge 5000 ]; then test -e {read} && break; sleep 0.01; fi'
    service(f"ggl.{name}", f'i=0; while :; do echo "$i"; i=$((i+1)); {wait}; done; echo "$i" >{read}.count; echo end')
    counting = threading.Thread(target=systemctl, args=("start", f"ggl.{name}"))
    counting.start()
    records = Journal().records([name] if name_it else None, ALL, past, follow=True)
    messages = (record.message for record in records if record.unit == name)
    numbers = []
    for message in takewhile(lambda message: message != "end", messages):
        numbers.append(int(message))
        read.touch()
    counting.join()
    count = int(Path(f"{read}.count").read_text())
    assert numbers == list(range(count - len(numbers), count))
    assert numbers


def test_a_component_that_comes_later_is_followed_from_its_first_word(service: Service) -> None:
    service("ggl.org.logs.D", "echo before")
    systemctl("start", "ggl.org.logs.D")
    records = Journal().records(None, ALL, 1, follow=True)
    assert next(records).unit  # whatever was last
    service("ggl.org.logs.Later", 'echo "first word"')
    systemctl("start", "ggl.org.logs.Later")
    assert next(record.message for record in records if record.unit == "org.logs.Later") == "first word"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGPIPE])
def test_whoever_stops_following_leaves_nothing_behind(service: Service, number: signal.Signals) -> None:
    service("ggl.org.logs.E", "echo hello")
    systemctl("start", "ggl.org.logs.E")
    with subprocess.Popen(["ggl", "logs", "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        child = wait_until(lambda: children(following.pid))
        if number == signal.SIGINT:
            following.send_signal(number)
        else:
            following.stdout.close()
            systemctl("start", "ggl.org.logs.E")
        assert following.wait() == (130 if number == signal.SIGINT else 141)
    wait_until(lambda: not Path(f"/proc/{child[0]}").exists())
