"""Routes as data: the table decides who may call what, and the OpenAPI document is made from it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moat.api.services import Services
from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound, RequestError
from moat.domain.keys import Role
from moat.gateway import openai_chat
from moat.gateway.admission import authenticate, read_headers
from moat.gateway.http import error_headers

Answer = Callable[[Request, Services], Any]


@dataclass(frozen=True)
class Endpoint:
    """One route. Its role is checked on the matched route before `answer` runs: there is no other way in."""

    method: str
    path: str
    role: Role
    answer: Answer
    """Runs in a worker thread (it may read a database); returns what is sent as JSON, or a `Response`."""
    returns: Any
    """Type of the answer, for the OpenAPI document."""
    query: tuple[str, ...] = ()
    """Names of query parameters; any other is refused."""

    @property
    def summary(self) -> str:
        """First line of the handler's docstring."""
        return (self.answer.__doc__ or "").strip().split("\n")[0]


def application(endpoints: Sequence[Endpoint], services: Services) -> Starlette:
    """The ASGI application over these routes."""

    async def missing(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        path = request.scope["path"]
        problem = NotFound(f"there is no {request.method} {path}", remedy="See /api/v1/openapi.json.")
        problem.status = status
        return _refuse(problem)

    routes = [Route(e.path, _handler(e, services), methods=[e.method]) for e in endpoints]
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
    # A path with one slash more is another path; the redirect would lead to whatever host the client names.
    app.router.redirect_slashes = False
    return app


def _handler(endpoint: Endpoint, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            keys = services.live.serving.keys
            request.state.key = authenticate(read_headers(request.scope), keys, role=endpoint.role)
            _check_query(endpoint, request)
            answer = await run_in_threadpool(endpoint.answer, request, services)
        except MoatError as error:
            return _refuse(error)
        if isinstance(answer, Response):
            return answer
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return handle


def _check_query(endpoint: Endpoint, request: Request) -> None:
    for name in request.query_params:
        if name not in endpoint.query:
            known = ", ".join(endpoint.query) or "none"
            raise RequestError("unknown query parameter", where=name, remedy=f"Known: {known}.")


def _refuse(error: MoatError) -> Response:
    response = Response(openai_chat.error_body(error), status_code=error.status)
    response.raw_headers = [
        *[pair for pair in response.raw_headers if pair[0] == b"content-length"],
        *error_headers(error, new_id("req")),
    ]
    return response
