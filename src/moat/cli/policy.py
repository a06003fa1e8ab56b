"""`moat policy`: what guards and the data-handling policy would make of a request."""

import asyncio
import sys
from typing import Annotated

import typer

from moat.bootstrap.explaining import Asking, Explained, explain
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.cli.group import Json, group
from moat.cli.marking import marked
from moat.cli.output import out, print_json, print_table
from moat.cli.prompt_reference import find_prompt

app = group()


@app.callback()
def policy() -> None:
    """What guards and the data-handling policy would make of a request."""


@app.command(name="explain")
def show(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What the user says; `-` reads standard input.")] = "",
    model: Annotated[str, typer.Option(help="Alias (default: the prompt's).")] = "",
    prompt: Annotated[str, typer.Option(help="NAME@VERSION, or NAME@ENVIRONMENT.")] = "",
    tenant: Annotated[str, typer.Option(help="Who calls.")] = "",
    feature: Annotated[str, typer.Option(help="For which feature.")] = "",
    env: Annotated[str, typer.Option(help="In which environment.")] = "production",
    data_class: Annotated[str, typer.Option("--class", help="Declared class of its data.")] = "",
    json: Json = False,
) -> None:
    """Show which policies are about a request, which data it holds, where it may go, and what would be kept of it.

    Nothing is sent: guards that ask a model are listed and left out.
    """
    project = Project.find(ctx.obj)
    asking = Asking(
        text=sys.stdin.read() if text == "-" else text,
        model=model,
        tenant=tenant,
        feature=feature,
        environment=env,
        prompt=find_prompt(project, prompt) if prompt else None,
        data_class=data_class,
    )
    found = asyncio.run(explain(project.settings, environment(), asking))
    if json:
        print_json(found)
    else:
        _print(found, asking)


def _print(found: Explained, asking: Asking) -> None:
    print_table(
        ["policy", "guard", "on", "action", "asks"],
        ([each.policy, each.guard, " ".join(each.places), each.action, each.asks] for each in found.guards),
        empty="No guard policy is about it.",
    )
    for name, why in found.elsewhere.items():
        out.print(f"not about it: {name}: {why}", style="dim")
    out.print()
    spots = [
        (each.start, each.end, f"{each.kind} {each.score:.2f}, {verdict.guard} {verdict.action}", "yellow")
        for verdict in found.verdicts
        for each in verdict.findings
    ]
    for line, style in marked(asking.text, spots):
        out.print(line, style=style)
    for verdict in found.verdicts:
        if verdict.not_run:
            out.print(f"{verdict.guard} did not run: {verdict.not_run}", style="red")
    if found.becomes and found.becomes != asking.text:
        out.print(f"becomes: {found.becomes}")
    out.print()
    if found.declared:
        counts = ", ".join(f"{count} {name}" for name, count in found.found.items()) or "nothing"
        out.print(f"data: {found.declared} as a whole; found: {counts}")
    print_table(
        ["tried", "destination", "region", "inside", "data", "why"],
        (
            [way.deployment, way.destination, way.region, "yes" if way.internal else "no", way.action,
             "; ".join(way.why)]
            for way in found.ways
        ),
        empty="",
    )  # fmt: skip
    out.print(f"\noutcome: {found.outcome}", style="bold")
    out.print(f"kept of its content: {found.kept}")
