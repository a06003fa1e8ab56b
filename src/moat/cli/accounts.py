"""`moat accounts`: people who sign in to the console."""

import time
from typing import Annotated

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.project import Project
from moat.bootstrap.state import State, open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.domain.accounts import (
    WELCOME,
    Account,
    AccountChange,
    AccountView,
    Invitation,
    NewAccount,
    PersonRole,
    new_invitation,
)
from moat.domain.audit import Action
from moat.domain.errors import NotFound

app = group(no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Whose.")]
_ROLES = "viewer: look. expert: also score and try. engineer: also release. admin: everything."
Link = Annotated[
    str, typer.Option("--url", help="Where browsers find the server (default: moat.yaml, or the one here).")
]


@app.command("list")
def list_accounts(ctx: typer.Context, json: Json = False) -> None:
    """List accounts, disabled ones too."""
    with open_state(Project.find(ctx.obj)) as state:
        accounts = [AccountView.of(account) for account in state.accounts.accounts()]
    if json:
        print_json(accounts)
        return
    print_table(
        ["email", "name", "role", "signs in by", "created", "state"],
        (
            [
                *(a.email, a.name, a.role, ", ".join(a.ways) or "not yet", clock(a.created_ns)),
                f"disabled {clock(a.disabled_ns)}" if a.disabled_ns else "active",
            ]
            for a in accounts
        ),
        empty="No accounts yet. `moat accounts add EMAIL --role admin` makes one.",
    )


@app.command()
def add(
    ctx: typer.Context,
    email: Email,
    role: Annotated[PersonRole, typer.Option(help=_ROLES)],
    name: Annotated[str, typer.Option(help="As others see it.")] = "",
    url: Link = "",
    json: Json = False,
) -> None:
    """Make an account, and print a link with which its owner sets a password. The link is shown this once."""
    project = Project.find(ctx.obj)
    account = NewAccount(email=email, role=role, name=name).made(time.time_ns())
    token, invitation = new_invitation(account.id, account.created_ns)
    with open_state(project) as state:
        state.accounts.add(account, actor=project.author, invitation=invitation)
    _show_link(project, account, url, (token, invitation), json=json)


@app.command()
def invite(ctx: typer.Context, email: Email, url: Link = "", json: Json = False) -> None:
    """Print a new link, as after a forgotten password; links from before no longer work."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        account = _find(state, email)
        token, invitation = new_invitation(account.id, time.time_ns())
        state.accounts.invite(invitation, actor=project.author)
    _show_link(project, account, url, (token, invitation), json=json)


@app.command()
def role(ctx: typer.Context, email: Email, role: Annotated[PersonRole, typer.Argument(help=_ROLES)]) -> None:
    """Change what somebody may do; it counts from their next request on."""
    _change(ctx, email, AccountChange(role=role), "account.change")
    out.print(f"{email} is {role} now.")


@app.command()
def disable(ctx: typer.Context, email: Email) -> None:
    """Let somebody in no more: their sessions end now. Keys that they have made stay; see `moat keys`."""
    _change(ctx, email, AccountChange(disabled=True), "account.disable")
    out.print(f"{email} is disabled, and signed out everywhere.")


@app.command()
def enable(ctx: typer.Context, email: Email) -> None:
    """Let somebody in again, with the password they had."""
    _change(ctx, email, AccountChange(disabled=False), "account.enable")
    out.print(f"{email} may sign in again.")


def _change(ctx: typer.Context, email: str, asked: AccountChange, action: Action) -> None:
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        id = _find(state, email).id
        state.accounts.change(
            id, lambda account: asked.applied(account, time.time_ns()), actor=project.author, action=action
        )


def _find(state: State, email: str) -> Account:
    account = state.accounts.by_email(email.strip().lower())
    if account is None:
        raise NotFound(f"{email} has no account", remedy="`moat accounts list` shows them.")
    return account


def _show_link(project: Project, account: Account, url: str, made: tuple[str, Invitation], *, json: bool) -> None:
    token, invitation = made
    server = running_server(project.server_path)
    config = project.settings.config
    base = url or config.console.public_url or (server.url if server else "")
    base = base or f"http://{config.server.host}:{config.server.port}"
    link = f"{base.rstrip('/')}{WELCOME}{token}"
    if json:
        print_json({"account": AccountView.of(account), "link": link, "expires_ns": invitation.expires_ns})
        return
    out.print(link, soft_wrap=True)
    until = clock(invitation.expires_ns)
    out.print(f"For {account.email} alone: good once, until {until}. It is not shown again.", style="dim")
