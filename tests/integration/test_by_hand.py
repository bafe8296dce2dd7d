"""What the pages tell people to paste into a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.conftest import Runtime, wait_until

ROOT = Path(__file__).resolve().parents[2]


def test_the_recipe_for_being_a_component_by_hand(runtime: Runtime) -> None:
    page = (ROOT / "docs/reference/ipc.md").read_text()
    block = page.partition("**To try something by hand,**")[2].partition("```sh\n")[2].partition("```")[0]
    lines = [line for line in block.splitlines() if "-m venv" not in line]
    script = "\n".join(lines).replace("try/bin/python", sys.executable)
    path = ["services", "com.example.Hello", "configuration"]
    runtime.call("gg_config", "write", {"key_path": path, "value": {"greeting": "Hello"}})
    # Made by a daemon that starts with the runtime; people are slower.
    wait_until((runtime.root.state / "cli_ipc_info" / f"user-{os.getuid()}").exists)
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": search, "GGL_ROOT": str(runtime.root.state)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "{'greeting': 'Hello'}\n"), done.stderr
