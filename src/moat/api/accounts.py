"""Accounts of people, for administrators."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ADMINS, Endpoint, json_response
from moat.api.services import Services
from moat.domain.accounts import WELCOME, Account, AccountChange, AccountView, Invitation, NewAccount, new_invitation
from moat.domain.audit import Action
from moat.domain.errors import RequestError


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """An account, and the link that lets its owner in once."""

    account: AccountView
    link: str
    """Path below this server's address. It is shown this once; its owner needs nothing else, so hand it to nobody
    else."""
    expires_ns: int


def list_accounts(request: Request, services: Services) -> list[AccountView]:
    """Accounts, disabled ones too, oldest first."""
    return [AccountView.of(account) for account in services.sign_in.accounts.accounts()]


def create_account(request: Request, services: Services) -> Response:
    """Make an account, and a link with which its owner sets a password."""
    asked: NewAccount = request.state.body
    account = asked.made(services.sign_in.now_ns)
    token, invitation = new_invitation(account.id, account.created_ns)
    services.sign_in.accounts.add(account, actor=request.state.key.actor, invitation=invitation)
    return _invited(account, token, invitation)


def change_account(request: Request, services: Services) -> AccountView:
    """Change name or role, disable or enable; disabling ends its sessions. The last active admin stays one."""
    asked: AccountChange = request.state.body
    if asked == AccountChange():
        raise RequestError("nothing to change", where="$")
    id = request.path_params["id"]
    action: Action = "account.change"
    if asked.disabled is not msgspec.UNSET:
        action = "account.disable" if asked.disabled else "account.enable"
    actor = request.state.key.actor

    def change(account: Account) -> Account:
        return asked.applied(account, services.sign_in.now_ns)

    return AccountView.of(services.sign_in.accounts.change(id, change, actor=actor, action=action))


def invite_again(request: Request, services: Services) -> Response:
    """A new link for an account, as after a forgotten password; links from before are worth nothing any more."""
    account = services.sign_in.accounts.account(request.path_params["id"])
    token, invitation = new_invitation(account.id, services.sign_in.now_ns)
    services.sign_in.accounts.invite(invitation, actor=request.state.key.actor)
    return _invited(account, token, invitation)


def _invited(account: Account, token: str, invitation: Invitation) -> Response:
    answer = Invited(account=AccountView.of(account), link=f"{WELCOME}{token}", expires_ns=invitation.expires_ns)
    return json_response(answer, 201, **{"cache-control": "no-store"})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/accounts", ADMINS, list_accounts, list[AccountView]),
    Endpoint("POST", "/api/v1/accounts", ADMINS, create_account, Invited, body=NewAccount, statuses=(201,)),
    Endpoint("PATCH", "/api/v1/accounts/{id}", ADMINS, change_account, AccountView, body=AccountChange),
    Endpoint("POST", "/api/v1/accounts/{id}/invite", ADMINS, invite_again, Invited, statuses=(201,)),
)
