"""`moat keys`: virtual API keys."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import refresh
from moat.bootstrap.project import Project
from moat.bootstrap.wiring import open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table
from moat.domain.calls import new_id
from moat.domain.config import Config
from moat.domain.errors import NotFound
from moat.domain.keys import Key, Role, hash_secret, new_secret

app = group(no_args_is_help=True)

MAX_DAYS = 36_500


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="What it is for, for people.")] = "",
    tenant: Annotated[str, typer.Option(help="Tenant its calls are charged to.")] = "",
    feature: Annotated[str, typer.Option(help="Feature its calls belong to; callers may say when not set.")] = "",
    user: Annotated[str, typer.Option(help="The person who acts with it, when it is not a program's.")] = "",
    environment: Annotated[str, typer.Option(help="The only environment it may use.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="Model alias it may use; repeat for several.")] = None,
    role: Annotated[Role, typer.Option(help="app: models, prompts, traces. viewer: look. admin: everything.")] = "app",
    days: Annotated[int, typer.Option(min=0, max=MAX_DAYS, help="Days until it expires; 0: never.")] = 0,
    json: Json = False,
) -> None:
    """Create a key. It is shown this once; only its hash is stored."""
    project = Project.find(ctx.obj)
    _check(project.settings.config, environment, model or [])
    secret = new_secret()
    now = time.time_ns()
    expires = datetime.now(UTC) + timedelta(days=days)
    key = Key(
        id=new_id("key"),
        hash=hash_secret(secret),
        name=name,
        role=role,
        tenant=tenant,
        feature=feature,
        user=user,
        environment=environment,
        models=tuple(model or ()),
        created_ns=now,
        expires_ns=int(expires.timestamp() * 1e9) if days else 0,
    )
    with open_state(project) as state:
        state.keys.add(key)
    _tell(project)
    if json:
        print_json({"id": key.id, "secret": secret, "name": name, "user": user, "tenant": tenant, "role": role})
        return
    out.print(f"{secret}")
    out.print(f"Key {key.id} is made. Keep it now: it is not shown again.", style="dim")


@app.command("list")
def list_keys(ctx: typer.Context, json: Json = False) -> None:
    """List keys; never the secrets, which are not stored."""
    with open_state(Project.find(ctx.obj)) as state:
        keys = state.keys.keys()
    if json:
        print_json([{**_public(key)} for key in keys])
        return
    print_table(
        ["id", "name", "user", "role", "tenant", "feature", "environment", "state", "created"],
        (
            [
                *(k.id, k.name, k.user, k.role, k.tenant, k.feature),
                *(k.environment or "any", _state(k), clock(k.created_ns)),
            ]
            for k in keys
        ),
        empty="No keys yet. `moat keys create --name my-app` makes one.",
    )


@app.command()
def revoke(ctx: typer.Context, key_id: str) -> None:
    """Revoke a key; a running server refuses it when the command is done."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        state.keys.revoke(key_id, time.time_ns())
    _tell(project)
    out.print(f"Key {key_id} is revoked.")


def _tell(project: Project) -> None:
    """Wait until the running server knows the keys as they are."""
    server = running_server(project.server_path)
    if server is not None and not refresh(server):
        warning = f"the server at {server.url} was not seen to take it up; look at `moat status`."
        err.print(f"warning: {warning}", style="yellow")


def _check(config: Config, environment: str, models: list[str]) -> None:
    """A key for something that is not there would never work."""
    if environment and environment not in config.environments:
        known = ", ".join(config.environments) or "none"
        raise NotFound(f"moat.yaml defines no environment {environment!r}", remedy=f"Environments: {known}.")
    for alias in models:
        if alias not in config.models:
            known = ", ".join(config.models) or "none"
            raise NotFound(f"moat.yaml defines no model {alias!r}", remedy=f"Models: {known}.")


def _public(key: Key) -> dict[str, object]:
    fields = {name: getattr(key, name) for name in key.__struct_fields__ if name != "hash"}
    return {**fields, "state": _state(key)}


def _state(key: Key) -> str:
    if key.revoked_ns:
        return "revoked"
    return "active" if key.usable(time.time_ns()) else "expired"
