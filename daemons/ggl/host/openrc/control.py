"""The runtime as a service of OpenRC: whether it is one, starting and stopping it, installing and removing it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from ggl.host.action import Action
from ggl.host.openrc import accounts
from ggl.host.openrc.scripts import PREFIX, RUNTIME, runtime_script
from ggl.host.openrc.services import SCRIPTS, STATE, forget_dependencies, is_ours
from ggl.paths import SYSTEM

LOG = "/var/log/greengrass-lite.log"
RUNLEVEL = "default"
_RUNLEVELS = Path("/etc/runlevels")


class OpenrcError(Exception):
    """A program of OpenRC did not do what was asked; the text is what it said."""


def is_started() -> bool:
    """OpenRC has the runtime as started."""
    return (STATE / "started" / RUNTIME).exists()


def start() -> None:
    """Returns when the runtime answers. Raises ``OpenrcError``."""
    _run("rc-service", RUNTIME, "start")


def stop() -> None:
    """Returns when everything is stopped. Raises ``OpenrcError``."""
    _run("rc-service", RUNTIME, "stop")


def install_actions(command: tuple[str, ...], *, start_it: bool) -> list[Action]:
    """What is left to do for the runtime to be a service that starts at boot. ``command``: the interpreter."""
    script, text = SCRIPTS / RUNTIME, runtime_script(command, LOG)
    actions = accounts.actions(_run)
    if not script.exists() or script.read_text(encoding="utf-8", errors="replace") != text:
        actions.append(Action(f"write {script}", partial(_write, script, text)))
    if not (_RUNLEVELS / RUNLEVEL / RUNTIME).exists():
        add = partial(_run, "rc-update", "add", RUNTIME, RUNLEVEL)
        actions.append(Action(f"add {RUNTIME} to the runlevel {RUNLEVEL}, to start at boot", add))
    if start_it and not is_started():
        actions.append(Action(f"start {RUNTIME}", start))
    return actions


def uninstall_actions(*, purge: bool) -> list[Action]:
    """What is there of an installation, to be taken away; with ``purge`` also state and configuration."""
    actions = []
    if is_started():
        actions.append(Action("stop the components, then the runtime", stop))
    for link in sorted(_RUNLEVELS.glob(f"*/{RUNTIME}")):
        remove = partial(_run, "rc-update", "delete", RUNTIME, link.parent.name)
        actions.append(Action(f"remove {RUNTIME} from the runlevel {link.parent.name}", remove))
    scripts = [path for path in (SCRIPTS / RUNTIME, *sorted(SCRIPTS.glob(f"{PREFIX}*"))) if is_ours(path)]
    actions += [Action(f"remove {path}", partial(path.unlink, missing_ok=True)) for path in scripts]
    actions += [
        Action(f"forget {path}", partial(path.unlink, missing_ok=True)) for path in sorted(STATE.glob(f"*/{PREFIX}*"))
    ]
    left = [SYSTEM.run, Path(LOG), *((SYSTEM.state, SYSTEM.config) if purge else ())]
    for path in left:
        if path.exists():
            clear = partial(shutil.rmtree, path) if path.is_dir() else path.unlink
            actions.append(Action(f"remove {path}{' and everything in it' if path.is_dir() else ''}", clear))
    return actions + (accounts.removals(_run) if purge else [])


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o755)
    os.replace(new, path)
    forget_dependencies()


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise OpenrcError(f"cannot run {words[0]}: {error.strerror}") from None
    if done.returncode:
        lines = [line.strip(" *") for line in (done.stderr + done.stdout).splitlines() if line.strip(" *")]
        raise OpenrcError(lines[0] if lines else f"{words[0]} ended with status {done.returncode}")
