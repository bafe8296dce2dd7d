"""A stand-in for AWS on this machine, which speaks the true protocols on the wire.

It is there for tests (the fixtures ``aws``, ``cloud_runtime``, ``cloud_device`` of ``tests/integration``) and for work
by hand (``python -m tests.cloud DIR``). The runtime does not know: endpoints, certificates and the CA come from its
configuration, and where the SDKs find S3 from their own variables, as in the field.

========== ================================================================================================
``aws.``    what it is
========== ================================================================================================
mqtt       the message broker: mosquitto with client certificates; publish, look what was published, deny topics
jobs       deployments to thing groups, by IoT Jobs
shadow     deployments to a single thing, by its shadow
fleet      what devices say about their components
credentials  role alias and certificate in, temporary credentials out
components   the data plane of Greengrass: component versions, artifacts, thing groups, large documents
s3, services  moto's server: S3, CloudWatch Logs, IoT, IAM, STS, ECR
network    a gate in front of each endpoint: cut, restore, delay, kill the broker
faults     HTTP answers that go wrong
proxies    ways to AWS for networks that have no other
========== ================================================================================================

Everything but mosquitto and moto lives in threads of the process that started it. Both are killed by the kernel when
this process ends, however it does.

Differences from AWS: a device's certificate names its thing (AWS attaches them to each other); policies are the denials
that a test asks for; what a session holds is lost when the broker is killed.
"""
