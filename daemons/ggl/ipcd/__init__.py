"""ipcd: the bridge between components and the runtime.

It serves Greengrass IPC (event stream RPC over a UNIX socket) to components: checks their tokens and their access
control policies, sends each request to the daemon that serves the operation, and brings back answers and events.

Bus interface ``gg_ipc``:

=============  ========================  ========================================================================
method         parameters                result
=============  ========================  ========================================================================
``token``      component                 the component's token, to be passed to it as ``SVCUID``; the same one for
                                         as long as the run directory lives
``register``   operation, interface      a stream without items: while it is open, ``operation`` (its full name) is
                                         served by the method of that name on the bus interface ``interface``
``routes``                               map of every operation served now to the interface that serves it
``connections``                          list of maps: component, pid, uid, since (ms), streams (operation names),
                                         queued (bytes that the component has not read)
=============  ========================  ========================================================================

An operation reaches its daemon as a call of the method named like it, with ``component`` (the caller) and ``request``.
The daemon answers ``{"response": {...}}`` or ``{"error": {"shape", "message", ...}}``; see ``ggl.ipc.handler``.
"""
