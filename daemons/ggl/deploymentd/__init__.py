"""deploymentd brings the components of this device to what a deployment says, one deployment at a time.

It lives while somebody is connected or a deployment is under way or waits. What it must not forget is a record of the
configuration store: the queue with what was requested, the document of the one that runs, the last outcomes. When it is
killed it takes up again what it was doing, with every step being one that can be done twice.

Bus interface ``gg_deployment``:

=========================  ===================================================================  ========================
method                     parameters                                                           result
=========================  ===================================================================  ========================
create_local_deployment    recipe_directory_path, artifacts_directory_path (absolute paths),    ``{deployment_id}``
                           root_component_versions_to_add {name: version},
                           root_components_to_remove [name],
                           component_to_configuration {name: {MERGE, RESET}},
                           component_to_run_with_info {name: {posixUser,
                           systemResourceLimits: {memory, cpus}}}, group_name,
                           failure_handling_policy, timeout (seconds), requested_by;
                           all of them optional
create_deployment          document (a deployment document, or its JSON text); type (DOCUMENT,   ``{deployment_id}``,
                           IOT_JOBS or SHADOW), recipe_directory_path,                          with ``known`` true
                           artifacts_directory_path, timeout, requested_by, request_id          if it is not new
rollback                   to (a generation; default: the previous good one), component,        ``{deployment_id, to}``,
                           timeout, requested_by; dry_run                                       or the difference
preview                    those of one of the first two                                        the difference
cancel                     deployment_id                                                        ``{canceled, status,
                                                                                                message}``
list                                                                                            the deployments, oldest
                                                                                                first
get                        deployment_id                                                        the deployment, or
                                                                                                NOENTRY
subscribe                  deployment_id                                                        the deployment; then one
                                                                                                item for each change,
                                                                                                the last when it is over
generations                                                                                     their summaries, oldest
                                                                                                first
generation                 number                                                               one of them with
                                                                                                configuration, files and
                                                                                                groups
=========================  ===================================================================  ========================

A deployment is shown without its inner part; see ``record``. For the difference see ``difference``. The folders of a
request have been copied, and the deployment is in the queue durably, when it is answered.

A deployment whose ``request_id`` is that of the known one with the same ``deployment_id`` is not made again, whether it
waits, runs or is over: whoever has not heard the answer asks again.

IPC operations: CreateLocalDeployment, CancelLocalDeployment, GetLocalDeploymentStatus, ListLocalDeployments.
"""
