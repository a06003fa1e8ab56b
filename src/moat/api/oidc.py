"""Signing in with another system's account, by OpenID Connect."""

import base64
import hashlib
import hmac
import logging
import secrets

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ANYONE, Endpoint
from moat.api.front import HANDSHAKE_COOKIE, SESSION_COOKIE
from moat.api.services import Services
from moat.api.sign_in import Entered, SignIn
from moat.domain.accounts import Account, NewAccount, new_token
from moat.domain.audit import PROGRAM
from moat.domain.console import OidcConfig
from moat.domain.errors import AccessError, ConflictError, MoatError, NotFound
from moat.domain.identities import Handshake, Identity
from moat.domain.keys import hash_secret
from moat.ports.identities import IdentityProvider

START = "/api/v1/sign-in/oidc"
CALLBACK = f"{START}/callback"
HANDSHAKE_NS = 600 * 10**9
"""How long somebody may take at the provider."""
PAGE = "/sign-in?problem="
"""Where a browser goes when it did not work, with one of: `denied` (by the provider), `no_account`, `disabled`,
`unverified` (the e-mail address), `failed`."""

log = logging.getLogger("moat.api")

_SEAL = secrets.token_bytes(32)
"""Of this process: a handshake that began before a restart begins anew."""


class Declined(AccessError):
    """Somebody is known to the provider, and does not get in here."""

    def __init__(self, problem: str, what: str) -> None:
        super().__init__(what)
        self.problem = problem


def begin_oidc(request: Request, services: Services) -> Response:
    """Send the browser to the provider of identities; `then` is the page that it comes back to."""
    provider, front, scope = _provider(services.sign_in), services.sign_in.front, request.scope
    services.sign_in.call(front.client(scope))
    handshake = Handshake(
        state=new_token(),
        nonce=new_token(),
        verifier=new_token(),
        redirect=f"{front.url(scope)}{CALLBACK}",
        then=own_path(request.query_params.get("then", "/")),
        expires_ns=services.sign_in.now_ns + HANDSHAKE_NS,
    )
    response = _redirect(provider.address(handshake))
    cookie = front.set_cookie(scope, HANDSHAKE_COOKIE, _sealed(handshake), HANDSHAKE_NS // 10**9)
    response.headers.append("set-cookie", cookie)
    return response


def finish_oidc(request: Request, services: Services) -> Response:
    """Back from the provider: sign in, and go on to the page that was wanted, or to `/sign-in?problem=...`."""
    provider, front, scope = _provider(services.sign_in), services.sign_in.front, request.scope
    services.sign_in.call(front.client(scope))
    handshake, entered, problem = None, None, "failed"
    try:
        handshake = _handshake(request, services.sign_in)
        if "error" in request.query_params:
            raise Declined("denied", f"the provider said {request.query_params['error'][:60]!r}")
        identity = provider.identity(request.query_params.get("code", ""), handshake)
        entered = let_in(services.sign_in, identity, front.client(scope))
    except MoatError as error:
        log.warning("nobody was signed in by OpenID Connect: %s", error)
        problem = error.problem if isinstance(error, Declined) else problem
        services.sign_in.fail(None, front.client(scope))
    if entered is None or handshake is None:
        response = _redirect(f"{PAGE}{problem}")
    else:
        former = front.cookie(scope, SESSION_COOKIE)
        if former:
            services.sign_in.accounts.sign_out(hash_secret(former))
        response = _redirect(handshake.then)
        response.headers.append("set-cookie", front.session_cookie(scope, entered.token))
    response.headers.append("set-cookie", front.set_cookie(scope, HANDSHAKE_COOKIE, "", 0))
    return response


def let_in(sign_in: SignIn, identity: Identity, client: str) -> Entered:
    """Begin a session of somebody whom the provider vouches for. The first time binds an account that was made for
    their e-mail address, or makes one, as moat.yaml has it. Raises `Declined`.
    """
    config = sign_in.config.oidc
    assert config is not None
    account = sign_in.accounts.by_subject(identity.subject) or _introduced(sign_in, identity, config)
    if account.disabled_ns:
        raise Declined("disabled", f"the account {account.id} is disabled")
    role = identity.role(config)
    if config.roles_claim and role is None:
        raise Declined("no_account", f"no group of {account.id} gives a role")
    if config.roles_claim and role is not None and role != account.role:
        try:
            account = sign_in.accounts.change(account.id, lambda found: replace(found, role=role), actor=PROGRAM)
        except ConflictError as error:  # the last admin stays one, whatever the provider says
            log.warning("%s keeps the role %s: %s", account.id, account.role, error)
    return sign_in.enter(account, "oidc", client)


def own_path(path: str) -> str:
    """A path of this server; `/` for what would lead elsewhere."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and path.isascii()
    return path if safe and len(path) <= 1000 and "\\" not in path else "/"


def _introduced(sign_in: SignIn, identity: Identity, config: OidcConfig) -> Account:
    """The account of somebody who signs in this way for the first time."""
    if not identity.email:
        raise Declined("unverified", "the provider has not verified the e-mail address")
    account = sign_in.accounts.by_email(identity.email)
    if account is not None:
        if account.subject:
            raise Declined("no_account", f"the account {account.id} is somebody else's at the provider")
        return sign_in.accounts.change(
            account.id, lambda found: replace(found, subject=identity.subject), actor=account.email
        )
    role = identity.role(config)
    if role is None or not identity.may_join(config):
        raise Declined("no_account", "nobody has made an account for them")
    made = NewAccount(email=identity.email, role=role, name=identity.name).made(sign_in.now_ns)
    made = replace(made, subject=identity.subject)
    sign_in.accounts.add(made, actor=PROGRAM)
    return made


def _provider(sign_in: SignIn) -> IdentityProvider:
    provider = sign_in.provider()
    if provider is None:
        raise NotFound("moat.yaml names no provider of identities", remedy="See console.oidc.")
    return provider


def _handshake(request: Request, sign_in: SignIn) -> Handshake:
    """The one that this browser began. Raises `AccessError` for the answer to another."""
    handshake = _opened(sign_in.front.cookie(request.scope, HANDSHAKE_COOKIE))
    state, issuer = request.query_params.get("state", ""), request.query_params.get("iss")
    config = sign_in.config.oidc
    if handshake is None or handshake.expires_ns <= sign_in.now_ns:
        raise AccessError("this browser began no sign-in, or too long ago")
    if not hmac.compare_digest(state.encode(), handshake.state.encode()):
        raise AccessError("the answer is for another browser")
    if issuer is not None and config is not None and issuer != config.issuer:  # RFC 9207
        raise AccessError("the answer is another provider's")
    return handshake


def _sealed(handshake: Handshake) -> str:
    text = base64.urlsafe_b64encode(msgspec.json.encode(handshake)).rstrip(b"=").decode()
    return f"{text}.{_seal(text)}"


def _opened(cookie: str) -> Handshake | None:
    text, _, seal = cookie.partition(".")
    if not hmac.compare_digest(seal.encode(), _seal(text).encode()):
        return None
    return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Handshake)


def _seal(text: str) -> str:
    return hmac.new(_SEAL, text.encode(), hashlib.sha256).hexdigest()


def _redirect(url: str) -> Response:
    return Response(status_code=303, headers={"location": url, "cache-control": "no-store"})


ENDPOINTS = (
    Endpoint("GET", START, ANYONE, begin_oidc, None, query=("then",), statuses=(303,), room="identities"),
    Endpoint(
        "GET",
        CALLBACK,
        ANYONE,
        finish_oidc,
        None,
        query=("code", "state", "iss", "error"),
        statuses=(303,),
        foreign=True,
        room="identities",
    ),
)
