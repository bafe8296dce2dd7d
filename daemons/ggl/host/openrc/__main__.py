"""Become the supervisor of this device: what the service of OpenRC runs."""

from ggl.host.process.launch import foreground
from ggl.paths import SYSTEM

foreground(SYSTEM, echo=False)
