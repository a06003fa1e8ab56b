"""Guard policies as they apply, and what they would make of a text."""

import asyncio
import time
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request

from moat.api.endpoint import EXPERTS, VIEWERS, Endpoint
from moat.api.services import Services
from moat.domain.calls import Call, Caller, new_id, new_trace
from moat.domain.guards import Action, Place, Verdict
from moat.domain.policies import PolicyScope
from moat.domain.releases import PromptRef
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.guards.engine.rules import PlacedPolicy, Rule, unmet
from moat.guards.engine.trying import asks, tried

MAX_TEXT = 50_000
"""Characters of a text that is tried."""

Name = Annotated[str, msgspec.Meta(max_length=256)]


class GuardView(msgspec.Struct, frozen=True, kw_only=True):
    """One guard of a policy."""

    name: str
    use: str
    """Kind of detector."""
    on: tuple[Place, ...]
    action: Action
    threshold: float
    """Score from which a finding counts."""
    on_error: Literal["block", "allow"]
    timeout: float
    """Seconds, for detectors that ask a model or another machine."""
    asks_model: bool
    place: str
    """`file:line`."""


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """One policy."""

    id: str
    """`name@digest`, as records of calls have it."""
    name: str
    description: str
    when: PolicyScope
    """Which calls it is about; nothing: all."""
    place: str
    """`file:line`."""
    guards: tuple[GuardView, ...]
    tests: int
    """Examples beside it."""


class GuardTrial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text, and whose it would be."""

    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    direction: Literal["input", "output"] = "input"
    at: Literal["", "input", "documents", "tool_results", "output", "tool_arguments"] = ""
    """Where it would stand, when that is more exact than the direction."""
    tool: Name = "tool"
    """With `at: tool_arguments`: the tool that they are for."""
    environment: Name = DEFAULT_ENVIRONMENT
    tenant: Name = ""
    feature: Name = ""
    prompt: Name = ""
    """Name of the prompt that would answer."""
    model: Name = ""
    """Alias that would be asked for."""


class PolicyElsewhere(msgspec.Struct, frozen=True):
    """A policy that is not about such a call."""

    policy: str
    """`name@digest`."""
    why: str


class GuardTried(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of a text."""

    action: Literal["pass", "flag", "review", "redact", "retry", "fallback", "block"]
    """The strongest thing that would be done."""
    verdicts: tuple[Verdict, ...]
    """Of each guard that has something to say; places of findings are characters of the text."""
    becomes: str
    """The text as it would go on; empty when it would not."""
    policies: tuple[str, ...]
    """That are about such a call, `name@digest`."""
    elsewhere: tuple[PolicyElsewhere, ...]
    left_out: tuple[str, ...]
    """Guards that would ask a model: `policy/guard`. Nothing is sent to any here."""
    took_ns: int


def list_policies(request: Request, services: Services) -> list[PolicyView]:
    """Guard policies as moat.yaml and the files in `policies/` have them, with the place of each guard."""
    return [_view(each) for each in services.policies()]


def try_guards(request: Request, services: Services) -> GuardTried:
    """What policies would do to a text; it is sent to nobody and kept nowhere."""
    asked: GuardTrial = request.state.body
    known = [each.policy for each in services.policies()]
    call = Call(
        id=new_id("req"),
        caller=Caller(tenant=asked.tenant, feature=asked.feature, environment=asked.environment),
        trace=new_trace(),
        model=asked.model,
        prompt=PromptRef(name=asked.prompt) if asked.prompt else None,
    )
    covering = [policy for policy in known if policy.covers(call)]
    place: Place = asked.at or asked.direction
    began = time.perf_counter_ns()
    found = asyncio.run(tried(covering, asked.text, place, asked.tool))
    return GuardTried(
        action=found.action,  # type: ignore[arg-type]  # the strongest of the verdicts', or `pass`
        verdicts=found.verdicts,
        becomes=found.becomes,
        policies=tuple(policy.config.id for policy in covering),
        elsewhere=tuple(PolicyElsewhere(p.config.id, unmet(p, call)) for p in known if not p.covers(call)),
        left_out=tuple(f"{p.config.name}/{rule.name}" for p in covering for rule in p.rules if asks(rule)),
        took_ns=time.perf_counter_ns() - began,
    )


def _view(each: PlacedPolicy) -> PolicyView:
    config = each.policy.config
    return PolicyView(
        id=config.id,
        name=config.name,
        description=config.description,
        when=config.when,
        place=each.place,
        guards=tuple(_guard(*pair) for pair in zip(each.policy.rules, each.guards, strict=True)),
        tests=len(config.tests),
    )


def _guard(rule: Rule, place: str) -> GuardView:
    config = rule.config
    return GuardView(
        name=rule.name,
        use=config.use,
        on=tuple(sorted(rule.places)),
        action=config.action,
        threshold=rule.threshold,
        on_error=config.on_error,
        timeout=config.timeout,
        asks_model=asks(rule),
        place=place,
    )


ENDPOINTS = (
    Endpoint("GET", "/api/v1/policies", VIEWERS, list_policies, list[PolicyView]),
    Endpoint("POST", "/api/v1/guards/try", EXPERTS, try_guards, GuardTried, body=GuardTrial, room="tries", at_once=1),
)
