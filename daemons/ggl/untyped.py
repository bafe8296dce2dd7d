"""What a program uses of ``typing`` while it runs, when nobody looks at its types then (see ``ggl.lazy``).

Whatever is not here is found in the real module, which is loaded for that.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False


class Written:
    """Stands for names that are only written down: they may be subscripted, combined and inherited from."""

    def __class_getitem__(cls, _types: object) -> type:
        return cls


class ClassVar(Written):
    """Of its own, as dataclasses look for it."""


Any = BinaryIO = Callable = Generic = IO = Literal = NoReturn = Optional = Protocol = Union = _GenericAlias = Written


def TypeVar(_name: str, *_constraints: object, bound: object = None) -> type:
    return Written


def overload(function: object) -> object:
    return function


def cast(_type: object, value: object) -> object:
    return value


class _Fields(type):
    """Makes the body of a class into a named tuple."""

    def __new__(mcs, name: str, bases: tuple[type, ...], members: dict[str, object]) -> type:
        if not bases:
            return super().__new__(mcs, name, bases, members)
        fields: dict[str, str] = members.pop("__annotations__", {})  # type: ignore[assignment]
        defaults = [members.pop(field) for field in fields if field in members]
        base = namedtuple(name, fields, defaults=defaults)  # type: ignore[misc]
        return type(name, (base,), {"__slots__": (), **members})


class NamedTuple(metaclass=_Fields):
    """What named tuples are written as subclasses of."""
