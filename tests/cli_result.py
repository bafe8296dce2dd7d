"""What one run of the ``ggl`` command came to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """Exit code and both outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The one error that ``--json`` writes to stderr."""
        error: dict[str, str] = json.loads(self.err)["error"]
        assert set(error) == {"code", "message", "hint", "trail"}
        return error
