"""`moat status`: what is served, what is wrong, and what has drifted."""

from collections.abc import Iterator

import msgspec
import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import ask
from moat.bootstrap.project import Project
from moat.bootstrap.state import State, open_state
from moat.cli.changes import pointer, score
from moat.cli.drift import known_drift, print_drift
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table
from moat.domain.releases import Assignment, Release
from moat.prompts.drift import Drift

app = group()


class _Served(msgspec.Struct, frozen=True):
    """A release with its share of an environment's calls."""

    environment: str
    release: Release
    weight: float
    share: float
    """Of the calls, 0 to 1; of a shadow, of the copies."""
    arm: str
    shadow: bool
    """Answers copies only, which nobody sees."""
    assignment: Assignment
    rollback_to: str
    """The version that a rollback would serve."""
    drift: list[Drift]


@app.command()
def run(ctx: typer.Context, json: Json = False) -> None:
    """Show the server and its problems, what every environment serves, and how that has drifted from git."""
    project = Project.find(ctx.obj)
    server = running_server(project.server_path)
    answer = ask(server, "/api/v1/status") if server else None
    problems = answer.get("problems") if answer else None
    left_alone = (
        [at for at in answer.get("deployments", ()) if at["wait"] > 0 or at["state"] != "closed"] if answer else []
    )
    if server and answer is None:
        err.print(f"warning: the server at {server.url} did not say how it is.", style="yellow")
    with open_state(project) as state:
        drift, unknown = known_drift(project, state)
        served = list(_served(state, drift))
    if json:
        about = server and {"url": server.url, "pid": server.pid, "problems": problems, "left_alone": left_alone}
        print_json({"server": about, "served": served, "drift_unknown": unknown})
        return
    out.print(f"server: {server.url} (process {server.pid})" if server else "server: not running (`moat serve`)")
    for problem in problems or ():
        out.print(f"problem: {problem}", style="red")
    for at in left_alone:
        out.print(f"left alone: {at['deployment']}, for another {at['wait']:.0f} s", style="yellow")
    print_table(
        ["environment", "prompt", "release", "score", "rollback to", "share>", "arm", "since", "by", "drift"],
        (_row(row, unknown) for row in served),
        empty="Nothing is released yet: `moat release create NAME@VERSION --to staging`.",
    )
    print_drift(drift, unknown)


def _served(state: State, drift: list[Drift]) -> Iterator[_Served]:
    for a in state.releases.current():
        for arm in (*a.arms, *([a.shadow] if a.shadow else [])):
            found = [d for d in drift if (d.environment, d.release) == (a.environment, arm.release)]
            release = state.releases.get(arm.release)
            yield _Served(
                a.environment,
                release,
                arm.weight,
                a.share(arm),
                arm.name,
                arm is a.shadow,
                a,
                pointer(state, a),
                found,
            )


def _row(row: _Served, unknown: str) -> list[str]:
    under_way = "" if row.assignment.progress == "closed" else f"{row.assignment.strategy}, {row.assignment.progress}"
    return [
        row.environment,
        f"{row.release.prompt}@{row.release.version}",
        row.release.id,
        score(row.release),
        row.rollback_to,
        f"{100 * row.share:.4g} %",
        " ".join(part for part in ("shadow" if row.shadow else row.arm, f"({under_way})" if under_way else "") if part),
        clock(row.assignment.created_ns),
        row.assignment.actor.split(" <")[0],
        "not known" if unknown else ", ".join(d.kind for d in row.drift) or "none",
    ]
