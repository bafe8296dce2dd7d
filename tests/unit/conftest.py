"""No property is judged by the time that an example takes, nor one to be made: machines may be slow, and busy."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unhurried",
    settings(),  # as it is for a person, or for CI
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")
