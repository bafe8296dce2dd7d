"""A local deployment: a change to the roots of a group, which becomes a document when its turn comes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ggl.deploymentd.document import DEFAULT_WAIT, DO_NOTHING, GROUP_LIMIT, ROLLBACK, SKIP_NOTIFY, Document
from ggl.deploymentd.update import ComponentUpdate, choice, component_name, decode_update, exact_version
from ggl.values import InvalidValue, get_dict, get_float, get_str, get_str_list

LOCAL_GROUP = "LOCAL_DEPLOYMENT"
"""The group of local deployments that name none."""


@dataclass(frozen=True)
class LocalRequest:
    """A request for a local deployment: a change to a group's roots."""

    recipe_directory: str = ""
    artifacts_directory: str = ""
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    updates: Mapping[str, ComponentUpdate] = field(default_factory=dict)
    group: str = LOCAL_GROUP
    requested_by: str = ""
    failure_policy: str = DO_NOTHING
    wait_timeout: float = DEFAULT_WAIT


def decode_request(params: Mapping[str, Any]) -> LocalRequest:
    """A local request as it comes over the bus. Raises ``InvalidValue``."""
    group = get_str(params, "group_name", "")
    if ":" in group or len(group) > GROUP_LIMIT:
        raise InvalidValue(f"a group name has at most {GROUP_LIMIT} characters and no ':', unlike {group[:140]!r}")
    configuration = get_dict(params, "component_to_configuration", {})
    run_with = get_dict(params, "component_to_run_with_info", {})
    timeout = get_float(params, "timeout", DEFAULT_WAIT)
    if not 0 < timeout < math.inf:
        raise InvalidValue("'timeout' must be more than 0 seconds")
    policy = choice(params, "failure_handling_policy", DO_NOTHING, (DO_NOTHING, ROLLBACK))
    return LocalRequest(
        recipe_directory=get_str(params, "recipe_directory_path", ""),
        artifacts_directory=get_str(params, "artifacts_directory_path", ""),
        add=_versions(get_dict(params, "root_component_versions_to_add", {})),
        remove=tuple(get_str_list(params, "root_components_to_remove", [])),
        updates={
            component_name(name): decode_update(name, configuration.get(name), run_with.get(name))
            for name in {**configuration, **run_with}
        },
        group=f"thinggroup/{group}" if group and group != LOCAL_GROUP else LOCAL_GROUP,
        requested_by=get_str(params, "requested_by", ""),
        failure_policy=policy,
        wait_timeout=timeout,
    )


def local_document(
    request: LocalRequest, deployment_id: str, timestamp: int, current_roots: Mapping[str, str]
) -> Document:
    """The document of a local deployment: the group's roots as they are, without the removed, with the added."""
    roots = {name: version for name, version in current_roots.items() if name not in request.remove}
    return Document(
        deployment_id=deployment_id,
        group=request.group,
        timestamp=timestamp,
        roots={**roots, **request.add},
        updates=request.updates,
        failure_policy=request.failure_policy,
        update_action=SKIP_NOTIFY,
        validation_timeout=20.0,
        wait_timeout=request.wait_timeout,
    )


def _versions(data: Mapping[str, Any]) -> dict[str, str]:
    return {component_name(name): exact_version(name, get_str(data, name)) for name in data}
