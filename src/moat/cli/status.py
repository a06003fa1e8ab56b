"""`moat status`: what is served, and what is wrong."""

import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.project import Project
from moat.bootstrap.releasing import ask
from moat.bootstrap.wiring import open_state
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import prompt_digest

app = group()


@app.command()
def run(ctx: typer.Context, json: Json = False) -> None:
    """Show the server and its problems, what every environment serves, and whether the files still say the same."""
    project = Project.find(ctx.obj)
    server = running_server(project.server_path)
    answer = ask(server, "/api/v1/status") if server else None
    problems = answer.get("problems") if answer else None
    if server and answer is None:
        err.print(f"warning: the server at {server.url} did not say how it is.", style="yellow")
    with open_state(project) as state:
        releases = {release.id: release for release in state.releases.releases()}
        current = state.releases.current()
    rows = [(a, releases[arm.release], arm.weight) for a in current for arm in a.arms]
    drift = {
        release.id: _drift(project, release.prompt, release.version, release.prompt_digest) for _, release, _ in rows
    }
    if json:
        print_json(
            {
                "server": server and {"url": server.url, "pid": server.pid, "problems": problems},
                "served": [
                    {"environment": a.environment, "release": r, "weight": w, "drift": drift[r.id]} for a, r, w in rows
                ],
            }
        )
        return
    out.print(f"server: {server.url} (process {server.pid})" if server else "server: not running (`moat serve`)")
    for problem in problems or ():
        out.print(f"problem: {problem}", style="red")
    print_table(
        ["environment", "prompt", "release", "share>", "since", "by", "files"],
        (
            [
                a.environment,
                f"{r.prompt}@{r.version}",
                r.id,
                f"{w:g}",
                clock(a.created_ns),
                a.actor.split(" <")[0],
                drift[r.id] or "same",
            ]
            for a, r, w in rows
        ),
        empty="Nothing is released yet: `moat release create NAME@VERSION --to staging`.",
    )


def _drift(project: Project, name: str, version: str, digest: str) -> str:
    """How the file differs from what is served; empty when it does not."""
    try:
        same = prompt_digest(project.catalog.get(name, version)) == digest
    except NotFound:
        return "the file is gone"
    except InputError:
        return "the file is broken"
    return "" if same else "the file was edited"
