"""Signing in and out, and who one is."""

from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.browsers import KNOWN_SECONDS, new_mark
from moat.api.endpoint import ANYONE, READERS, Endpoint, json_response
from moat.api.front import BROWSER_COOKIE, SESSION_COOKIE
from moat.api.services import Services
from moat.api.sign_in import Entered
from moat.domain.accounts import MAX_EMAIL, Account, PersonRole, Session
from moat.domain.errors import RequestError
from moat.domain.keys import Key, Role, hash_secret

Password = Annotated[str, msgspec.Meta(max_length=1024)]


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """How one can sign in."""

    ways: list[Literal["password", "oidc"]]
    oidc_name: str
    """What the button says; empty without `oidc`."""
    first: bool
    """There is no admin yet: the server has printed a link for the first."""


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who one is, and what only they know."""

    email: Annotated[str, msgspec.Meta(max_length=MAX_EMAIL)]
    password: Password


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody was given to come in."""

    token: Annotated[str, msgspec.Meta(max_length=256)]


class Invitee(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a link is for."""

    email: str
    """Empty for the first admin, who says it."""
    name: str


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody has followed a link."""

    token: Annotated[str, msgspec.Meta(max_length=256)]
    password: Password
    name: str = ""
    email: str | None = None
    """Of the first admin, whose link names none."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whose account it is."""

    id: str
    email: str
    name: str
    role: PersonRole


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks."""

    account: Person | None
    """None: a key asks."""
    role: Role
    actor: str
    """Under which name changes are recorded."""
    csrf: str
    """What changing requests show in `x-moat-csrf`; empty for a key."""
    environment: str
    """The only one that it sees; empty: all. Likewise the tenant."""
    tenant: str


def get_ways(request: Request, services: Services) -> Response:
    """How one can sign in here."""
    oidc = services.sign_in.config.oidc
    ways: list[Literal["password", "oidc"]] = ["password"] if oidc is None else ["password", "oidc"]
    first = services.sign_in.is_new
    return _private(Ways(ways=ways, oidc_name=oidc.name if oidc else "", first=first))


def sign_in(request: Request, services: Services) -> Response:
    """Sign in with a password; the cookie that is set lives a week, or 12 hours unused."""
    front, asked = services.sign_in.front, _own_page(request, services)
    scope, mark = request.scope, front.cookie(request.scope, BROWSER_COOKIE)
    entered = services.sign_in.by_password(asked.email, asked.password, front.client(scope), mark)
    return welcome_in(request, services, entered)


def get_session(request: Request, services: Services) -> Response:
    """Who asks: a person who is signed in, or a key."""
    session: Session | None = request.state.session
    key: Key = request.state.key
    account = services.sign_in.accounts.account(session.account) if session is not None else None
    return _private(_view(key, account, session))


def sign_out(request: Request, services: Services) -> Response:
    """End the session: its cookie is worth nothing any more."""
    session: Session | None = request.state.session
    if session is None:
        raise RequestError("a key has no session", remedy="`moat keys revoke` ends a key.")
    services.sign_in.accounts.sign_out(session.hash)
    response = Response(status_code=204)
    response.headers["set-cookie"] = services.sign_in.front.session_cookie(request.scope, "")
    response.headers["cache-control"] = "no-store"
    return response


def look_at_invitation(request: Request, services: Services) -> Response:
    """Whom a link is for; it stays as good as it is. 404 when it was used, or is too old."""
    asked: Link = _own_page(request, services)
    account = services.sign_in.whose(asked.token, services.sign_in.front.client(request.scope))
    return _private(
        Invitee(email=account.email, name=account.name) if account is not None else Invitee(email="", name="")
    )


def accept_invitation(request: Request, services: Services) -> Response:
    """Follow a link: set a password, and be signed in. A link is good for one time."""
    asked: Acceptance = _own_page(request, services)
    client = services.sign_in.front.client(request.scope)
    entered = services.sign_in.by_link(asked.token, asked.password, (asked.name, asked.email), client)
    return welcome_in(request, services, entered)


def welcome_in(request: Request, services: Services, entered: Entered) -> Response:
    """The answer that signs a browser in; a session that it had ends."""
    front = services.sign_in.front
    former = front.cookie(request.scope, SESSION_COOKIE)
    if former:
        services.sign_in.accounts.sign_out(hash_secret(former))
    response = _private(_view(entered.account.key(), entered.account, entered.session))
    if mark := new_mark(entered.account):
        response.headers.append("set-cookie", front.set_cookie(request.scope, BROWSER_COOKIE, mark, KNOWN_SECONDS))
    response.headers.append("set-cookie", front.session_cookie(request.scope, entered.token))
    return response


def _own_page(request: Request, services: Services) -> Any:
    """The body of a request that no other site has made the browser send: it would sign people in as somebody else."""
    services.sign_in.front.check_site(request.scope)
    return request.state.body


def _view(key: Key, account: Account | None, session: Session | None) -> SessionView:
    person = None
    if account is not None:
        person = Person(id=account.id, email=account.email, name=account.name, role=account.role)
    csrf = session.csrf if session is not None else ""
    return SessionView(
        account=person, role=key.role, actor=key.actor, csrf=csrf, environment=key.environment, tenant=key.tenant
    )


def _private(answer: Ways | SessionView | Invitee) -> Response:
    """For nobody's cache."""
    return json_response(answer, 200, **{"cache-control": "no-store"})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/sign-in", ANYONE, get_ways, Ways),
    Endpoint(
        *("GET", "/api/v1/session", READERS, get_session, SessionView),
        honours=("environment", "tenant"),
    ),
    Endpoint("POST", "/api/v1/session", ANYONE, sign_in, SessionView, body=Credentials),
    Endpoint(
        *("DELETE", "/api/v1/session", READERS, sign_out, None),
        statuses=(204,),
        honours=("environment", "tenant"),
    ),
    Endpoint("POST", "/api/v1/invitations/look", ANYONE, look_at_invitation, Invitee, body=Link),
    Endpoint("POST", "/api/v1/invitations/accept", ANYONE, accept_invitation, SessionView, body=Acceptance),
)
