"""The management API as one ASGI application."""

import asyncio
from functools import cache

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import application
from moat.api.openapi import openapi
from moat.api.routes import ENDPOINTS
from moat.api.services import Services

OPENAPI_PATH = "/api/v1/openapi.json"


def management_api(services: Services) -> Starlette:
    """All endpoints, and their description, which needs no key."""

    async def describe(request: Request) -> Response:
        return Response(await asyncio.to_thread(_document), media_type="application/json")

    app = application(ENDPOINTS, services)
    app.add_route(OPENAPI_PATH, describe, methods=["GET"])
    return app


@cache
def _document() -> bytes:
    """Made when somebody asks for it: it takes a tenth of a second and more than a megabyte."""
    return msgspec.json.encode(openapi(ENDPOINTS))
