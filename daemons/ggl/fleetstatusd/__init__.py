"""fleetstatusd tells AWS IoT Greengrass how the device and its components fare.

It is started by messages: the connection to AWS IoT Core was made, a deployment is over, something has happened to a
component; and by the host about once an hour, to look whether something is due or was missed. What was told last is a
record of the configuration store, so nothing depends on its being there, or on a message reaching it: each time it
compares what there is with what was told.

Updates are published with QoS 1 on ``$aws/things/<thing>/greengrassv2/health/json``, and count as told when AWS IoT
Core has acknowledged them. Before each its number is written to ``services.FleetStatusService.sequenceNumber``;
``lastPeriodicUpdateTime`` beside it is that of the last ``CADENCE``.

=============================  ==============================================  ===================================
trigger                        when                                            components
=============================  ==============================================  ===================================
``NUCLEUS_LAUNCH``             first connection since the runtime started,     all
                               when components are up, or after a minute
``NETWORK_RECONFIGURE``        connected with other settings than before       all
``CADENCE``                    every ``periodicStatusPublishIntervalSeconds``  all
``RECONNECT``                  connected again                                 changed, removed
``THING_GROUP_DEPLOYMENT``     a deployment from AWS IoT Jobs is over          changed, removed
``THING_DEPLOYMENT``           one from the device's shadow is over            changed, removed
``LOCAL_DEPLOYMENT``           one from this device is over                    changed, removed
``COMPONENT_STATUS_CHANGE``    one is ERRORED or BROKEN, or all are up again   changed, removed
=============================  ==============================================  ===================================

Nothing is told before the launch. Offline nothing is told either: what changed is in the first update afterwards, and
deployments from the cloud that ended meanwhile are told then; those of this device are not.

Bus interface ``gg_fleet_status``; each method returns at once:

============================  =======================================  =============================================
method                        parameters                               result
============================  =======================================  =============================================
``mqtt_connected``            session_present, first                   nil
``send_fleet_status_update``  trigger: one of the three of             nil; INVALID for another trigger
                              deployments, COMPONENT_STATUS_CHANGE,
                              or CADENCE (all of it, due or not)
``component_changed``          component                                nil
============================  =======================================  =============================================
"""
