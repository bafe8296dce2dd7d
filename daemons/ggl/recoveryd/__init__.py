"""recoveryd decides what happens after the host gave up on a component or on a core daemon.

The host leaves a file in ``<root>/recovery`` and starts this daemon, which climbs a ladder until something helps: the
component's own response, the previous generation, the hook scripts of ``recovery.d``. Each rung is written to the disk
before it is climbed, so that a recovery that was interrupted goes on where it was and repeats nothing. When nothing
helps, or nothing is configured, what still works goes on working: *limp-home*.

It needs nobody: without a configuration there are the defaults, without deployments there are the hooks. It leaves when
no recovery is open; ``<root>/recovery`` is empty then, and ``<root>/recoveries`` tells what was done.

Bus interface ``gg_recovery``:

=========  ================  ===================================================================================
method     parameters        result
=========  ================  ===================================================================================
``list``   limit (optional)  ``{"open": [...], "finished": [...]}``, oldest first: every recovery under way, and the
                             last ``limit`` (20) that are over, with the rungs that were climbed
=========  ================  ===================================================================================

A recovery is ``{id, unit, component, version, opened (ms), closed (ms), outcome, message, generation, repeats, last
(ms), failure, rungs}``; a rung is ``{name, detail, attempt, begun (ms), ended (ms), outcome, message, deployment_id,
origin, target}``.
"""
