"""`moat rollout`: look at a release on its way, and steer it."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.state import open_state
from moat.cli.changes import brief, pointer, print_overridden, print_seen, serves, watch
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.domain.releases import Assignment
from moat.ports.releases import Promotion

app = group(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Prompt name.")]
Environment = Annotated[str, typer.Option("--env", help="Environment.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]


@app.command()
def status(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(help="Only this prompt.")] = "",
    env: Annotated[str, typer.Option("--env", help="Only this environment.")] = "",
    json: Json = False,
) -> None:
    """Show what every environment serves, with arms, shares and shadows; rollouts under way first."""
    with open_state(Project.find(ctx.obj)) as state:
        current = [a for a in state.releases.current() if prompt in ("", a.prompt) and env in ("", a.environment)]
        current.sort(key=lambda a: a.progress == "closed")
        rows = [
            [
                a.environment,
                a.prompt,
                a.strategy,
                "" if a.progress == "closed" else a.progress,
                brief(state, a),
                pointer(state, a),
                clock(a.created_ns),
                a.actor.split(" <")[0],
                a.reason,
                "; ".join(a.overridden),
            ]
            for a in current
        ]
    if json:
        print_json(current)
        return
    print_table(
        [
            "environment",
            "prompt",
            "strategy",
            "progress",
            "serves (score)",
            "rollback to",
            "since",
            "by",
            "reason",
            "rules broken",
        ],
        rows,
        empty="Nothing is released yet: `moat release create NAME@VERSION --to staging`.",
    )


@app.command()
def promote(
    ctx: typer.Context,
    prompt: Name,
    env: Environment = "production",
    percent: Annotated[
        float | None, typer.Option(help="A canary's new share of the calls (default: it serves everybody).")
    ] = None,
    arm: Annotated[str, typer.Option(help="The winner of an A/B experiment.")] = "",
    reason: Reason = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Although the environment's rules say no. Needs --reason.")
    ] = False,
    json: Json = False,
) -> None:
    """Give the new release a larger share, or everything."""
    promotion = Promotion(
        prompt=prompt, environment=env, reason=reason, percent=percent, arm=arm, break_glass=break_glass
    )
    _change(ctx, json, lambda releasing, actor: releasing.promote(promotion, actor))


@app.command()
def pause(
    ctx: typer.Context, prompt: Name, env: Environment = "production", reason: Reason = "", json: Json = False
) -> None:
    """Hold a rollout as it is: shares stay, and automation leaves it alone."""
    _change(ctx, json, lambda releasing, actor: releasing.pause(prompt, env, actor, reason))


@app.command()
def resume(
    ctx: typer.Context, prompt: Name, env: Environment = "production", reason: Reason = "", json: Json = False
) -> None:
    """Let a paused rollout go on."""
    _change(ctx, json, lambda releasing, actor: releasing.resume(prompt, env, actor, reason))


@app.command()
def abort(
    ctx: typer.Context, prompt: Name, env: Environment = "production", reason: Reason = "", json: Json = False
) -> None:
    """End a rollout: everybody gets what was served before it began. Always allowed."""
    _change(ctx, json, lambda releasing, actor: releasing.abort(prompt, env, actor, reason))


def _change(ctx: typer.Context, json: bool, change: Callable[[Releasing, str], Assignment]) -> None:
    project = Project.find(ctx.obj)
    began = time.monotonic()
    with open_state(project) as state:
        assignment = change(Releasing(project, state), project.author)
        seen = watch(project, assignment, began)
        served = serves(state, assignment)
    if json:
        print_json({"assignment": assignment, "seconds": seen.seconds, "live": seen.live})
        return
    held = " (paused)" if assignment.progress == "paused" else ""
    out.print(f"{assignment.environment} serves {served}{held}.", style="bold")
    print_overridden(assignment)
    print_seen(seen)
