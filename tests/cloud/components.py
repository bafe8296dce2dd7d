"""The data plane of Greengrass: components and their artifacts, thing groups, documents too large for a job."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import yaml
from semantic_version import NpmSpec, Version

from tests.cloud.documents import ACCOUNT, REGION
from tests.cloud.faults import Request, Response
from tests.cloud.files import Files
from tests.cloud.web import HttpError, Server, as_json

PREFIX = "/greengrass/v2"
RESOLVE = f"{PREFIX}/resolveComponentCandidates"
BUCKET = "stand-in-artifacts"
Upload = Callable[[str, str, bytes], str]
"""Bucket, key, content: puts it into S3 and returns the URI."""


@dataclass(frozen=True)
class Component:
    """A version of a component. ``artifacts``: those that the service itself keeps."""

    name: str
    version: str
    recipe: dict[str, Any]
    artifacts: Mapping[str, bytes]

    @property
    def arn(self) -> str:
        return f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{self.name}:versions:{self.version}"


class Components:
    """``thing_groups``: what the device is a member of, a name or a whole entry each."""

    def __init__(self, server: Server, files: Files, upload: Upload) -> None:
        self.thing_groups: list[str | dict[str, Any]] = []
        self.page_size = 10
        self.guidance: dict[str, str] = {}
        """By ARN, what the vendor says instead of ``ACTIVE``."""
        self._server = server
        self._files = files
        self._upload = upload
        self._versions: dict[tuple[str, str], Component] = {}
        self._documents: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}
        server.route("POST", RESOLVE, self._resolve)
        server.route("GET", f"{PREFIX}/components/(.+)/artifacts/(.+)", self._artifact)
        server.route("GET", f"{PREFIX}/coreDevices/([^/]+)/thingGroups", self._groups)
        server.route("GET", f"{PREFIX}/coreDevices/([^/]+)/deployments/([^/]+)/configuration", self._configuration)

    # -- the operator ------------------------------------------------------------------------------------------------

    def put(
        self,
        name: str,
        version: str = "1.0.0",
        recipe: Mapping[str, Any] | str | None = None,
        *,
        lifecycle: Any = None,
        depends: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, bytes | str] | None = None,
        store: str = "greengrass",
    ) -> Component:
        """Make a component version. Without a ``recipe``, one with a single manifest is made of the rest.

        ``artifacts`` are kept by the service itself, or with ``store="s3"`` in a bucket. Digests that are missing in
        the recipe are filled in, as AWS does it.
        """
        contents = {file: data.encode() if isinstance(data, str) else data for file, data in (artifacts or {}).items()}
        uris = {file: f"greengrass:{file}" for file in contents}
        if store == "s3":
            uris = {file: self._upload(BUCKET, f"{name}/{version}/{file}", data) for file, data in contents.items()}
        digests = {uris[file]: digest(data) for file, data in contents.items()}
        if recipe is None:
            recipe = _recipe(name, version, lifecycle, depends or {}, defaults or {}, uris.values())
        content = yaml.safe_load(recipe) if isinstance(recipe, str) else json.loads(json.dumps(recipe))
        self._fill_digests(content, digests)
        component = Component(name, version, content, contents)
        self._versions[name, version] = component
        return component

    def known_digest(self, uri: str, content: bytes) -> None:
        """What is behind a URI that recipes may name from now on."""
        self._digests[uri] = digest(content)

    def remove(self, name: str, version: str) -> None:
        del self._versions[name, version]

    def large(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a large deployment document; returns what is sent to the device in its place."""
        self._documents[document["deploymentId"]] = json.dumps(document).encode()
        capabilities = [*document.get("requiredCapabilities", []), "LARGE_CONFIGURATION"]
        return {**{k: v for k, v in document.items() if k != "components"}, "requiredCapabilities": capabilities}

    def join(self, thing: str, group: str) -> None:
        if group not in self.thing_groups:
            self.thing_groups.append(group)

    def resolutions(self) -> list[dict[str, Any]]:
        """The bodies of all requests to resolve candidates so far."""
        return [request.json() for request in self._server.asked(RESOLVE)]

    @property
    def requests(self) -> list[Request]:
        """All requests to the data plane so far."""
        return self._server.asked(PREFIX)

    # -- the device --------------------------------------------------------------------------------------------------

    def _resolve(self, request: Request, _: re.Match[str]) -> Response:
        asked = request.json()
        attributes = asked.get("platform", {}).get("attributes", {})
        found = [self._choose(candidate, attributes) for candidate in asked["componentCandidates"]]
        resolved = [
            {
                "arn": component.arn,
                "componentName": component.name,
                "componentVersion": component.version,
                "recipe": base64.b64encode(json.dumps(component.recipe).encode()).decode(),
                "vendorGuidance": self.guidance.get(component.arn, "ACTIVE"),
                "message": None,
            }
            for component in found
        ]
        return as_json({"resolvedComponentVersions": resolved})

    def _choose(self, candidate: Mapping[str, Any], attributes: Mapping[str, str]) -> Component:
        """The version that the device has if it fits, the highest that fits otherwise."""
        name = candidate["componentName"]
        ranges = [NpmSpec(text) for text in candidate["versionRequirements"].values()]
        fitting = {
            version: component
            for (other, version), component in self._versions.items()
            if other == name
            and all(each.match(Version(version)) for each in ranges)
            and _for_platform(component.recipe, attributes)
        }
        if not fitting:
            raise HttpError(404, f"No version of component {name} satisfies the requirements of the claimed platform")
        preferred = fitting.get(candidate.get("componentVersion") or "")
        return preferred or fitting[max(fitting, key=Version)]

    def _artifact(self, request: Request, match: re.Match[str]) -> Response:
        arn, name = unquote(match[1]), unquote(match[2])
        for component in self._versions.values():
            if component.arn == arn and name in component.artifacts:
                return as_json({"preSignedUrl": self._files.sign(name, component.artifacts[name])})
        raise HttpError(404, f"{arn} has no artifact {name}")

    def _groups(self, request: Request, match: re.Match[str]) -> Response:
        _check_thing(request, unquote(match[1]))
        begin = int(request.query.get("nextToken") or 0)
        page = [_group(each) for each in self.thing_groups[begin : begin + self.page_size]]
        end = begin + self.page_size
        return as_json({"thingGroups": page, "nextToken": str(end) if end < len(self.thing_groups) else None})

    def _configuration(self, request: Request, match: re.Match[str]) -> Response:
        _check_thing(request, unquote(match[1]))
        content = self._documents.get(unquote(match[2]))
        if content is None:
            raise HttpError(404, f"there is no deployment {match[2]}")
        check = {"algorithm": "SHA-256", "digest": digest(content)}
        return as_json({"preSignedUrl": self._files.sign("configuration.json", content), "integrityCheck": check})

    def _fill_digests(self, recipe: dict[str, Any], digests: Mapping[str, str]) -> None:
        for manifest in recipe.get("Manifests", []):
            for artifact in manifest.get("Artifacts", []):
                found = digests.get(artifact["URI"]) or self._digests.get(artifact["URI"])
                if found and "Digest" not in artifact:
                    artifact |= {"Digest": found, "Algorithm": "SHA-256"}


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _check_thing(request: Request, thing: str) -> None:
    if request.thing != thing:
        raise HttpError(403, f"the certificate of {request.thing} is not good for {thing}")


def _group(entry: str | dict[str, Any]) -> dict[str, Any]:
    if not isinstance(entry, str):
        return entry
    return {
        "thingGroupName": entry,
        "thingGroupArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{entry}",
        "rootToParentThingGroups": [],
    }


def _recipe(
    name: str,
    version: str,
    lifecycle: Any,
    depends: Mapping[str, str],
    defaults: Mapping[str, Any],
    uris: Iterable[str],
) -> dict[str, Any]:
    manifest = {
        "Platform": {"os": "linux", "runtime": "*"},
        "Lifecycle": lifecycle if lifecycle is not None else {"run": "exec sleep 1000"},
        "Artifacts": [{"URI": uri} for uri in uris],
    }
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentDependencies": {other: {"VersionRequirement": range_} for other, range_ in depends.items()},
        "ComponentConfiguration": {"DefaultConfiguration": dict(defaults)},
        "Manifests": [manifest],
    }


def _for_platform(recipe: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    manifests = recipe.get("Manifests")
    return not manifests or any(_matches(each.get("Platform") or {}, attributes) for each in manifests)


def _matches(platform: Mapping[str, str], attributes: Mapping[str, str]) -> bool:
    for key, wanted in platform.items():
        have = attributes.get(key)
        if wanted in ("*", "all", have):
            continue
        if not (wanted.startswith("/") and re.fullmatch(wanted.strip("/"), have or "")):
            return False
    return True
