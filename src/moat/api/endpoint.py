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

from moat.api.services import MAX_BODY, MAX_PUSH, Services
from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound, RequestError
from moat.domain.keys import Role
from moat.gateway.admission import Binding, authenticate, check_binding, check_encoding, read_headers
from moat.gateway.bodies import decode, require_type
from moat.gateway.formats import openai_chat
from moat.gateway.http import error_headers, read_body

Answer = Callable[[Request, Services], Any]

JSON_LINES = "application/x-ndjson"

READERS: tuple[Role, ...] = ("app", "viewer", "admin")
VIEWERS: tuple[Role, ...] = ("viewer", "admin")
ADMINS: tuple[Role, ...] = ("admin",)
SIGNED: tuple[Role, ...] = ()
"""No key lets in: the request is signed, and `answer` checks that before anything else."""


@dataclass(frozen=True)
class Endpoint:
    """One route. Its roles are checked on the matched route before `answer` runs: there is no other way in."""

    method: str
    path: str
    roles: tuple[Role, ...]
    answer: Answer
    """Runs in a worker thread (it may read a database); returns what is sent as JSON, or a `Response`. The key is in
    `request.state.key`, the body in `request.state.body`."""
    returns: Any
    """Type of the answer, for the OpenAPI document."""
    query: tuple[str, ...] = ()
    """Names of query parameters; any other is refused."""
    needs: tuple[str, ...] = ()
    """Those of them without which there is no answer."""
    body: type[msgspec.Struct] | None = None
    """Shape of the JSON body, which holds nothing else; raw bytes when signed."""
    statuses: tuple[int, ...] = (200,)
    """What a success may answer, the usual one first."""
    ends: Any = None
    """Type of the last line of an answer in JSON lines, whose other lines are what it `returns`; None: one JSON."""
    honours: tuple[Binding, ...] = ()
    """Bindings of a key that `answer` heeds; a key bound otherwise is refused, since it would see others' things."""

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
        return _refuse(problem, services)

    routes = [Route(e.path, _handler(e, services), methods=[e.method]) for e in endpoints]
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
    # A path with one slash more is another path; the redirect would lead to whatever host the client names.
    app.router.redirect_slashes = False
    return app


def json_response(answer: Any, status: int = 200, **headers: str) -> Response:
    """An answer with a status or headers of its own."""
    return Response(msgspec.json.encode(answer), status, headers, "application/json")


def _handler(endpoint: Endpoint, services: Services) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            if endpoint.roles:
                key = authenticate(read_headers(request.scope), services.live.serving.keys, endpoint.roles)
                check_binding(key, endpoint.honours)
                request.state.key = key
            _check_query(endpoint, request)
            await _read_body(endpoint, request, services)
            answer = await run_in_threadpool(endpoint.answer, request, services)
        except MoatError as error:
            return _refuse(error, services)
        return answer if isinstance(answer, Response) else json_response(answer, endpoint.statuses[0])

    return handle


def _check_query(endpoint: Endpoint, request: Request) -> None:
    for name in request.query_params:
        if name not in endpoint.query:
            known = ", ".join(endpoint.query) or "none"
            raise RequestError("unknown query parameter", where=name, remedy=f"Known: {known}.")


async def _read_body(endpoint: Endpoint, request: Request, services: Services) -> None:
    """Bounded, of the right type, and of the endpoint's shape and no other."""
    if endpoint.body is None:
        return
    headers = read_headers(request.scope)
    check_encoding(headers)
    if not endpoint.roles:
        request.state.body = await read_body(request.receive, MAX_PUSH)
        return
    raw = await read_body(request.receive, min(services.max_body, MAX_BODY))
    require_type(headers, "application/json")
    request.state.body = decode(raw, endpoint.body)


def _refuse(error: MoatError, services: Services) -> Response:
    services.live.refusals.add("api", error.status)
    response = Response(openai_chat.error_body(error), status_code=error.status)
    response.raw_headers = [
        *[pair for pair in response.raw_headers if pair[0] == b"content-length"],
        *error_headers(error, new_id("req")),
    ]
    return response
