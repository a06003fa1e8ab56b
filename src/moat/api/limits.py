"""How far limits are used up, and spending that was cut off."""

import time
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ENGINEERS, VIEWERS, Endpoint
from moat.api.records import limit_of
from moat.api.services import Services
from moat.api.stated import actor_of
from moat.domain.config import Scope
from moat.domain.trips import Trip, TripScope
from moat.ports.limit_drafts import ConfigDraft, LimitWish
from moat.spend.counters import Balance
from moat.spend.limits import Measure, PlacedLimit
from moat.spend.projecting import Pace, pace


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """One counter of one limit, in its present window."""

    limit: str
    of: dict[str, str]
    """Whose, by scope; empty: the whole service's."""
    measure: str
    """`requests`, `tokens`, `money` (picodollars) or `concurrent`."""
    window: str
    """`minute`, `hour`, `day`, `month`; empty: each call by itself, or at one time."""
    action: str
    amount: int
    used: int
    held: int
    """By calls under way, at their worst case."""
    resets_ns: int
    """Unix nanoseconds; 0 without a window."""
    timezone: str = "UTC"
    """Where its days and months begin."""
    pace: Pace | None = None
    """Where it comes to. None for limits by the minute, by the call and of calls at one time, and in the first
    twentieth of a window."""


def list_limits(request: Request, services: Services) -> list[LimitState]:
    """Every counter, fullest first within its limit."""
    name = request.query_params.get("name", "")
    now_ns = time.time_ns()
    found = [state(balance, now_ns) for balance in services.live.balances() if name in ("", balance.limit.name)]
    return found[: limit_of(request)]


def state(balance: Balance, now_ns: int) -> LimitState:
    """As the API tells it."""
    limit = balance.limit
    return LimitState(
        limit=limit.name,
        of=dict(zip(limit.per, balance.values, strict=True)),
        measure=limit.measure,
        window=limit.window or "",
        action=limit.action,
        amount=limit.amount,
        used=balance.used,
        held=balance.held,
        resets_ns=balance.resets_ns,
        timezone=str(limit.tz),
        pace=pace(balance, now_ns),
    )


class LimitRule(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as it is stated; it is changed there."""

    limit: str
    per: tuple[Scope, ...]
    """One counter for each combination that occurs; none: one for the whole service."""
    match: dict[Scope, list[str]]
    """Only calls with one of these values."""
    measure: Measure
    amount: int
    """Requests, tokens, picodollars, or calls at one time."""
    window: Literal["", "minute", "hour", "day", "month"]
    """Empty: each call by itself, or at one time."""
    action: str
    warn_at: tuple[float, ...]
    timezone: str
    place: str
    """`file:line`, or the environment variable that states it."""


def list_limit_rules(request: Request, services: Services) -> list[LimitRule]:
    """The limits that are in force, each with the place where it is stated and can be changed."""
    return [_rule(each) for each in services.limit_rules()]


def _rule(each: PlacedLimit) -> LimitRule:
    limit = each.limit
    return LimitRule(
        limit=limit.name,
        per=limit.per,
        match={scope: sorted(values) for scope, values in limit.match.items()},
        measure=limit.measure,
        amount=limit.amount,
        window=limit.window or "",
        action=limit.action,
        warn_at=limit.warn_at,
        timezone=each.timezone,
        place=each.place,
    )


def draft_limit(request: Request, services: Services) -> ConfigDraft:
    """moat.yaml with another limit in it, to look at and to propose. Nothing is written."""
    wish: LimitWish = request.state.body
    return services.workbench.limit_draft(wish)


class ResetRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets spending go on that was cut off."""

    scope: TripScope
    value: str
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    actor: str = ""
    """Who asks, when it is somebody else than the key's owner."""


def list_spikes(request: Request, services: Services) -> list[Trip]:
    """Spending that was cut off, newest first, with who let it go on and why."""
    return services.trips.trips(limit_of(request))


def reset_spike(request: Request, services: Services) -> list[Trip]:
    """Let spending go on; acts within a second."""
    asked: ResetRequest = request.state.body
    actor = actor_of(request, asked.actor)
    return services.trips.reset(asked.scope, asked.value, actor=actor, reason=asked.reason, now_ns=time.time_ns())


ENDPOINTS = (
    Endpoint("GET", "/api/v1/limits", VIEWERS, list_limits, list[LimitState], query=("name", "limit")),
    Endpoint("GET", "/api/v1/limits/rules", VIEWERS, list_limit_rules, list[LimitRule]),
    Endpoint("POST", "/api/v1/limits/drafts", ENGINEERS, draft_limit, ConfigDraft, body=LimitWish),
    Endpoint("GET", "/api/v1/spikes", VIEWERS, list_spikes, list[Trip], query=("limit",)),
    Endpoint("POST", "/api/v1/spikes/reset", ENGINEERS, reset_spike, list[Trip], body=ResetRequest),
)
