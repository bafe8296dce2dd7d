"""``ggl pubsub`` as people and scripts run it: real processes, in pipes and on a terminal, against a real runtime."""

from __future__ import annotations

import base64
import codecs
import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gglcli.messages import MAX_BYTES, MAX_SHOWN
from tests.integration.conftest import Runtime, running, wait_until
from tests.integration.ipc_clients import Components, Events, json_of, publish
from tests.integration.test_cli import GGL, Ggl

READER = "com.example.Reader"
POLICIES = {"aws.greengrass.ipc.pubsub": {"p": {"operations": ["*"], "resources": ["*"]}}}


@pytest.fixture(scope="module")
def shared() -> Iterator[Runtime]:
    with running() as runtime:
        value = {"configuration": {"accessControl": POLICIES}}
        runtime.call("gg_config", "write", {"key_path": ["services", READER], "value": value})
        yield runtime


@pytest.fixture
def ggl(shared: Runtime) -> Ggl:
    return Ggl(shared.root.state)


@contextmanager
def subscribed(ggl: Ggl, *words: str) -> Iterator[subprocess.Popen[str]]:
    """``ggl pubsub sub`` from the moment it gets messages."""
    process = ggl.begin("pubsub", "sub", *words)
    try:
        assert process.stderr
        assert process.stderr.readline().startswith("subscribed to ")
        yield process
    finally:
        process.kill()
        process.communicate()


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    return process.returncode, error


# -- publishing --------------------------------------------------------------------------------------------------------


def test_a_component_gets_what_is_published(ggl: Ggl, shared: Runtime) -> None:
    with Components(shared) as components:
        client = components.connect(shared.call("gg_ipc", "token", {"component": READER}))
        events = Events()
        client.subscribe_to_topic(topic="cli/+", **events.handlers())
        assert ggl("pubsub", "pub", "cli/a", '{"x": [1, null, "ä"]}').out == "published JSON on cli/a to 1 subscriber\n"
        assert json_of(events.next()) == {"x": [1, None, "ä"]}
        text = ggl("pubsub", "pub", "cli/a", "good morning").out
        assert text == "published 12 bytes on cli/a to 1 subscriber\n"
        assert events.next().binary_message.message == b"good morning"
        ggl("pubsub", "pub", "cli/a", '{"x": 1}', "--as", "bytes")
        assert events.next().binary_message.message == b'{"x": 1}'
        for text in ("[1]", '{"x": 1e999}', "\udcff"):
            ggl("pubsub", "pub", "cli/a", text)
            assert events.next().binary_message.message == os.fsencode(text)


def test_what_was_said_by_a_component_is_shown(ggl: Ggl, shared: Runtime) -> None:
    with Components(shared) as components, subscribed(ggl, "said/#") as process:
        client = components.connect(shared.call("gg_ipc", "token", {"component": READER}))
        publish(client, "said/it", {"x": 1})
        assert process.stdout
        assert process.stdout.readline().split("  ")[1:] == ["said/it", READER, '{"x": 1}\n']


def test_that_nobody_is_subscribed_is_no_error(ggl: Ggl) -> None:
    assert ggl("pubsub", "pub", "lonely", "x").out == "published 1 byte on lonely: nobody is subscribed to it\n"
    assert ggl("pubsub", "pub", "lonely", "x", "--json").json == {
        "topic": "lonely",
        "subscribers": 0,
        "kind": "bytes",
    }


@pytest.mark.parametrize("text", ['{"a":1', ' {"a":NaN}'])
def test_what_was_most_likely_meant_as_json_is_warned_of(ggl: Ggl, text: str) -> None:
    done = ggl("pubsub", "pub", "slip", text)
    assert done.err.startswith("warning: published as bytes, for it begins like JSON but is none: ")
    assert done.out.startswith(f"published {len(text)} bytes on slip")
    assert json.loads(ggl("pubsub", "pub", "slip", text, "--json").err)["warning"]["code"] == "PARSE"
    assert ggl("pubsub", "pub", "slip", "[1,2]").err == ""
    assert ggl("pubsub", "pub", "slip", text, "--as", "bytes").err == ""


def test_how_large_a_message_can_be(ggl: Ggl, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(MAX_BYTES))
    assert ggl("pubsub", "pub", "large", "--file", tmp_path / "file", "--json").json["kind"] == "bytes"
    (tmp_path / "file").write_bytes(bytes(20_000_000))
    error = ggl("pubsub", "pub", "large", "--file", tmp_path / "file", code=5).err
    assert f"the message has 20000000 bytes; it can have at most {MAX_BYTES}" in error


def test_a_message_from_a_file_or_a_pipe_is_taken_byte_for_byte(ggl: Ggl, tmp_path: Path) -> None:
    data = bytes(range(256))
    (tmp_path / "file").write_bytes(data)
    with sub_json(ggl, "bytes", 3) as process:
        ggl("pubsub", "pub", "bytes", "--file", tmp_path / "file")
        ggl("pubsub", "pub", "bytes", "-", stdin="text\n")
        ggl("pubsub", "pub", "bytes", "-", stdin=' {"x": 1}\n')
        out, _ = process.communicate(timeout=120)
    raw, text, value = map(json.loads, out.splitlines())
    assert (base64.b64decode(raw["binary"]), raw["text"]) == (data, None)
    assert (text["text"], "message" in text) == ("text\n", False)
    assert value["message"] == {"x": 1}
    assert process.returncode == 0


@contextmanager
def sub_json(ggl: Ggl, topic: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """With ``--json`` nothing is said on stderr: publish until somebody is there."""
    before = _subscribers(ggl, f"{topic}/probe")
    process = ggl.begin("pubsub", "sub", topic, f"{topic}/probe", "--count", str(count + 1), "--json")
    try:
        wait_until(lambda: _subscribers(ggl, f"{topic}/probe"), lambda now: now > before, 120)
        assert process.stdout
        assert json.loads(process.stdout.readline())["topic"] == f"{topic}/probe"
        yield process
    finally:
        process.kill()
        process.communicate()


def _subscribers(ggl: Ggl, topic: str) -> int:
    count: int = ggl("pubsub", "pub", topic, "", "--json").json["subscribers"]
    return count


def test_each_line_is_a_message_and_goes_out_as_it_comes(ggl: Ggl) -> None:
    with subscribed(ggl, "lines", "--raw") as process:
        publisher = subprocess.Popen(
            [*GGL, "pubsub", "pub", "lines", "-", "--lines"],
            env=ggl.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert publisher.stdin
        assert process.stdout
        for line in ("one", '{"x": 2}'):
            publisher.stdin.write(line + "\n")
            publisher.stdin.flush()
            assert process.stdout.readline() == line + "\n"
        out, _ = publisher.communicate(timeout=120)
        assert (publisher.returncode, out) == (0, "published 2 messages on lines (1 JSON, 1 bytes)\n")
        assert ggl("pubsub", "pub", "lines", "-", "--lines", "--json", stdin="a\nb\n").out == (
            '{"topic": "lines", "subscribers": 1, "kind": "bytes"}\n' * 2
        )
    unheard = ggl("pubsub", "pub", "unheard", "-", "--lines", stdin="a\n\nb\n")
    assert unheard.out == "published 3 messages on unheard; 3 of them had no subscriber\n"


def test_a_line_that_cannot_be_published_is_named(ggl: Ggl) -> None:
    bad = ["pubsub", "pub", "bad", "-", "--lines", "--as", "json"]
    error = ggl(*bad, stdin='{"x":1}\nbad\n{"x":2}\n', code=5).err
    assert "line 2: the message is not JSON: " in error
    assert "(the 1 before it were published)" in error
    assert "shell" not in error
    assert "(nothing was published)" in ggl(*bad, stdin="bad\n", code=5).err
    assert "quote it for the shell" in ggl("pubsub", "pub", "bad", "bad", "--as", "json", code=5).err


def test_lines_go_on_when_the_runtime_restarts() -> None:
    with running() as runtime:
        ggl = Ggl(runtime.root.state)
        publisher = subprocess.Popen(
            [*GGL, "pubsub", "pub", "again", "-", "--lines", "--json"],
            env=ggl.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert publisher.stdin
        assert publisher.stdout
        for happens in ("nothing", "a crash", "a restart"):
            if happens == "a crash":
                runtime.kill(runtime.pid_of("pubsubd"))
            elif happens == "a restart":
                runtime.down()
                runtime.up()
            publisher.stdin.write("x\n")
            publisher.stdin.flush()
            assert json.loads(publisher.stdout.readline())["topic"] == "again"
        publisher.stdin.close()
        assert publisher.wait(timeout=120) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a/#", "x"], 5, "nothing can be published on 'a/#'"),
        (["a+b", "x"], 5, "nothing can be published on 'a+b'"),
        (["", "x"], 2, "it is empty"),
        (["a" * 1025, "x"], 5, "'topic' is longer than 1024 bytes"),
        (["a"], 2, "there is nothing to publish"),
        (["a", "x", "--file", "y"], 2, "exclude each other"),
        (["a", "x", "--lines"], 2, "--lines is for"),
        (["a", "{", "--as", "json"], 5, "the message is not JSON"),
        (["a", "[1]", "--as", "json"], 5, "not an object"),
        (["a", '{"x": NaN}', "--as", "json"], 5, "not JSON"),
        (["a", '{"x": "\\ud800"}', "--as", "json"], 5, "not JSON"),
        (["a", '{"x": 18446744073709551616}'], 5, "64 bits"),
        (["\udcff", "x"], 5, "must be UTF-8"),
        (["a", "x", "--as", "xml"], 2, "'xml' is none of"),
        (["a", "--file", "/nowhere"], 4, "there is no such file"),
    ],
)
def test_what_cannot_be_published_is_one_line(ggl: Ggl, words: list[str], code: int, message: str) -> None:
    error = ggl("pubsub", "pub", *words, code=code).err
    assert message in error
    assert error.count("\n") == 1


# -- subscribing -------------------------------------------------------------------------------------------------------


def test_a_line_has_time_topic_publisher_and_content(ggl: Ggl) -> None:
    with subscribed(ggl, "show/#", "--count", "4") as process:
        ggl("pubsub", "pub", "show/1", '{"x": 1}')
        ggl("pubsub", "pub", "show/2", "plain")
        ggl("pubsub", "pub", "show/3", "two\nlines")
        ggl("pubsub", "pub", "show/4", "--file", "/usr/bin/true")
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    lines = [line.split("  ") for line in out.splitlines()]
    assert [line[1:3] for line in lines] == [[f"show/{number}", "ggl"] for number in range(1, 5)]
    assert [line[3] for line in lines[:3]] == ['{"x": 1}', "plain", '"two\\nlines"']
    assert lines[3][3].startswith("base64:f0VMR")
    assert all(line[0].endswith("Z") for line in lines)


def test_a_message_that_several_filters_cover_is_printed_once(ggl: Ggl) -> None:
    with subscribed(ggl, "once/#", "once/+", "once/a", "once/a", "other", "--raw", "--count", "3") as process:
        for topic, text in (("once/a", "1"), ("once/a/b", "2"), ("other", "3")):
            ggl("pubsub", "pub", topic, text)
        out, _ = process.communicate(timeout=120)
    assert out == "1\n2\n3\n"


@pytest.mark.parametrize("topic_filter", ["a+", "x/a#/b", "a/*", "#a"])
def test_a_filter_that_covers_nothing_is_refused(ggl: Ggl, topic_filter: str) -> None:
    error = ggl("pubsub", "sub", "fine", topic_filter, code=5).err
    assert f"the filter '{topic_filter}' covers no topic, because of " in error
    assert error.count("\n") == 1


def test_a_filter_that_may_be_meant_otherwise_is_explained(ggl: Ggl) -> None:
    with subscribed(ggl, "early/#/b", "early/#", "--count", "2", "--raw") as process:
        assert process.stderr
        assert "'early/#/b' is the same as 'early/+/b'" in process.stderr.readline()
        for topic in ("early/1/b", "early/1/2/b"):
            ggl("pubsub", "pub", topic, topic)
        out, error = process.communicate(timeout=120)
    assert (out, error) == ("early/1/b\nearly/1/2/b\n", "")


def test_what_is_no_text_is_base64(ggl: Ggl, tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(9))
    with subscribed(ggl, "zeros", "--count", "2") as process:
        ggl("pubsub", "pub", "zeros", "--file", tmp_path / "zeros")
        ggl("pubsub", "pub", "zeros", "a few lines\nare text\t\n")
        lines = process.communicate(timeout=120)[0].splitlines()
    assert [line.split("  ")[3] for line in lines] == ["base64:AAAAAAAAAAAA", '"a few lines\\nare text\\t\\n"']


@pytest.mark.parametrize("as_json", [False, True], ids=["people", "json"])
def test_who_reads_too_slowly_is_told_what_it_missed_and_goes_on(ggl: Ggl, shared: Runtime, as_json: bool) -> None:
    topic = f"slow/{as_json}"
    process = ggl.begin("pubsub", "sub", topic, *(["--json"] if as_json else ["--raw"]))
    try:
        wait_until(lambda: _subscribers(ggl, topic), lambda now: now == 1, 120)
        payload = {"jsonMessage": {"message": {"x": "y" * 10_000}}}
        with shared.client("gg_pubsub") as bus:
            while bus.call("publish", {"topic": topic, "payload": payload}):
                pass
        assert process.stderr
        assert process.stdout
        read = threading.Thread(target=lambda: [None for line in process.stdout or () if "last" not in line])
        read.start()  # now it is read
        said = process.stderr.readline()
        while said.startswith("subscribed"):
            said = process.stderr.readline()
        told = json.loads(said)["warning"]["message"] if as_json else said.removeprefix("warning: ")
        assert re.match(r"this reader was too slow: it missed \d\d+ messages, and what comes until", told)
        wait_until(lambda: _subscribers(ggl, topic), lambda now: now == 1, 120)
        code, error = interrupt_with_reader(process)
        assert (code, error) == (0, "")
        read.join()
    finally:
        process.kill()
        process.wait()


def interrupt_with_reader(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    assert process.stderr
    return process.wait(timeout=120), process.stderr.read()


def test_ctrl_c_is_the_normal_end(ggl: Ggl) -> None:
    with subscribed(ggl, "quiet") as process:
        assert interrupt(process) == (0, "")


def test_a_time_limit_with_and_without_messages(ggl: Ggl, shared: Runtime) -> None:
    assert "no message in 0.3 s" in ggl("pubsub", "sub", "quiet", "--timeout", "0.3", code=6).err
    error = ggl("pubsub", "sub", "quiet", "--timeout", "0.3", "--count", "5", "--json", code=6).error
    assert (error["code"], error["message"]) == ("TIMEOUT", "0 of 5 messages in 0.3 s")
    with subscribed(ggl, "some", "--timeout", "5") as process:
        # Not by a command, whose start may take as long.
        message = {"topic": "some", "payload": {"binaryMessage": {"message": "eA=="}}}
        assert shared.call("gg_pubsub", "publish", message) == 1
        out, _ = process.communicate(timeout=120)
    assert (process.returncode, out.count("\n")) == (0, 1)


@pytest.mark.parametrize("quiet", [False, True], ids=["at the next message", "without any message"])
def test_the_reader_goes_away(ggl: Ggl, quiet: bool) -> None:
    with subscribed(ggl, "pipe") as process:
        assert process.stdout
        ggl("pubsub", "pub", "pipe", "1")
        process.stdout.readline()
        process.stdout.close()
        if not quiet:
            ggl("pubsub", "pub", "pipe", "2")
        assert process.wait(timeout=120) == 141
        assert process.stderr
        assert process.stderr.read() == ""


def test_it_goes_on_when_pubsubd_dies_and_when_the_runtime_restarts() -> None:
    with running() as runtime:
        ggl = Ggl(runtime.root.state)
        with subscribed(ggl, "back", "--raw") as process:
            assert process.stdout
            assert process.stderr
            for again in (lambda: runtime.kill(runtime.pid_of("pubsubd")), lambda: (runtime.down(), runtime.up())):
                again()
                assert "connection lost" in process.stderr.readline()
                assert "connected again" in process.stderr.readline()
                assert ggl("pubsub", "pub", "back", "x", "--json").json["subscribers"] == 1
                assert process.stdout.readline() == "x\n"
    assert "is not running" in ggl("pubsub", "sub", "x", code=3).err


def test_the_options_exclude_each_other(ggl: Ggl) -> None:
    assert "exclude each other" in ggl("pubsub", "sub", "x", "--raw", "--json", code=2).error["message"]
    ggl("pubsub", "sub", "x", "--count", "0", code=2)
    ggl("pubsub", "sub", "", code=2)


# -- on a terminal -----------------------------------------------------------------------------------------------------


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, ggl: Ggl, *words: str) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execve(GGL[0], [*GGL, *words], {**ggl.environment, "TERM": "xterm", "COLUMNS": "100"})
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def until(self, text: str) -> str:
        deadline = time.monotonic() + 120
        while text not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self._fd], [], [], 0.1)[0]:
                self.text += self._decoder.decode(os.read(self._fd, 4096))
        return self.text

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def end(self) -> int:
        """Its exit code."""
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)


def test_on_a_terminal_it_has_colours_and_nothing_that_a_message_could_do_to_it(ggl: Ggl) -> None:
    screen = Screen(ggl, "pubsub", "sub", "screen/#")
    screen.until("subscribed")
    ggl("pubsub", "pub", "screen/a", "evil \x1b]0;title\x07 \x9b31m")
    ggl("pubsub", "pub", "screen/b", '{"last": "\\u001b[2J"}')
    text = screen.until("last")
    assert "\x1b[36mscreen/a" in text
    assert "\x1b]0;" not in text
    assert "\x9b" not in text
    assert "\x1b[2J" not in text
    screen.type(b"\x03")
    assert screen.end() == 0


def test_a_terminal_gets_no_more_of_a_message_than_people_read(ggl: Ggl) -> None:
    screen = Screen(ggl, "pubsub", "sub", "long")
    screen.until("subscribed")
    ggl("pubsub", "pub", "long", "a" * (MAX_SHOWN + 1))
    text = screen.until("characters)")
    assert text.count("a" * MAX_SHOWN + f"… ({MAX_SHOWN + 1} characters)") == 1
    screen.type(b"\x03")
    assert screen.end() == 0
