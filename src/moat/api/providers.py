"""Where providers are connected to, and which secrets may go there."""

from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ADMINS, VIEWERS, Endpoint
from moat.api.services import Services
from moat.api.stated import actor_of
from moat.domain.connections import ConnectionState


class TrustRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lets a provider's credentials go where moat.yaml sends them now."""

    provider: str
    host: Annotated[str, msgspec.Meta(min_length=1)]
    """As `GET /api/v1/providers` shows it: what was looked at is what is trusted."""
    actor: str = ""
    """Who asks, when it is somebody else than the key's owner."""


def list_providers(request: Request, services: Services) -> list[ConnectionState]:
    """Providers with their hosts, the names of their credentials, and whether these are sent."""
    return services.connections.states()


def trust_provider(request: Request, services: Services) -> ConnectionState:
    """Let its credentials go to its host; acts within a second."""
    asked: TrustRequest = request.state.body
    return services.connections.trust(asked.provider, asked.host, actor=actor_of(request, asked.actor))


ENDPOINTS = (
    Endpoint("GET", "/api/v1/providers", VIEWERS, list_providers, list[ConnectionState]),
    Endpoint("POST", "/api/v1/providers/trust", ADMINS, trust_provider, ConnectionState, body=TrustRequest),
)
