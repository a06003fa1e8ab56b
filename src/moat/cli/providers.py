"""`moat providers`: where providers are connected to, and which secrets may go there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import refresh
from moat.bootstrap.connections import ProjectConnections
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import out, print_json, print_table
from moat.domain.connections import ConnectionState

app = group(no_args_is_help=True)


@app.command("list")
def list_providers(ctx: typer.Context, json: Json = False) -> None:
    """Every provider with its host, the names of its credentials, and whether these are sent there."""
    with _connections(Project.find(ctx.obj)) as connections:
        states = connections.states()
    if json:
        print_json(states)
        return
    print_table(
        ["provider", "kind", "host", "credentials", "standing", "may go to"],
        (_row(state) for state in states),
        empty="moat.yaml names no providers.",
    )
    for state in states:
        if state.problem:
            out.print(f"problem: {state.problem}", style="red")


@app.command()
def trust(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The provider's name in moat.yaml.")],
    host: Annotated[str, typer.Option(help="Only if this is its host, such as https://api.openai.com.")] = "",
    json: Json = False,
) -> None:
    """Let a provider's credentials go to the host that moat.yaml names now; a running server does so at once."""
    project = Project.find(ctx.obj)
    with _connections(project) as connections:
        state = connections.trust(name, host, actor=project.author)
    server = running_server(project.server_path)
    if server is not None:
        refresh(server)
    if json:
        print_json(state)
        return
    hosts, names = " and ".join(state.hosts), " and ".join(state.credentials)
    if state.standing == "exempt":
        out.print(f"{name} needs no trust: it has no credentials, or {hosts} is on this machine.")
    else:
        out.print(f"{names} may go to {hosts}.")


@contextmanager
def _connections(project: Project) -> Iterator[ProjectConnections]:
    with open_state(project) as state:
        yield ProjectConnections(lambda: project.settings, environment(), state.hosts)


def _row(state: ConnectionState) -> list[str]:
    shown = ("\n".join(names) for names in (state.hosts, state.credentials))
    return [state.provider, state.kind, *shown, state.standing, "\n".join(state.trusted)]
