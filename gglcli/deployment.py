"""Ask for a deployment or a rollback, follow it to its end, and say what went wrong where."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ggl.bus import BusError, ErrorCode
from gglcli import output
from gglcli.client import command, connect, is_running, root
from gglcli.errors import BROKEN, INTERRUPTED, TIMEOUT, CliError
from gglcli.health import SETTLED
from gglcli.output import Block, Live, LogLine, State, Table, Text, duration
from gglcli.session import session

INTERFACE = "gg_deployment"
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "REJECTED")
OUTCOMES = {
    "FAILED_NO_STATE_CHANGE": "nothing was changed",
    "FAILED_ROLLBACK_NOT_REQUESTED": "the device is as the failure left it",
    "FAILED_ROLLBACK_COMPLETE": "what ran before runs again",
    "FAILED_UNABLE_TO_ROLLBACK": "what ran before could not be brought back",
}
"""What a detailed status means for the device."""
LOG_LINES = 10
"""Lines of a broken component's log that are shown."""
COPY_TIMEOUT = 600.0
"""Seconds that the runtime may take to copy recipes and artifacts."""
_TICK = 0.5
_RECONNECT = 0.3


def create(request: Mapping[str, Any], method: str = "create_local_deployment") -> str:
    """Ask for a deployment; returns its id. What the request points to has been copied then."""
    return str(ask(method, request)["deployment_id"])


def ask(method: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Call a method that makes, or would make, a deployment, in the name of this user."""
    try:
        with connect(INTERFACE, COPY_TIMEOUT) as client:
            answer: dict[str, Any] = client.call(method, {"requested_by": f"{_user_name()} (ggl)", **request})
    except BusError as error:
        # The name of a method says nothing to whoever typed a command.
        message = error.message
        while message.startswith(f"{method}: "):
            message = message.removeprefix(f"{method}: ")
        raise BusError(error.code, message, error.trail) from None
    return answer


def _user_name() -> str:
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def outcome(
    deployment_id: str, *, wait: bool, timeout: float | None = None, word: str = "deployment"
) -> dict[str, Any]:
    """With ``wait``, follow the deployment to its end; returns what is known of it then. ``word``: what it is called.

    Raises ``CliError`` when it fails, or is not over after ``timeout`` seconds.
    """
    if not wait:
        data = {"deployment_id": deployment_id, "status": "QUEUED"}
        output.show(data, Text(f"{word} {deployment_id} QUEUED"))
        return data
    end = follow(deployment_id, timeout)
    finish(end)
    return end.deployment


class End:
    """What a deployment came to, and what its broken components logged last, before anything was rolled back."""

    def __init__(self, deployment: dict[str, Any], logs: dict[str, list[LogLine]]) -> None:
        self.deployment = deployment
        self.logs = logs

    @property
    def succeeded(self) -> bool:
        return bool(self.deployment["status"] == "SUCCEEDED")

    def data(self) -> dict[str, Any]:
        """For scripts."""
        if self.succeeded:
            return data_of(self.deployment)
        logs = {
            name: [f"{line.time} {line.level} {line.message}" for line in lines] for name, lines in self.logs.items()
        }
        return {**data_of(self.deployment), "logs": logs}

    def show_logs(self) -> None:
        for name, lines in self.logs.items():
            output.note("")
            output.note(f"Last lines of the log of {name}:" if lines else f"{name} has logged nothing.")
            for line in lines:
                for row in output.without_colours(output.plain(line)).split("\n"):
                    output.note(f"  {row}")
        if self.logs:
            output.note("")


def follow(deployment_id: str, timeout: float | None = None) -> End:
    """Show the progress of a deployment until it is over.

    Raises ``CliError`` after ``timeout`` seconds, and for Ctrl-C.
    """
    try:
        with Live() as live:
            return _follow(deployment_id, None if timeout is None else time.monotonic() + timeout, live)
    except TimeoutError:
        raise _going_on(deployment_id, f"no outcome after {timeout:g} s", TIMEOUT) from None
    except KeyboardInterrupt:
        raise _going_on(deployment_id, "interrupted", INTERRUPTED) from None


def _going_on(deployment_id: str, why: str, exit_code: int) -> CliError:
    """Nobody waits for the deployment any more; a script gets its id as the result."""
    if session.json:
        output.show({"deployment_id": deployment_id, "status": "IN_PROGRESS"})
    shown = output.short(deployment_id)
    hint = f"follow it with '{command(f'deploy wait {shown}')}'"
    return CliError(f"{why}; deployment {shown} goes on", exit_code, hint=hint)


def _follow(deployment_id: str, deadline: float | None, live: Live) -> End:
    progress = Progress()
    while True:
        try:
            deployment = _follow_stream(deployment_id, deadline, progress, live)
            logs = progress.logs or (_logs(deployment) if deployment["status"] != "SUCCEEDED" else {})
            return End(deployment, logs)
        except BusError as error:
            if error.code not in (ErrorCode.NOCONN, ErrorCode.BUSY) or not is_running():
                raise
            time.sleep(_RECONNECT)  # the deployment daemon was restarted: it goes on where it was


def _follow_stream(deployment_id: str, deadline: float | None, progress: Progress, live: Live) -> dict[str, Any]:
    """Raises ``TimeoutError`` at ``deadline`` (monotonic seconds)."""
    with connect(INTERFACE) as client:
        subscription = client.subscribe("subscribe", {"deployment_id": deployment_id})
        deployment: dict[str, Any] = subscription.result
        while True:
            progress.note_way_back(deployment)
            live.update(progress.blocks(deployment), progress.lines(deployment))
            if deployment["status"] in OVER:
                return deployment
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
            try:
                deployment = subscription.next(_TICK)
            except BusError as error:
                if error.code != ErrorCode.TIMEOUT:
                    raise
            except StopIteration:
                deployment = client.call("get", {"deployment_id": deployment_id})
                if deployment["status"] not in OVER:
                    raise BusError(ErrorCode.NOCONN, "the deployment daemon has ended the stream") from None


class Progress:
    """Turns the states of a deployment into a display, and into lines for what changed since the last one."""

    def __init__(self) -> None:
        self.logs: dict[str, list[LogLine]] = {}
        """What the broken components had logged when the way back began."""
        self._message = ""
        self._why_back = ""
        self._states: dict[str, str] = {}

    def note_way_back(self, deployment: Mapping[str, Any]) -> None:
        """When it begins, keep why, and what the broken components logged: once a component runs again in the version
        of before, its log ends with what that one has to say."""
        if deployment.get("rolling_back") and not self._why_back and deployment["status"] not in OVER:
            self._why_back = deployment.get("message") or "going back to what ran before"
            self.logs = _logs(deployment)

    def blocks(self, deployment: Mapping[str, Any]) -> list[Block]:
        over = deployment["status"] in OVER
        style = "head" if not over else "good" if deployment["status"] == "SUCCEEDED" else "bad"
        blocks: list[Block] = [
            Text(f"{title(deployment)}  {shown_status(deployment)}  {duration(_elapsed(deployment))}", style)
        ]
        states = _states(deployment)
        if self._why_back and not over:
            blocks.append(Text(self._why_back, "bad"))
        if not over and deployment.get("message", "") not in ("", self._why_back):
            up = sum(state in SETTLED and state != "BROKEN" for state in states.values())
            count = f" ({up} of {len(states)})" if deployment.get("step") == "wait" and states else ""
            blocks.append(Text(deployment["message"] + count, "dim"))
        if states:
            versions = deployment.get("components") or {}
            rows = [[name, versions.get(name, ""), State(state)] for name, state in sorted(states.items())]
            blocks.append(Table(["COMPONENT", "VERSION", "STATE"], rows))
        return blocks

    def lines(self, deployment: Mapping[str, Any]) -> list[str]:
        """The id and the status at the beginning and the end, what is being done and new states in between."""
        lines = []
        over = deployment["status"] in OVER
        head = f"{kind(deployment)} {deployment['deployment_id']} {deployment['status']}"
        if not self._message:
            lines.append(head)
        message = deployment.get("message") or deployment["status"]
        if message != self._message and not over:
            lines.append(message)
        self._message = message
        states, versions = _states(deployment), deployment.get("components") or {}
        for name, state in sorted(states.items()):
            if self._states.get(name) != state:
                lines.append(" ".join(part for part in (name, versions.get(name, ""), state) if part))
        self._states = states
        if over:
            lines.append(f"{head} in {duration(_elapsed(deployment))}")
        return lines


def generation_of(deployment: Mapping[str, Any]) -> int | None:
    """The one that it made or went back to; a device before its first deployment is generation 0."""
    there = deployment["status"] == "SUCCEEDED" and deployment.get("type") == "ROLLBACK"
    return deployment.get("generation") or (0 if there else None)


def data_of(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """For scripts: as the runtime tells it, but without a generation where there is none."""
    return {**deployment, "generation": generation_of(deployment)}


def kind(deployment: Mapping[str, Any]) -> str:
    return "rollback" if deployment.get("type") == "ROLLBACK" else "deployment"


def title(deployment: Mapping[str, Any]) -> str:
    return f"{kind(deployment).capitalize()} {output.short(deployment['deployment_id'])}"


def shown_status(deployment: Mapping[str, Any]) -> str:
    """The status as people read it: one that is on its way back says so."""
    back = deployment.get("rolling_back") and deployment["status"] not in OVER
    return "ROLLING_BACK" if back else str(deployment["status"])


def _elapsed(deployment: Mapping[str, Any]) -> float:
    end = float(deployment.get("finished") or time.time() * 1000)
    return max(0.0, (end - float(deployment["created"])) / 1000)


def _states(deployment: Mapping[str, Any]) -> dict[str, str]:
    """The states worth showing: of what the deployment touches."""
    states = dict(deployment.get("states") or {})
    removed = deployment.get("removed") or []
    gone = deployment["status"] == "SUCCEEDED" or deployment.get("step") == "commit"
    touched = {*(deployment.get("changed") or []), *(deployment.get("broken") or []), *removed}
    shown = {name: state for name, state in states.items() if name in touched or not touched}
    return {**shown, **dict.fromkeys(removed, "REMOVED")} if gone else shown


def finish(end: End) -> None:
    """The result for scripts; for a deployment that failed, the reasons and ``CliError``."""
    output.show(end.data())
    if not end.succeeded:
        end.show_logs()
        raise failure(end.deployment)


def failure(deployment: Mapping[str, Any]) -> CliError:
    """What a deployment that is over came to, if it did not succeed."""
    broken = list(deployment.get("broken") or [])
    what = {"CANCELED": "was canceled", "REJECTED": "was rejected"}.get(deployment["status"], "failed")
    cause = deployment.get("cause") or deployment.get("message") or ""
    shown = output.short(deployment["deployment_id"])
    message = f"{kind(deployment)} {shown} {what}" + (f": {cause}" if cause else "")
    if any(name not in message for name in broken):
        message += f" (broken: {', '.join(broken)})"
    if after := OUTCOMES.get(deployment.get("detailed_status") or ""):
        message += f"; {after}"
    look = f"logs {broken[0]}" if broken else f"deploy show {shown}"
    return CliError(message, BROKEN, hint=f"see '{command(look)}'", code="DEPLOYMENT_FAILED", trail=session.trail)


def _logs(deployment: Mapping[str, Any]) -> dict[str, list[LogLine]]:
    return {name: _last_lines(name, deployment["created"]) for name in deployment.get("broken") or ()}


def _last_lines(component: str, since: int) -> list[LogLine]:
    """The last lines that ``component`` logged after ``since`` (milliseconds since the epoch)."""
    from ggl.logs.reader import Query
    from ggl.logs.record import format_time
    from ggl.logs.source import Unreadable, log_source

    try:
        records = list(log_source(root()).records([component], Query(since=since * 1000), LOG_LINES))
    except Unreadable as problem:
        return [LogLine(format_time(since * 1000), "WARN", "", f"the log is not shown: {problem}; {problem.hint}")]
    return [LogLine(format_time(record.time), record.level, "", record.message) for record in records]
