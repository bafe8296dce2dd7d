"""What the service of OpenRC runs: without arguments, become the supervisor of this device; with ``clear``, end what is
left of one that OpenRC has lost sight of (``supervise-daemon`` was killed), components in order.
"""

import sys

from ggl.host.openrc.scripts import STOP_SECONDS
from ggl.host.process.launch import foreground, stop
from ggl.paths import SYSTEM

if sys.argv[1:] == ["clear"]:
    stop(SYSTEM, STOP_SECONDS)
else:
    foreground(SYSTEM, echo=False)
