"""What a project's policies would make of a request, without sending anything."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from moat.bootstrap.guarding import guards, policies
from moat.bootstrap.handling import handling
from moat.bootstrap.models import price_table
from moat.bootstrap.settings import Settings
from moat.domain.calls import Call, Caller, Deployment, new_id, new_trace
from moat.domain.environments import EVALS
from moat.domain.errors import ContextOverflow, GuardBlocked, InputError, NotFound
from moat.domain.guards import Verdict, more_sensitive, strongest
from moat.domain.handling import Handling, Keeping
from moat.domain.releases import PromptRef, PromptVersion
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.guards.engine.rules import Policy, unmet
from moat.guards.handling.calls import CallData, DataPolicy
from moat.guards.remote import RemoteDetector
from moat.pipeline.stages.resolve import params_of
from moat.routing.router import Knowledge, Router

Outcome = Literal["sent", "answered by a guard", "blocked", "refused"]


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """The request that is asked about."""

    text: str = ""
    model: str = ""
    """Alias; empty: the prompt's."""
    tenant: str = ""
    feature: str = ""
    environment: str = ""
    prompt: PromptVersion | None = None
    data_class: str = ""


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """One guard that would look at the request or its answer."""

    policy: str
    """`name@digest`."""
    guard: str
    places: tuple[str, ...]
    action: str
    asks: str = ""
    """Alias of the model that it asks: it was left out here."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of the request at one deployment, in the order in which they are tried."""

    deployment: str
    destination: str
    region: str
    internal: bool
    action: Handling
    why: tuple[str, ...]
    """A line for each class that matters."""


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Everything."""

    model: str
    guards: tuple[Guarded, ...]
    elsewhere: Mapping[str, str]
    """Policies that are not about it, and why."""
    action: str
    """The strongest thing that guards do to the question; `pass` when none."""
    verdicts: tuple[Verdict, ...]
    becomes: str
    """The text behind the guards; empty when it does not go on."""
    declared: str
    """Class of the whole; empty without a data-handling policy."""
    found: Mapping[str, int]
    ways: tuple[Way, ...]
    outcome: Outcome
    kept: Keeping
    """What is kept of its content."""


async def explain(settings: Settings, environ: Mapping[str, str], asking: Asking) -> Explained:
    """Raises `InputError` for what makes no sense, and `NotFound` for an alias or environment that does not exist."""
    environments = {"", *settings.config.environments, DEFAULT_ENVIRONMENT, EVALS}
    if asking.environment not in environments:
        names = ", ".join(sorted(environments - {""}))
        raise NotFound(f"moat.yaml defines no environment {asking.environment!r}", remedy=f"Environments: {names}.")
    call = _call(asking)
    known = policies(settings.root, settings.config, settings.document)
    covering = [each for each in known if each.covers(call)]
    elsewhere = {each.config.id: unmet(each, call) for each in known if not each.covers(call)}
    call, verdicts, outcome = await _guarded(call, covering)
    data = handling(settings.config, settings.document)
    looked = await data[0].look(call) if data is not None else None
    plan = _deployments(settings, environ, call)
    ways = tuple(_way(data[0] if data else None, looked, deployment) for deployment in plan)
    if outcome == "sent" and ways and all(way.action == "refuse" for way in ways):
        outcome = "refused"
    kept: Keeping = "full" if settings.config.telemetry.capture_content else "none"
    if data is not None and looked is not None and kept == "full":
        kept = data[1].mode(call, list(looked.found))
    hide = call.journal.hide
    if hide is not None and kept in ("full", "hash") and hide(asking.text) != asking.text:
        kept = "redacted"
    return Explained(
        model=call.model,
        guards=_rules(covering),
        elsewhere=elsewhere,
        action=strongest(verdicts) or "pass",
        verdicts=tuple(verdicts),
        becomes=str(call.messages[-1]["content"]) if outcome in ("sent", "refused") else "",
        declared=looked.declared if looked is not None else "",
        found={str(name): count for name, count in looked.found.items()} if looked is not None else {},
        ways=ways,
        outcome=outcome,
        kept=kept,
    )


def _call(asking: Asking) -> Call:
    version, data_class = asking.prompt, asking.data_class
    model = asking.model or (version.model if version is not None else "")
    if not model:
        raise InputError("says not which model", where="--model", remedy="Give `--model` or `--prompt`.")
    if version is not None and isinstance(said := version.metadata.get("data_class"), str):
        data_class = more_sensitive(data_class, said)
    call = Call(
        id=new_id("req"),
        caller=Caller(
            tenant=asking.tenant, feature=asking.feature, environment=asking.environment, data_class=data_class
        ),
        trace=new_trace(),
        model=model,
        prompt=PromptRef(name=version.name, version=version.version) if version is not None else None,
        messages=[{"role": "user", "content": asking.text}],
        params=params_of(version) if version is not None else {},
    )
    call.journal.prompt = version
    return call


async def _guarded(call: Call, covering: list[Policy]) -> tuple[Call, list[Verdict], Outcome]:
    local = [
        Policy(each.config, tuple(r for r in each.rules if not isinstance(r.detector, RemoteDetector)), each.file)
        for each in covering
    ]
    guarding = guards(local)
    watch = guarding.watch(call) if guarding is not None else None
    if watch is None:
        return call, [], "sent"
    try:
        asked = await watch.ask(call)
    except GuardBlocked:
        return call, call.journal.verdicts, "blocked"
    return asked.call, call.journal.verdicts, "answered by a guard" if asked.answer else "sent"


def _rules(covering: list[Policy]) -> tuple[Guarded, ...]:
    return tuple(
        Guarded(
            policy=policy.config.id,
            guard=rule.name,
            places=tuple(sorted(rule.places)),
            action=rule.config.action,
            asks=str(rule.config.with_.get("model", "")) if isinstance(rule.detector, RemoteDetector) else "",
        )
        for policy in covering
        for rule in policy.rules
    )


def _deployments(settings: Settings, environ: Mapping[str, str], call: Call) -> tuple[Deployment, ...]:
    router = Router(settings.config.models, {}, Knowledge(prices=price_table(settings, environ)))
    try:
        return router.plan(call).deployments
    except ContextOverflow:
        return router.deployments(call.model)


def _way(policy: DataPolicy | None, looked: CallData | None, deployment: Deployment) -> Way:
    if policy is None or looked is None:
        return Way(
            deployment=str(deployment),
            destination=deployment.provider,
            region="",
            internal=False,
            action="allow",
            why=("moat.yaml has no `data`",),
        )
    destination = policy.destinations.of(deployment.provider)
    return Way(
        deployment=str(deployment),
        destination=destination.name,
        region=destination.region,
        internal=destination.internal,
        action=looked.action(deployment),
        why=tuple(_reasons(policy, looked, deployment)),
    )


def _reasons(policy: DataPolicy, looked: CallData, deployment: Deployment) -> list[str]:
    found: list[tuple[str, str]] = [(looked.declared, "all of it"), *((each, "found in it") for each in looked.found)]
    lines = []
    for data_class, what in found:
        ruling = policy.destinations.ruling(data_class, deployment.provider)
        rule = f"data.rules[{ruling.rule}]" if ruling.rule >= 0 else "no rule"
        line = f"{data_class} ({what}): {ruling.action} by {rule}"
        if what == "all of it" and ruling.action == "redact":
            line += "; redacting all of it leaves nothing, so it is refused"
        lines.append(line)
    return lines
