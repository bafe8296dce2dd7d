"""Making a device with systemd a thing of the stand-in for AWS, by the files that an administrator writes for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from ggl.paths import SYSTEM
from tests.cloud.aws import Cloud

CERTIFICATES = SYSTEM.config / "certs"
KEY = CERTIFICATES / "key.pem"


def write_settings(aws: Cloud, settings: Path, gid: int, **nucleus: Any) -> dict[str, str]:
    """Put certificate, key, CA and a boot file into ``settings``, which is, or will be, /etc/greengrass of the device.

    ``gid``: of the daemons' group there. Returns what is to be in the environment of the daemons.
    """
    configuration = aws.configuration(**nucleus)
    directory, files = settings / CERTIFICATES.name, aws.device()
    for key, source, name, mode in (
        ("certificateFilePath", files.certificate, "cert.pem", 0o644),
        ("privateKeyPath", files.key, KEY.name, 0o640),
        ("rootCaPath", aws.ca, "ca.pem", 0o644),
    ):
        shutil.copyfile(source, directory / name)
        os.chown(directory / name, 0, gid)
        (directory / name).chmod(mode)
        configuration["system"][key] = str(CERTIFICATES / name)
    (settings / "config.d" / "aws.yaml").write_text(yaml.safe_dump(configuration))
    return {**aws.environment(), "AWS_CA_BUNDLE": configuration["system"]["rootCaPath"]}
