"""The ggl edge runtime: small daemons joined by a databus. See docs/architecture.md."""
