"""How the connection to AWS IoT Core is, for people and for other daemons."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ggl.cloud.settings import Settings
    from ggl.iotcored.hub import Hub


def status_of(hub: Hub | None, settings: Settings, problem: str) -> dict[str, Any]:
    """The result of ``status``. Without a ``hub`` there can be no connection, for the reason that ``problem`` is."""
    status: dict[str, Any] = {
        "configured": hub is not None,
        "missing": settings.missing_for_mqtt(),
        "connected": False,
        "since": 0,
        "endpoint": settings.data_endpoint,
        "port": 0,
        "version": "",
        "client_ids": [],
        "subscriptions": 0,
        "spool": {"messages": 0, "bytes": 0, "limit": 0, "storage": ""},
        "thing": settings.identity.thing_name,
        "certificate_expires": 0,
        "takeovers": 0,
        "last_error": problem,
        "next_try": 0,
    }
    if hub is None:
        return status
    from ggl.cloud.tls import BadCredentials, certificate_facts  # loads nothing that a connection has not loaded

    try:
        expires = certificate_facts(settings.identity.certificate).not_after * 1000
    except BadCredentials:
        expires = 0  # which ``last_error`` says
    line, spool = hub.main, hub.sender.spool
    waits = line.next_try - time.monotonic() if line.next_try else 0.0
    return status | {
        "connected": line.up,
        "since": round(hub.since * 1000),
        "endpoint": hub.target.host,
        "port": hub.target.port,
        "version": "5" if line.mqtt5 else "3.1.1",
        "client_ids": hub.client_ids,
        "subscriptions": len(hub.subscriptions),
        "spool": {
            "messages": spool.messages,
            "bytes": spool.size,
            "limit": hub.target.spool.limit,
            "storage": spool.storage,
        },
        "certificate_expires": expires,
        "takeovers": line.takeovers,
        "last_error": line.last_loss.text if line.last_loss is not None and not line.up else "",
        "next_try": round((time.time() + waits) * 1000) if waits > 0 else 0,
    }
