"""What differs from host to host, behind one small interface: units are loaded, started, stopped and observed.

The bus interface ``gg_host`` is that interface; ``ggl.host.process`` implements it with a supervisor of its own.
"""
