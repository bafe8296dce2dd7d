"""The process host: ``ggld``, a small supervisor for hosts without a service manager of their own to use.

It makes the sockets of all core daemons, forks a daemon at its first connection, runs the units of the components, and
keeps all logs. It serves ``gg_host``:

===========  ==========================================  ============================================================
method       parameters                                  result
===========  ==========================================  ============================================================
info                                                     version, host, pid, log_writer_pid, started_ms, root,
                                                         stopping (it is on its way down), instance (differs for
                                                         each run)
list                                                     the status of every unit (``ggl.host.status``)
status       name                                        the status of one unit
definition   name                                        ``unit``: the definition of a component's unit as it was
                                                         loaded last; a host that writes it in a form of its own adds
                                                         that ``text`` and its ``file``
unit_of      pid                                         the status of the unit from which the process descends, or in
                                                         whose cgroup it is; NOENTRY when it is none's, or not to
                                                         be told: it has lost its parents
subscribe                                                like list; then an item for each change, ``loaded`` false when
                                                         the unit is gone
load         units, start (names)                        nil: the definitions are on disk and in force at the next
                                                         start, limits at once
unload       names                                       nil, when they are stopped and forgotten; a unit that is
                                                         loaded or started meanwhile stays
start        names                                       nil, at once
stop         names                                       nil, when they are down; those that require others go first
restart      names                                       nil, at once
pause        names                                       nil: their processes are frozen; INVALID when one is not up
resume       names                                       nil: they go on; INVALID when one is not paused
reset        names                                       nil: earlier errors of the units do not count any more
notify       name, state (READY or ERROR)                nil: the component says so of itself
listen       daemon, ports                               nil: exactly these TCP ports of the loopback interface (up
                                                         to 8) are open for the daemon, each with a process of its
                                                         own when somebody connects; FAILURE when one cannot be had:
                                                         then those of before stay. They end with the runtime
shutdown                                                 nil; then everything is stopped
restart_runtime                                          nil; then all is stopped and started anew, same process id
reboot       command (optional)                          nil when the command that restarts the device succeeded,
                                                         FAILURE with the reason when it did not
===========  ==========================================  ============================================================

A unit that is given up, and a core daemon that is left alone for a while, leave a file in ``<root>/recovery``, named
after the unit: ``{unit, component, version, phase, result, exit_status, status_text, revision, time (ms)}``. The daemon
``recoveryd``, if there is one, is started then. Who wants to hear of each error is told: see ``ggl.host.told``.
"""
