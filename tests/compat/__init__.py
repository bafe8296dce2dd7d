"""Compatibility: every operation of the published service model, asked for by every kind of client.

A case is declared once (``cases``): an operation, a request, what the world is like before, and what must come of it: a
response, an error of the model, or events. It is then sent by each client (``clients``): both versions of the official
Python SDK, the official JavaScript SDK in Node.js, and a client with the habits, and the limits, of the C component
SDK. One real runtime answers them all. ``table`` makes the table in docs/compatibility.md of the outcome.
"""
