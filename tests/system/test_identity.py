"""Which component a process belongs to is what the kernel says, not only what the process shows."""

from __future__ import annotations

import json
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import Runtime
from tests.integration.test_ipc_identity import CONNECT, HEATER, METER, Answer, connect, load, written
from tests.system.runtime import wait_until

USER = "ggc_user"


@pytest.fixture
def files() -> Iterator[Path]:
    """A directory that every user may write to."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        (Path(directory) / "connect.py").write_text(CONNECT)
        yield Path(directory)


def script(runtime: Runtime, files: Path, name: str) -> str:
    """Tell the own token; then connect with whatever token is handed over, and tell the answer."""
    asks = f"/usr/bin/python3 {files}/connect.py {runtime.root.ipc_socket}"
    return (
        f"echo $SVCUID > {files}/{name}.token; until [ -e {files}/{name}.try ]; do sleep 0.05; done; "
        f'{asks} "$(cat {files}/{name}.try)" > {files}/{name}.answer; exec sleep 1000'
    )


def hand_over(files: Path, name: str, token: str) -> Answer:
    (files / "new").write_text(json.dumps({"authToken": token}))
    (files / "new").chmod(0o644)
    (files / "new").rename(files / f"{name}.try")
    return Answer(written(files / f"{name}.answer"))


@pytest.mark.parametrize("user", [USER, "root"])
def test_a_token_is_of_no_use_in_the_unit_of_another_component(runtime: Runtime, files: Path, user: str) -> None:
    for name in (METER, HEATER):
        load(runtime, name, script(runtime, files, name), user=user)
    token, own = (written(files / f"{name}.token").strip() for name in (METER, HEATER))
    assert hand_over(files, HEATER, token).refused
    reason = f"it has the token of {METER}, but its process belongs to the unit ggl.{HEATER}.service"
    wait_until(lambda: reason in runtime.log("ggl.core.ipcd"))
    assert token not in runtime.log("ggl.core.ipcd")
    assert hand_over(files, METER, token).accepted
    # From no unit: of an operator, or in a container.
    account = pwd.getpwnam(user)
    assert connect(
        runtime, f"/usr/bin/python3 {files}/connect.py", {"authToken": own}, user=account.pw_uid, group=account.pw_gid
    ).accepted
    units = [unit["name"] for unit in runtime.call("gg_host", "list") if unit["component"] in (METER, HEATER)]
    runtime.call("gg_host", "unload", {"names": units})


def test_a_process_belongs_to_its_unit_whatever_its_parents_were(runtime: Runtime, files: Path) -> None:
    """A daemonized process of a component may still connect by the component's name."""
    asks = f"/usr/bin/python3 {files}/connect.py {runtime.root.ipc_socket}"
    request = json.dumps({"componentName": METER})
    detached = f"setsid sh -c 'sleep 0.2; {asks} \"$1\" > {files}/answer' - '{request}' & exec sleep 1000"
    load(runtime, METER, detached, user=USER)
    answer = Answer(written(files / "answer"))
    assert answer.accepted
    assert answer.token
    runtime.call("gg_host", "unload", {"names": [f"ggl.{METER}"]})
