"""Alerts, what became of them, and who is not to be told for a while."""

import time
from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ENGINEERS, VIEWERS, Endpoint
from moat.api.records import limit_of
from moat.api.services import Services
from moat.api.stated import actor_of
from moat.domain.alerting import Alert, Delivery, Event, Rule, Silence
from moat.domain.calls import new_id
from moat.domain.errors import RequestError
from moat.telemetry.filters import parse_duration

LONGEST_NS = 90 * 86_400 * 10**9
"""Of a silence."""


class Alerts(msgspec.Struct, frozen=True):
    """How things stand."""

    alerts: tuple[Alert, ...]
    """As the last evaluation found them."""
    silences: tuple[Silence, ...]
    """Not over yet."""
    rules: tuple[Rule, ...]
    """That are evaluated."""


class SilenceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nobody is to be told of these alerts for a while."""

    rule: str = ""
    """Empty: any."""
    match: dict[str, str] = {}
    """By dimension."""
    length: str
    """Such as `2h`; 90 days at most."""
    why: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    actor: str = ""
    """Who asks, when it is somebody else than the key's owner."""


class LiftRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which silence ends."""

    id: str


def list_alerts(request: Request, services: Services) -> Alerts:
    """What fires or is about to, silences, and the rules."""
    standing, now = services.alerts.standing(), time.time_ns()
    silences = tuple(silence for silence in standing.silences if silence.until_ns > now)
    return Alerts(standing.alerts, silences, services.rules())


def list_events(request: Request, services: Services) -> list[Event]:
    """What fired and resolved, newest first."""
    return services.alerts.events(request.query_params.get("rule", ""), limit_of(request))


def list_deliveries(request: Request, services: Services) -> list[Delivery]:
    """Messages to channels, newest first, with how the last try went."""
    status = request.query_params.get("status", "")
    if status not in ("", "waiting", "sent", "failed"):
        raise RequestError("must be waiting, sent or failed", where="status")
    return services.alerts.deliveries(status, limit_of(request))


def add_silence(request: Request, services: Services) -> Silence:
    """Tell nobody for a while; alerts go on being evaluated and recorded."""
    asked: SilenceRequest = request.state.body
    silence = new_silence(asked, services.rules(), actor_of(request, asked.actor), time.time_ns())
    services.alerts.silence(silence)
    return silence


def lift_silence(request: Request, services: Services) -> Silence:
    """End a silence now."""
    asked: LiftRequest = request.state.body
    return services.alerts.lift(asked.id, time.time_ns(), actor=request.state.key.actor)


def new_silence(asked: SilenceRequest, rules: tuple[Rule, ...], actor: str, now_ns: int) -> Silence:
    """Raises `RequestError` for one that silences nothing, or for too long."""
    names = [rule.name for rule in rules]
    if asked.rule and asked.rule not in names:
        raise RequestError(f"there is no rule {asked.rule!r}", where="rule", remedy=f"Rules: {', '.join(names)}.")
    length = parse_duration(asked.length, where="length")
    if not 0 < length <= LONGEST_NS:
        raise RequestError("must be more than nothing and 90 days at most", where="length")
    known = {name for rule in rules for name in (*rule.by, "score") if asked.rule in ("", rule.name)}
    for name in asked.match:
        if name not in known:
            raise RequestError(
                f"no such alert has {name!r}", where="match", remedy=f"They have: {', '.join(sorted(known))}."
            )
    return Silence(
        id=new_id("sil"),
        rule=asked.rule,
        match=asked.match,
        by=actor,
        why=asked.why,
        at_ns=now_ns,
        until_ns=now_ns + length,
    )


ENDPOINTS = (
    Endpoint("GET", "/api/v1/alerts", VIEWERS, list_alerts, Alerts),
    Endpoint("GET", "/api/v1/alerts/history", VIEWERS, list_events, list[Event], query=("rule", "limit")),
    Endpoint("GET", "/api/v1/alerts/deliveries", VIEWERS, list_deliveries, list[Delivery], query=("status", "limit")),
    Endpoint("POST", "/api/v1/alerts/silences", ENGINEERS, add_silence, Silence, body=SilenceRequest),
    Endpoint("POST", "/api/v1/alerts/silences/lift", ENGINEERS, lift_silence, Silence, body=LiftRequest),
)
