"""jobsd takes deployments from AWS IoT Jobs and from the deployment shadow, and reports their states back.

It hears of them by MQTT messages, which iotcored delivers, and asks for the next one with each connection. What it
finds it keeps on the disk (``assignment``, ``store``), hands over to deploymentd (``carrier``), and mirrors every state
of the deployment to AWS IoT, in order, until that was acknowledged (``courier``). It lives as long as an assignment is
open, or a question; then it leaves.

Bus interface ``gg_jobs``:

================  ===========================================  ====================================================
method            parameters                                   result
================  ===========================================  ====================================================
mqtt_message      topic, payload (bytes)                       nothing; for iotcored
mqtt_connected    session_present (whether AWS IoT goes on     nothing; for iotcored
                  with the session of before)
list                                                           the last deployments from the cloud, oldest first
================  ===========================================  ====================================================

An item of ``list``: ``type`` (IOT_JOBS or SHADOW), ``job_id`` or ``configuration_arn``, ``deployment_id``,
``request_id`` (which the deployment of it has, too), ``name``, ``target``, ``queued_at`` (seconds), ``received`` and
``finished`` (milliseconds since the epoch, 0: not yet), ``stage`` (WAITING, TAKEN or OVER), ``status`` (of the
deployment), ``withdrawn`` (AWS IoT does not want it any more), ``reported`` (the last state that AWS IoT has
acknowledged), ``pending`` (the states that it has not, in order), ``refused`` (why it did not take one),
``source_endpoint``, ``trail``.

What the states mean for AWS IoT: a job is IN_PROGRESS when the deployment begins, then SUCCEEDED, FAILED or REJECTED
with details. One that is canceled in the cloud is canceled here, unless it changes the device already, and not reported
any more. One that is canceled on the device is reported as REJECTED, since a device cannot cancel a job. Of a shadow
deployment CANCELED is reported in both cases, and when a newer one has taken its place.
"""
