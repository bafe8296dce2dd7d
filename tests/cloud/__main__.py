"""A stand-in for AWS to work with by hand: python -m tests.cloud DIR [--thing NAME]"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

import yaml

from tests.cloud import control
from tests.cloud.aws import Cloud, cloud


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cloud", description="A stand-in for AWS on this machine.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where it keeps its certificates and its log")
    parser.add_argument("--thing", default="Thing1", help="the device's name")
    options = parser.parse_args()
    folder = options.folder.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with cloud(folder) as aws:
            (folder / "config.yaml").write_text(yaml.safe_dump(aws.configuration(options.thing)))
            control.serve(aws, folder)
            print(_usage(aws, shlex.quote(str(folder)), options.thing), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("ended")
    return 0


def _usage(aws: Cloud, folder: str, thing: str) -> str:
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in aws.environment().items())
    call = f"python -m tests.cloud.call {folder}"
    lifecycle = """lifecycle='{"run": "exec sleep 1000"}'"""
    deployment = """'{"com.example.Hello": "1.0.0"}'"""
    return f"""AWS is here, for {thing}. Let a runtime be that device:

  mkdir -p /tmp/gg/config.d && cp {folder}/config.yaml /tmp/gg/config.d/aws.yaml
  {variables} ggl --root /tmp/gg up

Deploy to it, and look what comes of it:

  {call} components.put com.example.Hello 1.0.0 {lifecycle}
  {call} jobs.deploy {deployment} thing={thing}
  {call} fleet.updates thing={thing}

python -m tests.cloud.call without anything says more. Control-C ends it."""


if __name__ == "__main__":
    sys.exit(main())
