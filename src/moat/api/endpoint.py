"""Routes as data: the table decides who may call what, and the OpenAPI document is made from it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from moat.api.admission import admitted, session_token
from moat.api.rooms import Later, Room, Rooms, Turns
from moat.api.services import MAX_BODY, MAX_PUSH, Services
from moat.domain.accounts import Session
from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound, RequestError
from moat.domain.keys import LADDER, Key, Role
from moat.gateway.admission import Binding, check_binding, check_encoding, read_headers
from moat.gateway.bodies import decode, require_type
from moat.gateway.formats import openai_chat
from moat.gateway.http import error_headers, hung_up, read_body

Answer = Callable[[Request, Services], Any]

JSON_LINES = "application/x-ndjson"
EVENTS = "text/event-stream"

READERS: tuple[Role, ...] = ("app", *LADDER)
VIEWERS: tuple[Role, ...] = LADDER
EXPERTS: tuple[Role, ...] = LADDER[1:]
ENGINEERS: tuple[Role, ...] = LADDER[2:]
ADMINS: tuple[Role, ...] = LADDER[3:]
SIGNED: tuple[Role, ...] = ()
"""No key lets in: the request is signed, and `answer` checks that before anything else."""
ANYONE: None = None
"""Whoever asks is answered, as where people sign in; a key or a cookie makes no difference."""
MAX_STRANGERS_BODY = 16 * 1024
"""Bytes of a body that anybody may send."""


@dataclass(frozen=True)
class Endpoint:
    """One route. Its roles are checked on the matched route before `answer` runs: there is no other way in."""

    method: str
    path: str
    roles: tuple[Role, ...] | None
    """Roles of keys and people that are let in, or `SIGNED`, or `ANYONE`."""
    answer: Answer
    """Runs in a worker thread (it may read a database); returns what is sent as JSON, a `Response`, or `Later`, which
    becomes one of these. The key is in `request.state.key`, the body in `request.state.body`."""
    returns: Any
    """Type of the answer, for the OpenAPI document."""
    query: tuple[str, ...] = ()
    """Names of query parameters; any other is refused."""
    foreign: bool = False
    """Somebody else writes the query: what is unknown in it is ignored, as RFC 6749 has it."""
    needs: tuple[str, ...] = ()
    """Those of them without which there is no answer."""
    body: type[msgspec.Struct] | None = None
    """Shape of the JSON body, which holds nothing else; raw bytes when signed."""
    statuses: tuple[int, ...] = (200,)
    """What a success may answer, the usual one first."""
    ends: Any = None
    """Type of the last line of an answer in JSON lines, whose other lines are what it `returns`; None: one JSON."""
    streams: bool = False
    """Is the answer server-sent events, each with what it `returns` as its data? It may go on until the client ends it.
    """
    honours: tuple[Binding, ...] = ()
    """Bindings of a key that `answer` heeds; a key bound otherwise is refused, since it would see others' things."""
    room: Room = "reading"
    """Whose threads `answer` runs in."""
    at_once: int = 0
    """How many requests of one person are answered in the room at the same time, while the others wait; 0: all."""

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
        return refuse(problem, services)

    rooms, turns = Rooms(), Turns()
    routes = [Route(e.path, _handler(e, services, rooms, turns), methods=[e.method]) for e in endpoints]
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
    # A path with one slash more is another path; the redirect would lead to whatever host the client names.
    app.router.redirect_slashes = False
    return app


def json_response(answer: Any, status: int = 200, **headers: str) -> Response:
    """An answer with a status or headers of its own."""
    return Response(msgspec.json.encode(answer), status, headers, "application/json")


def _handler(
    endpoint: Endpoint, services: Services, rooms: Rooms, turns: Turns
) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Any:
        async with AsyncExitStack() as stack:
            if endpoint.at_once:
                name = (endpoint.room, request.state.key.actor)
                left = partial(hung_up, request.receive)
                await stack.enter_async_context(turns.taken(name, endpoint.at_once, left))
            answer = await rooms.run(endpoint.room, partial(endpoint.answer, request, services))
            return await answer.answer() if isinstance(answer, Later) else answer

    async def handle(request: Request) -> Response:
        try:
            if endpoint.roles:
                await _admit(endpoint, endpoint.roles, request, services, rooms)
            elif endpoint.roles is ANYONE:
                services.sign_in.front.check_host(request.scope)
            _check_query(endpoint, request)
            await _read_body(endpoint, request, services)
            answer = await answered(request)
        except MoatError as error:
            return refuse(error, services)
        return answer if isinstance(answer, Response) else json_response(answer, endpoint.statuses[0])

    return handle


async def _admit(
    endpoint: Endpoint, roles: tuple[Role, ...], request: Request, services: Services, rooms: Rooms
) -> None:
    """Let in whom the request comes from: `request.state.key`, and `session` when a person asks by cookie. An answer
    that takes long asks again with `admit`, in a worker thread. Raises `AccessError`.
    """
    token = session_token(request, services)

    def admit(again: bool = True) -> tuple[Key, Session | None]:
        key, session = admitted(request, services, roles, token, again=again)
        check_binding(key, endpoint.honours)
        return key, session

    # A page opens its line of events anew whenever that was cut, touched by somebody or not.
    by_itself = endpoint.streams and endpoint.method == "GET"
    # Only a cookie's session is in the database.
    found = await rooms.run("admission", partial(admit, by_itself)) if token else admit(by_itself)
    request.state.key, request.state.session = found
    request.state.admit = admit


def _check_query(endpoint: Endpoint, request: Request) -> None:
    for name in request.query_params:
        if name not in endpoint.query and not endpoint.foreign:
            known = ", ".join(endpoint.query) or "none"
            raise RequestError("unknown query parameter", where=name, remedy=f"Known: {known}.")


async def _read_body(endpoint: Endpoint, request: Request, services: Services) -> None:
    """Bounded, of the right type, and of the endpoint's shape and no other."""
    if endpoint.body is None:
        return
    headers = read_headers(request.scope)
    check_encoding(headers)
    if endpoint.roles == SIGNED:
        async with services.pushes.reading(request.headers):
            request.state.body = await read_body(request.receive, MAX_PUSH)
        return
    most = MAX_BODY if endpoint.roles else MAX_STRANGERS_BODY
    raw = await read_body(request.receive, min(services.max_body, most))
    require_type(headers, "application/json")
    request.state.body = decode(raw, endpoint.body)


def refuse(error: MoatError, services: Services, body: bytes = b"", request_id: str = "") -> Response:
    """The answer that an error is; it is counted. `body`: what else there is to say, with the error in it;
    `request_id`: of a call that was made.
    """
    services.live.refusals.add("api", error.status)
    response = Response(body or openai_chat.error_body(error), status_code=error.status)
    response.raw_headers = [
        *[pair for pair in response.raw_headers if pair[0] == b"content-length"],
        *error_headers(error, request_id or new_id("req")),
    ]
    return response
