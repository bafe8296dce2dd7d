"""Asking the cloud which version of a component a device shall have (ResolveComponentCandidates).

``Candidates.decide`` is what the resolver asks (``resolver.Known``). One component is asked for at a time, with
everything that is required of it and the version that is here already, which the cloud confirms if it will do. What it
answers brings its recipe along, which is checked and becomes known to the store.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ggl.deploymentd.dataplane import MISSING, NETWORK, REFUSED, CloudError
from ggl.deploymentd.errors import DeploymentError
from ggl.deploymentd.local import LOCAL_GROUP
from ggl.deploymentd.store import recipe_failure
from ggl.log import get_logger
from ggl.recipe.load import parse_recipe
from ggl.recipe.model import RecipeError
from ggl.recipe.syntax import SIZE_LIMIT
from ggl.recipe.version import VersionError, parse_requirement, satisfies

if TYPE_CHECKING:
    from ggl.deploymentd.patience import Patience
    from ggl.deploymentd.resolver import Demand
    from ggl.deploymentd.store import Store
    from ggl.recipe.model import Recipe
    from ggl.recipe.version import Requirement

PATH = "/greengrass/v2/resolveComponentCandidates"
_NONE = "NO_AVAILABLE_COMPONENT_VERSION"
_BAD = "RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE"
_ARN = re.compile(r"(arn:[A-Za-z0-9:._+-]{1,1000})?")
"""It becomes a part of URLs."""
_WORDS = 200

_log = get_logger("deployment")


class Candidates:
    """For one deployment. ``attributes`` are those of the device, ``prefers_local`` is true for a deployment that was
    made on this device: what is here then will do, and the cloud is asked for the rest only."""

    def __init__(
        self, patience: Patience, store: Store, attributes: Mapping[str, str], *, prefers_local: bool = False
    ) -> None:
        self._patience = patience
        self._store = store
        self._attributes = dict(attributes)
        self._prefers_local = prefers_local
        self._offline = False
        self._answered: dict[tuple[str, frozenset[tuple[str, str]]], str | None] = {}

    @property
    def lacking(self) -> str:
        """What to say of a component of which there is no version, neither here nor in the cloud."""
        if self._patience.cloud is None:
            return (
                "there is no recipe for it: add one to the recipes that are deployed (the cloud is not asked, since "
                "this device is not provisioned)"
            )
        return "neither this device nor the cloud has one: add its recipe to those that are deployed, or create it"

    def decide(self, component: str, asked: Sequence[Demand], local: str | None) -> str | None:
        """The version everybody shall have; ``None`` when there is none. Raises ``DeploymentError``, and what
        ``Patience.check`` raises."""
        wanted = {demand.group or demand.by or demand.source: normalized(demand.requirement) for demand in asked}
        question = component, frozenset(wanted.items())
        if question in self._answered:
            return self._answered[question]
        if self._patience.cloud is None or (local is not None and self._will_do(component, local, asked)):
            answer = local
        elif local is None:
            answer = self._insist(component, wanted)
        else:
            answer = self._negotiate(component, wanted, local)
        self._answered[question] = answer
        return answer

    def _will_do(self, component: str, local: str, asked: Sequence[Demand]) -> bool:
        """Whether the cloud need not be asked, or cannot be."""
        if self._prefers_local or self._offline or self._store.is_given(component, local):
            return True
        return any(demand.group == LOCAL_GROUP for demand in asked)

    def _negotiate(self, component: str, wanted: Mapping[str, str], local: str) -> str:
        self._patience.check()
        try:
            return self._ask(component, wanted, local)
        except (CloudError, DeploymentError) as error:
            _log.warning("%s: %s is used, which is here: %s", component, local, error)
            # One component after the other would wait for the same network otherwise.
            self._offline = isinstance(error, CloudError) and error.kind == NETWORK
            return local

    def _insist(self, component: str, wanted: Mapping[str, str]) -> str | None:
        try:
            return self._patience.insist(lambda: self._ask(component, wanted, None), f"which version of {component}")
        except CloudError as error:
            if error.kind == MISSING:
                _log.warning("the cloud has no version of %s: %s", component, error.text)
                return None
            raise _failure(component, error) from None

    def _ask(self, component: str, wanted: Mapping[str, str], local: str | None) -> str:
        assert self._patience.cloud is not None, "a device that is not provisioned asks nobody"
        candidate: dict[str, Any] = {"componentName": component, "versionRequirements": dict(wanted)}
        if local is not None:
            candidate["componentVersion"] = local
        body = {"platform": {"attributes": self._attributes}, "componentCandidates": [candidate]}
        found = self._patience.cloud.call("POST", PATH, body=body).get("resolvedComponentVersions")
        self._offline = False
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            raise _bad(component, "it is not one component version")
        recipe, text = _recipe(component, found[0], wanted)
        if not _ARN.fullmatch(arn := _text(found[0], "arn")):
            raise _bad(component, f"its ARN can be none: {arn[:_WORDS]!r}")
        _heed(component, recipe.version, found[0])
        self._store.adopt(recipe, text, arn)
        return recipe.version


def normalized(requirement: str) -> str:
    """An npm range in the form in which the cloud is told it: comparisons with full versions, ``=`` for one alone.

    Raises ``DeploymentError`` for one that cannot be read.
    """
    return " || ".join(
        " ".join(f"{'=' if sign == '==' else sign}{version}" for sign, version in bounds)
        for bounds in _parsed(requirement).alternatives
    )


def _parsed(requirement: str) -> Requirement:
    try:
        return parse_requirement(requirement)
    except VersionError as error:
        raise DeploymentError(str(error), "COMPONENT_VERSION_NOT_VALID") from None


def _recipe(component: str, answer: Mapping[str, Any], wanted: Mapping[str, str]) -> tuple[Recipe, bytes]:
    """The recipe in ``answer``, and its text: that of the version that was answered, which does for everybody."""
    version, encoded = _text(answer, "componentVersion"), _text(answer, "recipe")
    if _text(answer, "componentName") != component:
        raise _bad(component, f"it is about {_text(answer, 'componentName')[:_WORDS]!r}")
    if len(encoded) > SIZE_LIMIT * 4 // 3 + 4:
        raise _bad(component, f"its recipe is larger than {SIZE_LIMIT} bytes")
    try:
        text = b64decode(encoded, validate=True)
    except binascii.Error:
        raise _bad(component, "its recipe is not in base64") from None
    try:
        recipe = parse_recipe(
            text, file=f"the cloud's recipe of {component} {version}", json_format=text.lstrip().startswith(b"{")
        )
    except RecipeError as error:
        raise recipe_failure(error) from None
    if (recipe.name, recipe.version) != (component, version):
        raise _bad(component, f"its recipe is that of {recipe.name} {recipe.version}, not of {version[:_WORDS]!r}")
    if not satisfies(version, [_parsed(each) for each in wanted.values()]):
        ranges = "; ".join(f"{source} requires {each}" for source, each in wanted.items())
        raise _bad(component, f"version {version} is not what was asked for: {ranges}")
    return recipe, text


def _heed(component: str, version: str, answer: Mapping[str, Any]) -> None:
    guidance = _text(answer, "vendorGuidance")
    if guidance in ("DISCONTINUED", "DELETED"):
        said = " ".join(_text(answer, "message").split())[:_WORDS]
        _log.warning("%s %s is %s%s", component, version, guidance.lower(), f": {said}" if said else "")


def _text(answer: Mapping[str, Any], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else ""


def _bad(component: str, what: str) -> DeploymentError:
    return DeploymentError(f"the cloud's answer for {component} cannot be used: {what}", _BAD)


def _failure(component: str, error: CloudError) -> DeploymentError:
    if error.kind == REFUSED:
        text = (
            f"the cloud does not tell which version of {component} to use: {error.text}. The policy of the device's "
            "certificate must allow greengrass:ResolveComponentCandidates"
        )
        return DeploymentError(text, *error.codes(), "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED")
    text = f"no version of {component} is here that would do, and the cloud cannot be asked for one: {error.text}"
    return DeploymentError(text, *((_NONE,) if error.is_passing else ()), *error.codes())
