"""The one exception an IPC operation ends with, and how it travels from the daemon that serves it to the component.

On the bus an error is the map ``{"shape": "ResourceNotFoundError", "message": "...", ...}``; further members belong to
the shape (``resourceType``, ``resourceName``, ``context``).
"""

from __future__ import annotations

from typing import Any

_MAX_MESSAGE = 16 * 1024
"""Characters of a message that came over the bus: what is larger helps nobody, and may not fit."""


class IpcError(Exception):
    """An operation failed with the modelled error ``shape`` (its bare name, for example ``ServiceError``)."""

    def __init__(self, shape: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.shape = shape
        self.message = message
        self.members = members

    def __str__(self) -> str:
        return f"{self.shape}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        return {"shape": self.shape, "message": self.message, **self.members}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> IpcError:
        """The error a daemon or a component answered with; tolerant, since something must reach the caller anyway."""
        shape = data.get("shape")
        if not (isinstance(shape, str) and shape.isascii() and shape.isidentifier() and len(shape) <= 128):
            shape = "ServiceError"
        error = cls(shape, str(data.get("message") or "")[:_MAX_MESSAGE])
        # Members that begin with an underscore are the protocol's own.
        error.members = {
            key: value
            for key, value in data.items()
            if isinstance(key, str) and key not in ("shape", "message") and not key.startswith("_")
        }
        return error


def service_error(message: str) -> IpcError:
    return IpcError("ServiceError", message)


def invalid_arguments(message: str) -> IpcError:
    return IpcError("InvalidArgumentsError", message)


def unauthorized(message: str) -> IpcError:
    return IpcError("UnauthorizedError", message)


def not_found(message: str, resource_type: str = "", resource_name: str = "") -> IpcError:
    members = {"resourceType": resource_type, "resourceName": resource_name} if resource_type else {}
    return IpcError("ResourceNotFoundError", message, **members)
