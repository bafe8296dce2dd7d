"""The one exception an IPC operation ends with, and how it travels from the daemon that serves it to the component.

On the bus an error is the map ``{"shape": "ResourceNotFoundError", "message": "...", ...}``; further members belong to
the shape (``resourceType``, ``resourceName``, ``context``).
"""

from __future__ import annotations

from typing import Any


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
        """The error a daemon answered with; tolerant, since something must reach the component in any case."""
        members = {key: value for key, value in data.items() if key not in ("shape", "message")}
        return cls(str(data.get("shape") or "ServiceError"), str(data.get("message") or ""), **members)


def service_error(message: str) -> IpcError:
    return IpcError("ServiceError", message)


def invalid_arguments(message: str) -> IpcError:
    return IpcError("InvalidArgumentsError", message)


def unauthorized(message: str) -> IpcError:
    return IpcError("UnauthorizedError", message)


def not_found(message: str, resource_type: str = "", resource_name: str = "") -> IpcError:
    members = {"resourceType": resource_type, "resourceName": resource_name} if resource_type else {}
    return IpcError("ResourceNotFoundError", message, **members)
