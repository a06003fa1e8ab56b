"""Who asks the management API: a key, or a person who is signed in with a browser's cookie."""

import hmac

from starlette.requests import Request

from moat.api.front import SESSION_COOKIE, header
from moat.api.services import Services
from moat.domain.accounts import Session
from moat.domain.errors import AccessError, CrossSite
from moat.domain.keys import Key, Role
from moat.gateway.admission import authenticate, read_headers

CSRF_HEADER = "x-moat-csrf"
UNATTENDED_HEADER = "x-moat-unattended"
"""Sent by a page that nobody touches: what it asks for by itself keeps no session alive."""
_LOOKING = ("GET", "HEAD")
_KEYS = ("authorization", "api-key")


def session_token(request: Request, services: Services) -> str:
    """Of the cookie that a request goes by; empty when it goes by its key, as one with both does."""
    headers = read_headers(request.scope)
    if any(name in headers for name in _KEYS):
        return ""
    return services.sign_in.front.cookie(request.scope, SESSION_COOKIE)


def admitted(
    request: Request, services: Services, roles: tuple[Role, ...], token: str, *, again: bool = False
) -> tuple[Key, Session | None]:
    """The key that a request shows, or with a token what a signed-in person counts as, and the session. Reads the
    database for the latter. `again`: somebody only listens on, who is not at work for that; neither is somebody whose
    page says that it asks by itself.

    What comes by cookie must come from Moat's own pages: the browser does not say that another site has sent it, for
    some answers are entries in the audit log, and a change shows the session's own token besides.

    Raises `AccessError`: 401 for nobody, 403 when the role is none of these; `CrossSite`.
    """
    if not token:
        return authenticate(read_headers(request.scope), services.live.serving.keys, roles), None
    found = services.sign_in.session(token, used=not again and not header(request.scope, UNATTENDED_HEADER.encode()))
    if found is None:
        raise AccessError.unauthenticated("you are signed out", remedy="Sign in again.")
    account, session = found
    if account.role not in roles:
        raise AccessError(f"this needs the role {' or '.join(roles)}, and yours is {account.role}")
    services.sign_in.front.check_host(request.scope)
    services.sign_in.front.check_site(request.scope)
    if request.method not in _LOOKING:
        _check_csrf(request, session)
    return account.key(), session


def _check_csrf(request: Request, session: Session) -> None:
    shown = header(request.scope, CSRF_HEADER.encode())
    if not hmac.compare_digest(shown.encode(), session.csrf.encode()):
        raise CrossSite(
            f"the header {CSRF_HEADER} is not the session's",
            where=CSRF_HEADER,
            remedy="Send the `csrf` of `GET /api/v1/session`.",
        )
