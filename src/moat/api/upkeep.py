"""Care of the trace store by request."""

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ADMINS, Endpoint
from moat.api.services import Services
from moat.api.stated import actor_of
from moat.domain.audit import Act
from moat.ports.traces import Kept


class ExpireRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Let go of what moat.yaml keeps no longer."""

    dry_run: bool = False
    actor: str = ""
    """Who asks, when it is somebody else than the key's owner."""


class Expired(msgspec.Struct, frozen=True):
    """What went."""

    spans: int
    """That went or lost their content; with `dry_run` those that would, about."""


class CareRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing need be said."""

    actor: str = ""
    """Who asks, when it is somebody else than the key's owner."""


class Copied(msgspec.Struct, frozen=True):
    """A copy of the trace store."""

    path: str
    """On the server's disk."""


def expire_traces(request: Request, services: Services) -> Expired:
    """Delete spans and contents that are older than moat.yaml keeps them."""
    asked: ExpireRequest = request.state.body
    if not asked.dry_run:
        services.audit.record(Act(_actor(request), "traces.expire", "traces"))
    return Expired(services.upkeep.expire(dry_run=asked.dry_run))


def compact_traces(request: Request, services: Services) -> Kept:
    """Give the disk back what deleted spans took."""
    services.audit.record(Act(_actor(request), "traces.compact", "traces"))
    return services.upkeep.compact()


def copy_traces(request: Request, services: Services) -> Copied:
    """Copy the trace store as of now into a file beside it, for a backup."""
    services.audit.record(Act(_actor(request), "traces.copy", "traces"))
    return Copied(str(services.upkeep.backup()))


def _actor(request: Request) -> str:
    return actor_of(request, request.state.body.actor)


ENDPOINTS = (
    Endpoint("POST", "/api/v1/upkeep/expire", ADMINS, expire_traces, Expired, body=ExpireRequest),
    Endpoint("POST", "/api/v1/upkeep/compact", ADMINS, compact_traces, Kept, body=CareRequest),
    Endpoint("POST", "/api/v1/upkeep/copy", ADMINS, copy_traces, Copied, body=CareRequest),
)
