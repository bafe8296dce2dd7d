"""A device with systemd and its cloud: the daemons have the network and the credentials that they need, in spite of all
that systemd keeps from them.
"""

from __future__ import annotations

import grp
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ggl.privilege import RUNTIME_GROUP
from tests.cloud.aws import Cloud, cloud
from tests.cloud.broker import require_mosquitto
from tests.integration.conftest import Runtime, wait_until
from tests.system.runtime import systemctl

ASK = (
    "exec python3 -c 'import os, urllib.request as u; print(u.urlopen(u.Request("
    'os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], '
    'headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]})).read().decode(), flush=True); '
    "import time; time.sleep(1000)'"
)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Cloud]:
    require_mosquitto()
    with cloud(tmp_path / "aws") as found:
        yield found


@pytest.fixture
def provisioned(aws: Cloud, runtime: Runtime) -> Iterator[Runtime]:
    """The runtime of this device, which has been made a thing as the guide says, and started again."""
    certificates = runtime.root.config / "certs"
    certificates.mkdir(mode=0o750)
    files = aws.device()
    configuration = aws.configuration()
    for key, source in (
        ("certificateFilePath", files.certificate),
        ("privateKeyPath", files.key),
        ("rootCaPath", aws.ca),
    ):
        path = certificates / source.name
        shutil.copyfile(source, path)
        path.chmod(0o640)
        configuration["system"][key] = str(path)
    for path in (certificates, *certificates.iterdir()):
        os.chown(path, 0, grp.getgrnam(RUNTIME_GROUP).gr_gid)
    (runtime.root.config / "config.d").mkdir(exist_ok=True)
    (runtime.root.config / "config.d" / "aws.yaml").write_text(yaml.safe_dump(configuration))
    environment = {**aws.environment(), "AWS_CA_BUNDLE": configuration["system"]["rootCaPath"]}
    systemctl("set-environment", *(f"{name}={value}" for name, value in environment.items()))
    runtime.down()
    runtime.up()
    yield runtime
    systemctl("unset-environment", *environment)


def test_a_job_brings_a_component_that_has_credentials(aws: Cloud, provisioned: Runtime) -> None:
    aws.components.put(
        "com.example.A",
        lifecycle={"run": ASK},
        depends={"aws.greengrass.TokenExchangeService": "^2.0.0"},
        artifacts={"a": b"from a bucket"},
        store="s3",
    )
    execution = aws.jobs.wait(aws.jobs.deploy({"com.example.A": "1.0.0"}))
    assert execution["status"] == "SUCCEEDED", execution["statusDetails"]
    said = wait_until(lambda: provisioned.log("com.example.A"), lambda text: "AccessKeyId" in text)
    assert aws.credentials.issued[0] in said
    told = aws.fleet.wait("THING_GROUP_DEPLOYMENT")
    assert told["deploymentInformation"]["status"] == "SUCCEEDED", json.dumps(told)

    aws.network.kill_broker()
    aws.network.start_broker()
    aws.components.put("com.example.B", artifacts={"b": b"from the service"})
    assert aws.jobs.wait(aws.jobs.deploy({"com.example.B": "1.0.0"}))["status"] == "SUCCEEDED"
