"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass

OK = "ok"
WARNING = "warning"
FAILURE = "failure"
SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """``status``: ok, warning (it works, but not as it should or not for long), failure, or skipped (it could not be
    looked at, or there is nothing to look at). ``title``: what was looked at; ``detail``: what it is like; ``remedy``:
    a command or what else to do, one line. ``check`` is the name of the check."""

    status: str
    title: str
    detail: str = ""
    remedy: str = ""
    check: str = ""

    def to_dict(self) -> dict[str, str]:
        """In the order in which people read it."""
        fields = asdict(self)
        return {name: fields[name] for name in ("check", "status", "title", "detail", "remedy")}


def ok(title: str, detail: str = "") -> Finding:
    return Finding(OK, title, detail)


def warning(title: str, detail: str, remedy: str) -> Finding:
    return Finding(WARNING, title, detail, remedy)


def failure(title: str, detail: str, remedy: str) -> Finding:
    return Finding(FAILURE, title, detail, remedy)


def skipped(title: str, detail: str, remedy: str = "") -> Finding:
    return Finding(SKIPPED, title, detail, remedy)
