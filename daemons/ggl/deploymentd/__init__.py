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
                           component_to_run_with_info {name: {posixUser}}, group_name,
                           failure_handling_policy, timeout (seconds), requested_by;
                           all of them optional
list                                                                                            the deployments, oldest
                                                                                                first
get                        deployment_id                                                        the deployment, or
                                                                                                NOENTRY
subscribe                  deployment_id                                                        the deployment; then one
                                                                                                item for each change,
                                                                                                the last when it is over
=========================  ===================================================================  ========================

A deployment is ``{deployment_id, status, detailed_status, created, finished, step, message, error_stack, error_types,
cause, broken, components, changed, removed, roots, group, requested_by, states, trail}``; see ``record``. The folders
of a request have been copied when it is answered.
"""
