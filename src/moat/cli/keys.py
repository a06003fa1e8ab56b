"""`moat keys`: virtual API keys."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from msgspec import Struct
from msgspec.structs import asdict

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import refresh
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table
from moat.cli.unfolding import unfolded
from moat.domain.calls import new_id
from moat.domain.config import Config
from moat.domain.errors import NotFound, RequestError
from moat.domain.keys import (
    MAX_OVERLAP_NS,
    Key,
    KeyFields,
    KeyView,
    Role,
    changed,
    descendants,
    hash_secret,
    new_key,
    new_secret,
    rotated,
)
from moat.telemetry.filters import parse_duration

app = group(no_args_is_help=True)

MAX_DAYS = 36_500

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Id of the key, as `moat keys list` shows it.")]


class Said(Struct, frozen=True, kw_only=True):
    """What the command line says of a key; None: nothing."""

    name: Annotated[str | None, typer.Option(help="What it is for, for people.")] = None
    tenant: Annotated[str | None, typer.Option(help="Tenant its calls are charged to.")] = None
    feature: Annotated[str | None, typer.Option(help="Feature its calls belong to; callers may say when not set.")] = (
        None
    )
    user: Annotated[str | None, typer.Option(help="The person who acts with it, when it is not a program's.")] = None
    environment: Annotated[str | None, typer.Option(help="The only environment it may use.")] = None
    models: Annotated[list[str] | None, typer.Option("--model", help="Model alias it may use; repeat for several.")] = (
        None
    )
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Tag of its calls; repeat for several.")] = None
    data_class: Annotated[
        str | None, typer.Option(help="How sensitive the data of its calls is, such as internal.")
    ] = None
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", help="NAME=VALUE, for people; repeat for more.")
    ] = None
    role: Annotated[
        Role | None,
        typer.Option(
            help="app: models, prompts, traces; a new key's. viewer: look. expert: also score. engineer: also release. "
            "admin: everything."
        ),
    ] = None
    days: Annotated[int | None, typer.Option(min=0, max=MAX_DAYS, help="Days until it expires; 0: never.")] = None

    @property
    def fields(self) -> KeyFields:
        """As a key takes them. A list with one empty entry is an empty list. Raises `RequestError`."""
        said: dict[str, Any] = {name: value for name, value in asdict(self).items() if value is not None}
        for name in ("models", "tags"):
            if name in said:
                said[name] = tuple(entry for entry in said[name] if entry)
        if "metadata" in said:
            said["metadata"] = dict(_pair(entry) for entry in said["metadata"] if entry)
        days = said.pop("days", None)
        if days is not None:
            expires = datetime.now(UTC) + timedelta(days=days)
            said["expires_ns"] = int(expires.timestamp() * 1e9) if days else 0
        return KeyFields(**said)


@app.command()
@unfolded
def create(ctx: typer.Context, said: Said, json: Json = False) -> None:
    """Create a key. It is shown this once; only its hash is stored."""
    project, fields = Project.find(ctx.obj), said.fields
    _check(project.settings.config, fields)
    secret = new_secret()
    key = new_key(fields, id=new_id("key"), hash=hash_secret(secret), now_ns=time.time_ns())
    with open_state(project) as state:
        state.keys.add(key, actor=project.author)
    _tell(project)
    _show_secret(key, secret, json)
    if not json:
        out.print(f"Key {key.id} is made. Keep it now: it is not shown again.", style="dim")


@app.command("list")
def list_keys(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    active: Annotated[bool, typer.Option("--active", help="Only those that work now.")] = False,
    json: Json = False,
) -> None:
    """List keys; never the secrets, which are not stored."""
    with open_state(Project.find(ctx.obj)) as state:
        stored = state.keys.keys()
    keys = [KeyView.of(key, time.time_ns()) for key in stored]
    keys = [key for key in keys if tenant in ("", key.tenant) and (key.state == "active" or not active)]
    if json:
        print_json(keys)
        return
    print_table(
        ["id", "name", "user", "role", "tenant", "feature", "environment", "models", "state", "created", "ends"],
        (
            [
                *(k.id, k.name, k.user, k.role, k.tenant, k.feature),
                *(k.environment or "any", ", ".join(k.models) or "any", k.state, clock(k.created_ns)),
                clock(k.expires_ns) if k.expires_ns else "never",
            ]
            for k in keys
        ),
        empty="No such keys." if stored else "No keys yet. `moat keys create --name my-app` makes one.",
    )


@app.command()
def show(ctx: typer.Context, key_id: KeyId, json: Json = False) -> None:
    """Show all of one key, except its secret."""
    with open_state(Project.find(ctx.obj)) as state:
        keys = state.keys.keys()
    found = next((key for key in keys if key.id == key_id), None)
    if found is None:
        raise NotFound(f"no key {key_id!r}", remedy="`moat keys list` shows the keys there are.")
    view = KeyView.of(found, time.time_ns())
    if json:
        print_json(view)
        return
    rows = {name: _text(name, getattr(view, name)) for name in view.__struct_fields__}
    children = [key.id for key in keys if key.parent == key_id]
    rows["has made"] = ", ".join(children)
    print_table(
        ["field", "value"],
        ([name.removesuffix("_ns"), text] for name, text in rows.items() if text),
        empty="",
    )


@app.command()
@unfolded
def update(ctx: typer.Context, key_id: KeyId, said: Said) -> None:
    """Change what a key may do or says of its calls; an empty value clears it. Its secret stays."""
    project, fields = Project.find(ctx.obj), said.fields
    if not fields.given:
        raise RequestError("nothing to change", remedy="`moat keys update --help` lists what can be changed.")
    _check(project.settings.config, fields)
    with open_state(project) as state:
        state.keys.change(key_id, lambda key: changed(key, fields), actor=project.author)
    _tell(project)
    out.print(f"Key {key_id} is changed: {', '.join(name.removesuffix('_ns') for name in fields.given)}.")


@app.command()
def rotate(
    ctx: typer.Context,
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option(help="How long the old secret is taken too: 30m, 24h, 7d; 0s: not at all.")
    ] = "24h",
    json: Json = False,
) -> None:
    """Give a key a new secret, shown this once. Id, limits and history stay; the old secret works for a while."""
    project = Project.find(ctx.obj)
    overlap_ns = parse_duration(overlap, where="--overlap")
    if overlap_ns > MAX_OVERLAP_NS:
        raise RequestError("is longer than 90 days", where="--overlap", remedy="Rotate again when its time is up.")
    secret, now_ns = new_secret(), time.time_ns()
    with open_state(project) as state:
        key = state.keys.change(
            key_id,
            lambda key: rotated(key, hash=hash_secret(secret), now_ns=now_ns, overlap_ns=overlap_ns),
            actor=project.author,
            action="key.rotate",
        )
    _tell(project)
    _show_secret(key, secret, json)
    if not json:
        until = f"until {clock(key.former_until_ns)}" if overlap_ns else "no longer"
        out.print(f"Key {key_id} has a new secret, shown this once. The old one works {until}.", style="dim")


@app.command()
def revoke(
    ctx: typer.Context,
    key_id: KeyId,
    children: Annotated[bool, typer.Option("--children", help="Also the keys that it has made, and theirs.")] = False,
) -> None:
    """Revoke a key; a running server refuses it when the command is done, and ends its streams."""
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        state.keys.revoke(key_id, time.time_ns(), actor=project.author)
        below = descendants(state.keys.keys(), key_id) if children else []
        for key in below:
            state.keys.revoke(key.id, time.time_ns(), actor=project.author)
    _tell(project)
    for revoked in (key_id, *(key.id for key in below)):
        out.print(f"Key {revoked} is revoked.")


def _tell(project: Project) -> None:
    """Wait until the running server knows the keys as they are."""
    server = running_server(project.server_path)
    if server is not None and not refresh(server):
        warning = f"the server at {server.url} was not seen to take it up; look at `moat status`."
        err.print(f"warning: {warning}", style="yellow")


def _pair(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not name or not equals:
        raise RequestError(f"{entry!r} is not NAME=VALUE", where="--metadata")
    return name, value


def _check(config: Config, fields: KeyFields) -> None:
    """A key for something that is not there would never work."""
    environment, models = fields.given.get("environment", ""), fields.given.get("models", ())
    if environment and environment not in config.environments:
        known = ", ".join(config.environments) or "none"
        raise NotFound(f"moat.yaml defines no environment {environment!r}", remedy=f"Environments: {known}.")
    for alias in models:
        if alias not in config.models:
            known = ", ".join(config.models) or "none"
            raise NotFound(f"moat.yaml defines no model {alias!r}", remedy=f"Models: {known}.")


def _show_secret(key: Key, secret: str, json: bool) -> None:
    if json:
        shown = {name: getattr(key, name) for name in ("id", "name", "user", "tenant", "role", "former_until_ns")}
        print_json({"secret": secret, **shown})
        return
    out.print(f"{secret}")


def _text(name: str, value: Any) -> str:
    if name.endswith("_ns"):
        return clock(value) if value else ""
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return value if isinstance(value, str) else ", ".join(value)
