from typing import Any, ClassVar

import pytest

from ggl.iotcored import line as line_module
from ggl.iotcored.line import Line
from ggl.iotcored.owner import TAKEN_OVER, UNSUPPORTED_VERSION, Loss
from ggl.iotcored.target import Target
from tests.unit.ggl.iotcored.virtual import VirtualLoop


class FakeLink:
    made: ClassVar[list["FakeLink"]] = []

    def __init__(self, _loop: Any, owner: Any, target: Target, client_id: str, mqtt5: bool, clean: bool) -> None:
        self.owner, self.target, self.client_id, self.mqtt5, self.clean = owner, target, client_id, mqtt5, clean
        self.up = False
        self.made.append(self)

    def come_up(self) -> None:
        self.up = True
        self.owner.link_up(self, False)

    def go_down(self, loss: Loss) -> None:
        self.up = False
        self.owner.link_down(self, loss)

    def close(self, why: str, forget_session: bool = False) -> None:
        self.go_down(Loss(why))


class Center:
    def __init__(self) -> None:
        self.told: list[str] = []

    def line_up(self, *_: Any) -> None:
        self.told.append("up")

    def line_down(self, _line: Line, _loss: Loss, was_up: bool) -> None:
        self.told.append("down" if was_up else "failed")


class Scene:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, index: int = 0, **options: Any) -> None:
        monkeypatch.setattr(FakeLink, "made", [])
        monkeypatch.setattr(line_module, "Link", FakeLink)
        monkeypatch.setattr("ggl.cloud.backoff.fraction", lambda: 1.0)
        self.loop = VirtualLoop(monkeypatch)
        self.center = Center()
        self.target = Target("broker", 8883, "T", **options)
        self.line = Line(self.loop, self.center, self.target, index)  # type: ignore[arg-type]

    @property
    def links(self) -> list[FakeLink]:
        return FakeLink.made

    def fail_until_next(self, loss: Loss) -> float:
        """Fail, and return the seconds until the next try."""
        begun, tries = self.loop.now, len(self.links)
        self.links[-1].go_down(loss)
        while len(self.links) == tries:
            self.loop.run(0.5)
        return self.loop.now - begun


def test_tries_become_rarer_and_a_connection_that_held_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    assert [scene.fail_until_next(Loss("no")) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    scene.links[-1].come_up()
    scene.loop.run(29)
    assert scene.fail_until_next(Loss("gone")) == 120
    scene.links[-1].come_up()
    scene.loop.run(30)
    assert scene.fail_until_next(Loss("gone")) == 1
    assert scene.center.told == ["failed"] * 9 + ["up", "down"] * 2


def test_the_first_connection_is_clean_and_later_ones_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, index=1)
    scene.fail_until_next(Loss("no"))
    scene.links[-1].come_up()
    scene.fail_until_next(Loss("gone"))
    assert [(link.client_id, link.clean) for link in scene.links] == [("T#2", True), ("T#2", True), ("T#2", False)]


def test_an_old_broker_gets_the_old_protocol_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.links[-1].go_down(Loss("no", UNSUPPORTED_VERSION, refused=True))
    assert [link.mqtt5 for link in scene.links] == [True, False]
    scene.fail_until_next(Loss("no", UNSUPPORTED_VERSION, refused=True))
    assert [link.mqtt5 for link in scene.links] == [True, False, False]


def test_a_reason_is_said_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    scene = Scene(monkeypatch)
    for number in range(40):
        scene.fail_until_next(Loss("no answer" if number % 2 else f"other {number}"))
    assert len(capfd.readouterr().err.splitlines()) == line_module.MAX_REASONS


def test_two_devices_of_the_same_name_are_said_loudly(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(monkeypatch)
    for _ in range(5):
        scene.links[-1].come_up()
        scene.fail_until_next(Loss("session taken over", TAKEN_OVER, by_broker=True))
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("<3>")]
    assert len(said) == 3
    assert "system.thingName" in said[0]


def test_another_configuration_is_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.links[-1].come_up()
    other = Target("other", 8883, "T")
    scene.line.use(other, known=False)
    scene.loop.run(1)
    assert [(link.target.host, link.clean) for link in scene.links] == [("broker", True), ("other", True)]
    scene.links[-1].go_down(Loss("no"))
    scene.line.use(scene.target, known=False)
    assert scene.links[-1].target is scene.target
    scene.line.stop()
    scene.loop.run(1000)
    assert len(scene.links) == 3
