"""Policies as they act: each guard with its detector, each call with its guards."""

import difflib
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from moat.documents.decode import explained
from moat.domain.calls import Call, Operation
from moat.domain.errors import ConfigError
from moat.domain.guards import ANSWERED, ASKED, Finding, Place
from moat.domain.policies import GuardConfig, PolicyConfig
from moat.guards.detector import REGISTERED, WHOLE, Detector, Hit, detector
from moat.guards.engine.pieces import Path
from moat.guards.engine.places import shown
from moat.guards.remote import RemoteDetector

AROUND = ("reasoning", "beside")
"""Parts of an answer that are not what is said."""

MAX_FINDINGS = 100
"""Of one guard in one call; what is found beyond is acted upon and not listed."""


@dataclass(frozen=True, eq=False)
class Rule:
    """One guard of one policy."""

    name: str
    config: GuardConfig
    detector: Detector
    places: frozenset[Place]
    threshold: float

    @property
    def acts(self) -> bool:
        """Does a finding change what goes on?"""
        return self.config.action not in ("flag", "review")

    @property
    def withholds(self) -> bool:
        """Does it look for data that is kept nowhere?"""
        return self.acts and self.detector.holds is not None

    @property
    def holds_back(self) -> bool:
        """May nothing of an answer go on before this guard has seen all of it?"""
        return self.acts and (self.detector.window == WHOLE or self.config.action in ("retry", "fallback"))

    def hears(self, place: Place, channel: str) -> bool:
        """Does it look at this part of an answer?"""
        return place in self.places and (self.detector.thinking or channel not in AROUND)

    def judges(self, operation: Operation) -> bool:
        """Does it look at what such an operation answers? A rerank sends back what it was asked about, and what an
        image model made of its prompt is no answer.
        """
        return operation != "rerank" and (self.detector.thinking or operation not in ("images", "image_edits"))

    def finding(self, hit: Hit, place: Place, path: Path) -> Finding:
        """What is noted of a hit."""
        return Finding(
            guard=self.name,
            kind=hit.kind,
            place=place,
            path=shown(path),
            start=hit.start,
            end=hit.end,
            score=round(hit.score, 4),
            note=hit.note,
        )


@dataclass(frozen=True, eq=False)
class Policy:
    """One policy, compiled."""

    config: PolicyConfig
    rules: tuple[Rule, ...]
    file: str = ""
    """Where it stands, within the project."""

    def covers(self, call: Call) -> bool:
        """Is it about this call?"""
        caller = call.caller
        return self.config.when.holds(
            environment=caller.environment,
            tenant=caller.tenant,
            feature=caller.feature,
            prompt=call.prompt.name if call.prompt is not None else "",
            model=call.model,
        )


class PlacedPolicy(NamedTuple):
    """A policy, and the `file:line` of it and of each of its guards."""

    policy: Policy
    place: str
    guards: tuple[str, ...]


def unmet(policy: Policy, call: Call) -> str:
    """The first of a policy's conditions that does not hold for a call, in words; empty when it covers it."""
    caller, when = call.caller, policy.config.when
    prompt = call.prompt.name if call.prompt is not None else ""
    for field, value, wanted in (
        ("environment", caller.environment, when.environment),
        ("tenant", caller.tenant, when.tenant),
        ("feature", caller.feature, when.feature),
        ("prompt", prompt, when.prompt),
        ("model", call.model, when.model),
    ):
        if wanted and value not in wanted:
            return f"it is for {field} {', '.join(wanted)}; the request has {value or 'none'}"
    return ""


def compiled(config: PolicyConfig, file: str = "") -> Policy:
    """Raises `ConfigError` for what makes no sense; its `where` is the path in the policy: `guards.0.on`."""
    rules = tuple(_rule(guard, f"guards.{index}") for index, guard in enumerate(config.guards))
    return Policy(config, rules, file)


def _rule(config: GuardConfig, where: str) -> Rule:
    found = _detector(config, where)
    places = frozenset(config.on or found.places)
    if beyond := sorted(places - set(found.places)):
        raise ConfigError(
            f"{config.use!r} makes no sense for {', '.join(beyond)}",
            where=f"{where}.on",
            remedy=f"It looks at: {', '.join(found.places)}.",
        )
    if config.action == "retry" and not places.isdisjoint(ASKED):
        if config.on:
            raise ConfigError(
                "only an answer can be asked for again", where=f"{where}.on", remedy="Write `on: [output]`."
            )
        places &= set(ANSWERED)
    if config.with_.get("approve") and config.action != "block":
        raise ConfigError(
            "what a person has to approve is withheld", where=f"{where}.action", remedy="Write `action: block`."
        )
    if config.action == "fallback" and config.fallback is None:
        raise ConfigError(
            "`action: fallback` needs a `fallback`", where=where, remedy="Give it a `model` or an `answer`."
        )
    if config.fallback is not None and bool(config.fallback.model) == bool(config.fallback.answer):
        raise ConfigError("give exactly one of `model` and `answer`", where=f"{where}.fallback")
    if config.action == "redact" and isinstance(found, RemoteDetector) and found.joined:
        raise ConfigError(f"{config.use!r} finds no spot that could be redacted", where=f"{where}.action")
    threshold = found.threshold if config.threshold is None else config.threshold
    return Rule(config.name or config.use, config, found, places, threshold)


def _detector(config: GuardConfig, where: str) -> Detector:
    if config.use not in REGISTERED:
        close = difflib.get_close_matches(config.use, REGISTERED, n=1)
        remedy = f"Did you mean {close[0]!r}?" if close else f"Detectors: {', '.join(REGISTERED)}."
        raise ConfigError(f"unknown detector {config.use!r}", where=f"{where}.use", remedy=remedy)
    try:
        return msgspec.convert(config.with_, kind := detector(config.use))
    except msgspec.ValidationError as problem:  # `ValueError`s of its `__post_init__` too
        path, what, remedy = explained(config.with_, kind, problem, at=["with"])
        raise ConfigError(what, where=".".join([where, "with", *map(str, path)]), remedy=remedy) from None


def scope_of(call: Call) -> tuple[str, ...]:
    """What policies choose calls by: calls of one scope have the same guards."""
    caller = call.caller
    prompt = call.prompt.name if call.prompt is not None else ""
    return caller.environment, caller.tenant, caller.feature, prompt, call.model
