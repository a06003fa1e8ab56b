"""`moat smoke`: is a running server fit to be used?"""

from typing import Annotated

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment, require_environment
from moat.bootstrap.smoke_server import Check, Server, Smoking
from moat.bootstrap.state import open_state
from moat.cli.group import Json, group
from moat.cli.output import out, print_json, print_table
from moat.domain.errors import ConfigError, InputError, Unavailable
from moat.gateway.admission import DEFAULT_ENVIRONMENT

app = group()

FAILED = 1


@app.command()
def run(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(help="Of the server (default: the one that runs on this project).")] = "",
    env: Annotated[str, typer.Option("--env", help="Environment whose releases are asked.")] = DEFAULT_ENVIRONMENT,
    key_env: Annotated[
        str, typer.Option("--key-env", metavar="NAME", help="Environment variable that holds the key, with --url.")
    ] = "MOAT_API_KEY",
    max_seconds: Annotated[float, typer.Option(min=0.001, help="An answer that takes longer is a failure.")] = 30.0,
    json: Json = False,
) -> None:
    """Ask a running server a few questions: health, readiness, models, one call on each released prompt. Exit 1: unfit.

    Of a prompt's suite, the first case with the tag `smoke` is asked, else its first.
    """
    project = Project.find(ctx.obj)
    require_environment(project.settings, env)
    server = _server(project, url, key_env)
    with open_state(project) as state:
        smoking = Smoking(project, Evaluating(project, state, environment()), server, env)
        checks = list(smoking.checks(max_seconds))
    failed = [check for check in checks if check.flaw]
    if json:
        print_json({"url": server.url, "environment": env, "fit": not failed, "checks": checks})
    else:
        rows = ([c.name, _word(c), f"{c.seconds * 1000:.0f} ms", c.flaw or c.detail] for c in checks)
        print_table(["check", "result", "took>", ""], rows, empty="")
        verdict = f"{len(failed)} of {len(checks)} checks failed" if failed else f"{len(checks)} checks are fine"
        out.print(f"{server.url}: {verdict}.", style="red" if failed else "green")
    raise typer.Exit(FAILED if failed else 0)


def _server(project: Project, url: str, key_env: str) -> Server:
    if not url:
        found = running_server(project.server_path)
        if found is None:
            raise Unavailable("no server runs on this project", remedy="Start one with `moat serve`, or say --url.")
        return Server(found.url, found.token, local=True)
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{url!r} is no address of a server", where="--url", remedy="Write https://host[:port].")
    key = environment().get(key_env)
    if not key:
        raise ConfigError(
            f"the environment variable {key_env} is not set", where="--key-env", remedy="Put a key there."
        )
    return Server(url.rstrip("/"), key, local=False)


def _word(check: Check) -> str:
    return "failed" if check.flaw else "fine" if check.asked else "not asked"
