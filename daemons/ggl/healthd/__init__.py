"""healthd names what the host observes: it turns unit states into the lifecycle states of components.

The host runs units, retries them and gives up on them. healthd holds nothing of its own: it watches the host, derives
state, status code and reason of every component, and hands a component's own report (``UpdateState``) to the host. It
exits when nobody is connected.

Bus interface ``gg_health``:

=============  ==========================  ====================================================================
method         parameters                  result
=============  ==========================  ====================================================================
list                                       the health of every component, sorted by name
status         component                   the health of one component, or NOENTRY
subscribe      component (optional)        the healths as of now; then one item for each change
update_state   component, state            nil; RUNNING or ERRORED, a report the state does not allow is ignored
=============  ==========================  ====================================================================

A health is ``{component, version, state, status_code, reason, since (ms), restarts, pid, paused, revision}``. A
component that was removed is sent to subscribers once with the state UNINSTALLED. What ``list``, ``status`` and
``subscribe`` answer is never older than the call: healthd asks the host anew.

IPC operations: ``UpdateState`` and those about other components, see ``ipc``.
"""
