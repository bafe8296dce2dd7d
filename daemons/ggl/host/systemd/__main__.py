"""The host's daemon: ``python -m ggl.host.systemd``."""

from ggl.program import start

from ggl.host.systemd.layout import HOSTD  # isort: skip
from ggl.host.systemd.service import setup  # isort: skip

start(HOSTD, setup)
