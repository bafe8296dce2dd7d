"""ipcd: the bridge between components and the runtime.

It serves Greengrass IPC (event stream RPC over a UNIX socket) to components: checks their tokens and their access
control policies, sends each request to the daemon that serves the operation, and brings back answers and events.

Bus interface ``gg_ipc``:

=============  ========================  ========================================================================
method         parameters                result
=============  ========================  ========================================================================
``token``      component, users          the component's token, to be passed to it as ``SVCUID``; the same one for
                                         as long as the run directory lives. ``users`` is a map of phases to the
                                         uids that the component's steps run as in them; the token is accepted from
                                         these, from root and from the runtime's user. It replaces what was said of
                                         the phases in it before
``register``   operation, interface      a stream without items: while it is open, ``operation`` (its full name) is
                                         served by the method of that name on the bus interface ``interface``;
                                         callers of one outside the published model need a policy (``custom`` in
                                         ``ggl.ipc.model``)
``routes``                               map of every operation served now to the interface that serves it, or to
                                         the component, with ``@`` and the number of its connection
``providers``                            map of every operation that is registered to a list of maps: interface, and
                                         component and pid if that stands for one; the first serves it, and the next
                                         one takes over from that
``connections``                          list of maps: component, pid, uid, since (ms), streams (operation names),
                                         queued (bytes that the component has not read)
``policy``     component, operation,     what the component may do, what is wrong with its policies, and what it was
               resource                  refused; with the optional operation also why that is allowed or not: see
                                         ``ggl.ipcd.explain``
``trace``      component, operation      nil, then an item for each call, subscription, event and end of these
                                         (both optional): see ``ggl.ipcd.trace``
=============  ========================  ========================================================================

More are for other daemons: ``component_of`` (token) is whose token it is, nil if nobody's; ``configuration_changed``
(key_path) is nil, and says that other groups may use the command line tool now; ``check_debug_password`` (username,
password) is whether they let somebody in to the local debug console.

Bus interface ``gg_registration``, open to every user of the device, for components that serve operations:

=============  ========================  ========================================================================
``register``   token, operations,        a stream without items: while it is open, ``operations`` (full names) are
               events                    served by whoever called this, on the same connection the other way round;
                                         ``events`` (map of names to shapes) are those of them that are
                                         subscriptions, as far as they are not in the published model
=============  ========================  ========================================================================

Errors: INVALID a wrong argument, a token that is not accepted, or an operation of the runtime itself; CONFIG the
component's access control policies do not allow it; RETRY they cannot be read now; BUSY a limit.

An operation reaches its daemon as a call of the method named like it, with ``component`` (the caller) and ``request``.
The daemon answers ``{"response": {...}}`` or ``{"error": {"shape", "message", ...}}``; see ``ggl.ipc.handler``.
"""
