"""Log files: how a line looks, how files rotate, and how they are read back.

Every unit has one file in ``<root>/logs``: ``<component>.log`` for a component, ``ggl.core.<daemon>.log`` for a core
daemon, ``ggl.core.ggld.log`` for the supervisor. A full file becomes ``.log.1``, the one before ``.log.2`` and so on.
The writer (the process host) uses ``record``; whoever reads logs uses ``reader`` and ``follow`` and needs no running
runtime for it.
"""
