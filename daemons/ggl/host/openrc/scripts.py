"""The text of the service scripts.

OpenRC reads every script to learn who depends on whom: one that no shell understands would keep others from starting.
So nothing gets into a script but as one quoted word.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ggl.privilege import HOST_VARIABLE

RUNTIME = "greengrass-lite"
"""The service of the runtime itself."""
PREFIX = "ggl."
MARK = "# Written by Greengrass Lite"
"""The beginning of the second line of each script: what does not have it is somebody else's."""
PROGRAMS_VARIABLE = "GGL_OPENRC"
"""In the environment of the supervisor: the directory of OpenRC's own programs. ``GGL_HOST`` is ``openrc`` there."""
START_SECONDS = 60
"""How long the runtime may take until it answers, and a component until it is up."""
STOP_SECONDS = 60
"""How long the runtime gets to stop the components: twice what it takes at most."""

_NAME = re.compile(r"[a-zA-Z0-9_.-]+")


def service_name(component: str) -> str | None:
    """The service of ``component``; ``None`` when OpenRC can have none of that name (it ignores ``*.sh``)."""
    return PREFIX + component if _NAME.fullmatch(component) and not component.endswith(".sh") else None


def runtime_script(command: Sequence[str], log: str) -> str:
    """``command``: the interpreter with its options; ``log``: the file for what the supervisor says before its log."""
    program, *options = (shlex.quote(word) for word in [*command, "-m", "ggl.host.openrc"])
    clear = " ".join([program, *options, "clear"])
    return f"""#!/sbin/openrc-run
{MARK}: 'ggl install' writes it anew.

name="Greengrass Lite"
description="AWS IoT Greengrass v2 components, and what runs them"
supervisor=supervise-daemon
# Both are split into words by the shell once more.
command={shlex.quote(program)}
command_args={shlex.quote(" ".join(options))}
supervise_daemon_args="--env {HOST_VARIABLE}=openrc --env {PROGRAMS_VARIABLE}=${{RC_LIBEXECDIR:-/lib/rc}}"
output_log={shlex.quote(log)}
error_log={shlex.quote(log)}
respawn_delay=2
respawn_max=0
# The components are stopped in order, each within its own limits.
retry=SIGTERM/{STOP_SECONDS}/SIGKILL/5

depend() {{
    use localmount net dns logger
    after bootmisc ntp-client
}}

start_pre() {{
    {clear} && rm -f /run/greengrass/bus/gg_host
}}

start_post() {{
    ewaitfile {START_SECONDS} /run/greengrass/bus/gg_host
}}

stop_post() {{
    # Had one of them been killed, there would be something left, and nobody would have told.
    {clear}
    for each in /etc/init.d/{PREFIX}*; do
        [ -e "$each" ] && "${{RC_LIBEXECDIR:-/lib/rc}}/sbin/mark_service_stopped" "${{each##*/}}"
    done
    return 0
}}
"""


def component_script(component: str, description: str, command: Sequence[str]) -> str:
    """``command``: the words that run ``ggl``."""
    name, ggl = shlex.quote(component), shlex.join(command)
    return f"""#!/sbin/openrc-run
{MARK}: it comes and goes with the component.

description={shlex.quote(_one_line(description) or f"Greengrass component {component}")}
extra_commands="logs"
description_logs="Show the last lines of its log"

depend() {{
    need {RUNTIME}
}}

start() {{
    ebegin "Starting component "{name}
    {ggl} component start --timeout {START_SECONDS} -- {name} >/dev/null
    eend $?
}}

stop() {{
    # When the runtime is being stopped it stops its components itself; they are not to stay down for that.
    if service_stopping {RUNTIME} || yesno "${{RC_GOINGDOWN:-no}}"; then
        return 0
    fi
    ebegin "Stopping component "{name}
    {ggl} component stop -- {name} >/dev/null
    eend $?
}}

logs() {{
    {ggl} logs -- {name}
}}
"""


def _one_line(text: str) -> str:
    """Without control characters: it is shown on terminals."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
