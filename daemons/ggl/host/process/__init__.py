"""The process host: ``ggld``, a small supervisor for hosts without a service manager of their own to use.

It makes the sockets of all core daemons, forks a daemon at its first connection, runs the units of the components, and
keeps all logs. It serves ``gg_host``:

===========  ==========================================  ============================================================
method       parameters                                  result
===========  ==========================================  ============================================================
info                                                     version, host, pid, log_writer_pid, started_ms, root,
                                                         stopping (it is on its way down)
list                                                     the status of every unit (``ggl.host.status``)
status       name                                        the status of one unit
subscribe                                                like list; then an item for each change, ``loaded`` false when
                                                         the unit is gone
load         units, start (names)                        nil: the definitions are on disk and in force at the next start
unload       names                                       nil, when they are stopped and forgotten; a unit that is
                                                         loaded or started meanwhile stays
start        names                                       nil, at once
stop         names                                       nil, when they are down
restart      names                                       nil, at once
reset        names                                       nil: earlier errors of the units do not count any more
notify       name, state (READY or ERROR)                nil: the component says so of itself
shutdown                                                 nil; then everything is stopped
===========  ==========================================  ============================================================
"""
