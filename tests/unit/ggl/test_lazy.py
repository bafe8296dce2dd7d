"""What a resident process does without, and that it finds all of it when it is needed after all."""

from __future__ import annotations

import subprocess
import sys


def lean(program: str) -> str:
    """What ``program`` prints, run after ``lean()``."""
    program = f"from ggl.lazy import lean\nlean()\nimport sys\n{program}"
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout


def test_named_tuples_are_what_they_are_with_the_real_typing() -> None:
    program = """
from typing import NamedTuple

class Point(NamedTuple):
    "A place."
    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        return self.x + self.y

    def more(self) -> "Point":
        return self._replace(x=self.x + 1)

point = Point(1)
print(point, point == (1, 2), point.sum, point.more(), Point(y=1, x=3), {point: 1}[(1, 2)])
print(Point.__doc__, Point._fields)
try:
    point.z = 1
except AttributeError:
    print("closed")
"""
    printed = lean(program + "print(sys.modules['typing'].__name__)")
    assert printed.splitlines()[-1] == "ggl.untyped"
    real = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[:-1] == real.splitlines()


def test_what_is_written_down_does_not_load_typing_and_dataclasses_understand_it() -> None:
    program = """
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

T = TypeVar("T")
Handler = Callable[[Any, dict[str, T]], "Any | None"] | None

class Shape(Protocol):
    def area(self) -> int: ...

@dataclass(frozen=True)
class Box(Generic[T]):
    "A box."
    kind: ClassVar[str] = "box"
    colour: "ClassVar[str]" = "red"
    items: list[Any]
    file: IO[str] | None = None

print([field.name for field in fields(Box)], Box([1]), asdict(Box([1])), TYPE_CHECKING, sys.modules["typing"].__name__)
"""
    shown = "['items', 'file'] Box(items=[1], file=None) {'items': [1], 'file': None} False ggl.untyped\n"
    assert lean(program) == shown


def test_the_real_module_is_there_as_soon_as_something_else_of_it_is_used() -> None:
    program = """
import datetime, typing, copy
from pathlib import Path
from urllib.parse import quote
print(Path("/a b").as_uri(), quote("/a b"), datetime.datetime.fromtimestamp(0, datetime.timezone.utc).isoformat())
print(typing.get_type_hints(Path.exists), typing.NoReturn, copy.copy([1]), sys.modules["typing"] is typing)
from typing import Any
print(Any, sys.modules["typing"].__file__ == typing.__file__)
"""
    assert lean(program).splitlines() == [
        "file:///a%20b /a%20b 1970-01-01T00:00:00+00:00",
        "{} typing.NoReturn [1] False",
        "typing.Any True",
    ]
