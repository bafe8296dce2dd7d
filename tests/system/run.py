"""``make test-systemd``: the tests that need a systemd, and those of tests/integration that run on either host.

Each file of tests gets a sandbox of its own (see ``sandbox.sh``), one more at a time than there are cores, since they
wait a good deal. On a machine whose own PID 1 is systemd they run there, one after the other. Where neither can be had
this says so, and succeeds.

    python -m tests.system.run [FILE OR NODE ID]...
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SANDBOX = "tests/system/sandbox.sh"
JOURNALS = CHECKOUT / "build/system/journals"
SYSTEMD_IS_PID_1 = Path("/run/systemd/system").exists()
NOTHING_COLLECTED = 5
WHILE_IT_BOOTS = ("--boot-timeout", "300")
"""Of with-systemd: a sandbox has to share the machine with others while it boots."""

ON_BOTH_HOSTS = (
    "deploy_local",
    "rollback",
    "bootstrap",
    "recipe_rules",
    "recovery",
    "change_rules",
    "deployment_policies",
    "deployment_rules",
    "units",
    "listen",
    "lifecycle",
    "requests",
    "steps",
    "bounds",
    "components",
    "ipc_lifecycle",
    "component_unit",
    "health",
)
"""Files of tests/integration, those that take longest first."""


def main() -> None:
    leave_unless_it_can_run("test-systemd")
    chosen = sys.argv[1:] or [
        *(f"tests/integration/test_{name}.py" for name in ON_BOTH_HOSTS),
        *sorted(str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "tests/system").rglob("test_*.py")),
    ]
    JOURNALS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ThreadPoolExecutor(1 if SYSTEMD_IS_PID_1 else (os.cpu_count() or 1) + 1) as pool:
        failed = [name for name, good in zip(chosen, pool.map(_run, chosen), strict=True) if not good]
    print(f"make test-systemd: {len(chosen)} files in {time.monotonic() - began:.0f} s", flush=True)
    for name in failed:
        print(f"FAILED {name}; the journal is in {_journal(name)}")
    sys.exit(bool(failed))


def leave_unless_it_can_run(target: str) -> None:
    """Say so and end this process where there is no systemd to be had."""
    can = subprocess.run([CHECKOUT / SANDBOX, "--can"], capture_output=True, text=True)
    if can.returncode:
        print(f"make {target}: NOT RUN: {can.stderr.strip()}")
        sys.exit()


def _journal(name: str) -> Path:
    return JOURNALS / (name.partition("::")[0].removeprefix("tests/").removesuffix(".py").replace("/", "-") + ".txt")


def _run(name: str) -> bool:
    pytest = [".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=5", name]
    command = ["env", "GGL_TEST_HOST=systemd", *pytest]
    if "tests/system/boots/" not in name:  # those boot sandboxes of their own
        if not SYSTEMD_IS_PID_1:
            command = [*WHILE_IT_BOOTS, "--timeout", "3000", "--save-journal", str(_journal(name)), "--", *command]
        command = [SANDBOX, *command]
    done = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"-- {name}\n{done.stdout}", flush=True)
    return done.returncode in (0, NOTHING_COLLECTED)


if __name__ == "__main__":
    main()
