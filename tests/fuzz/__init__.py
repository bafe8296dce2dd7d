"""Abuse of the component socket: see ``__main__`` for the long run against a real runtime."""
