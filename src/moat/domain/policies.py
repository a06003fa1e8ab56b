"""The shape of a guard policy: an entry of `policies` in `moat.yaml`, or a file in `policies/`."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from moat.domain.guards import Action, Place
from moat.domain.releases import digest

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]*$", max_length=64)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class PolicyScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls; all that are given must hold, and of a list any entry."""

    environment: list[str] = []
    tenant: list[str] = []
    feature: list[str] = []
    prompt: list[str] = []
    """Names of prompts."""
    model: list[str] = []
    """Aliases that are asked for."""

    def holds(self, *, environment: str, tenant: str, feature: str, prompt: str, model: str) -> bool:
        """Is it about such a call?"""
        return self.may_hold(prompt, model) and all(
            not wanted or value in wanted
            for wanted, value in ((self.environment, environment), (self.tenant, tenant), (self.feature, feature))
        )

    def may_hold(self, prompt: str, model: str) -> bool:
        """May it be about calls of a prompt and an alias, whoever calls, wherever?"""
        return (not self.prompt or prompt in self.prompt) and (not self.model or model in self.model)


class FallbackConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What answers in place of the model; exactly one of them."""

    model: str = ""
    """An alias of `moat.yaml`."""
    answer: str = ""
    """A fixed text; its `finish_reason` is `content_filter`."""


class GuardConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"with_": "with"}):
    """One guard: a detector, where it looks, and what its findings lead to."""

    use: str
    """Kind of detector."""
    with_: dict[str, Any] = {}
    """Its options."""
    name: str = ""
    """In findings and reports; default: the kind."""
    on: list[Place] = []
    """Default: wherever the detector makes sense."""
    action: Action
    """What a finding leads to; nobody gets one that they did not choose."""
    threshold: Share | None = None
    """Score from which a finding counts; default: the detector's own."""
    on_error: Literal["block", "allow"] = "block"
    """When the detector fails or takes too long. `allow` notes `not_run` and goes on."""
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    """Seconds, for detectors that ask a model or another machine."""
    retries: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    """For `action: retry`: how often the model is asked again; then `fallback`, else `block`."""
    fallback: FallbackConfig | None = None
    """For `action: fallback`, and `retry` that did not help."""
    style: Literal["placeholder", "mask", "hash"] = "placeholder"
    """For `action: redact`. `placeholder`: `<EMAIL_1>`, the same for the same value; what the caller said is put back
    in the answer. `mask`: all but a few characters are hidden. `hash`: a keyed digest."""


class PolicyTest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An example beside the policy, for `moat guard test`."""

    text: str
    at: Place = "input"
    tool: str = "tool"
    """With `at: tool_arguments`: the tool that they are for."""
    expect: Literal["pass", "flag", "review", "redact", "retry", "fallback", "block"]
    """The strongest action."""
    finds: list[str] = []
    """Kinds of finding that must be there."""
    becomes: str | None = None
    """The text as it goes on."""
    name: str = ""


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Guards for some calls. Of several policies that are about a call, all hold."""

    name: Name
    description: str = ""
    when: PolicyScope = PolicyScope()
    guards: list[GuardConfig] = []
    documents: list[str] = []
    """Variables of prompts whose values are retrieved documents, beside those that messages mark as such."""
    tests: list[PolicyTest] = []

    @property
    def id(self) -> str:
        """`name@digest`: the first 12 hex digits over everything that it does. Its description and its tests change
        nothing.
        """
        return f"{self.name}@{digest((self.when, self.guards, self.documents)).removeprefix('sha256:')[:12]}"


def about(policies: Iterable[PolicyConfig], prompt: str, model: str) -> tuple[str, ...]:
    """Ids of those that may be about calls of a prompt and an alias, whoever calls, wherever."""
    return tuple(each.id for each in policies if each.guards and each.when.may_hold(prompt, model))
