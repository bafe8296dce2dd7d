"""consentd asks components before a deployment touches them, and tells deployments what they answered.

There are two questions. Before an update every subscribed component is asked whether now is a good time; it may ask for
a delay. And a component whose configuration a deployment is about to change is asked whether it can live with the new
one; it may refuse. A question is put to all concerned at once, which is a *round*; no answer in time is an answer too,
and what follows from it is the deployment's to decide.

Nothing is kept: a round lives as long as the stream of the deployment that opened it, and a subscriber as long as its
own. After a crash the components' subscriptions come back by themselves; the first question waits for them.

Bus interface ``gg_consent``:

=============  ==============================================  =========================================================
method         parameters                                      result
=============  ==============================================  =========================================================
pre_update     deployment_id, is_ggc_restarting,               how many components were asked; then one item
               timeout (seconds)                               ``{recheck_after_ms, replies: {component:
                                                               {recheck_after_ms, message}}, silent: [component]}``
                                                               and the end of the stream
post_update    deployment_id                                   nil; every subscribed component is told
validate       deployment_id, timeout (seconds),               how many components were asked: those of
               configurations: {component: configuration}      ``configurations`` that are subscribed; then one item
                                                               ``{rejected: {component: message}, accepted: [component],
                                                               silent: [component]}`` and the end of the stream
subscribers                                                    ``{updates: [component], validation: [component]}``
=============  ==============================================  =========================================================

A round of updates is over when everybody asked has answered or the time is up; a validation already when one component
has refused. ``recheck_after_ms`` of the item is the longest delay asked for, 0 when the update may go on. Closing the
stream discards the round. A new round for the same deployment and question takes the place of one that is open, which
ends with an error.

IPC operations: ``SubscribeToComponentUpdates``, ``DeferComponentUpdate``, ``SubscribeToValidateConfigurationUpdates``,
``SendConfigurationValidityReport``.
"""
