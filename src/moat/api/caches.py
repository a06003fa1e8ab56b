"""What caches did and hold, and what was measured of them."""

from starlette.requests import Request

from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.services import Services
from moat.caching.report import CacheState


def list_caches(request: Request, services: Services) -> list[CacheState]:
    """The cache of every alias that has one; how often semantic ones were wrong."""
    alias = request.query_params.get("alias", "")
    return [found for found in services.live.caches() if alias in ("", found.alias)]


ENDPOINTS = (Endpoint("GET", "/api/v1/cache", VIEWERS, list_caches, list[CacheState], query=("alias",)),)
