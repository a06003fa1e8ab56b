"""`moat release`: what ships together, where it is served, and why it may be."""

from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.wiring import State, open_state
from moat.cli.arguments import Prompt, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.domain.releases import Arm, Release

app = group(no_args_is_help=True)


@app.command()
def create(
    ctx: typer.Context,
    prompt: Prompt,
    to: Annotated[str, typer.Option("--to", help="Environment that shall serve it.")],
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    json: Json = False,
) -> None:
    """Release a version: make its manifest, check the environment's rules, serve it there."""
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    with open_state(project) as state:
        release, assignment = Releasing(project, state).release(name, version, to, reason)
        answered = _answered(state, release)
    if json:
        print_json({"release": release, "assignment": assignment})
        return
    out.print(f"{to} serves {name}@{version} as {release.id}.", style="bold")
    _print_lineage(release, answered)
    if assignment.replaces:
        before = ", ".join(arm.release for arm in assignment.replaces)
        out.print(f"  replaces  {before}  (`moat rollback {name} --env {to}` goes back)")


@app.command("list")
def list_releases(
    ctx: typer.Context, prompt: Annotated[str, typer.Argument(help="Only this prompt.")] = "", json: Json = False
) -> None:
    """List releases, newest first, with their eval score and where they are served."""
    with open_state(Project.find(ctx.obj)) as state:
        releases = state.releases.releases(prompt)
        current = state.releases.current()
    served = {r.id: [a.environment for a in current if r.id in _ids(a.arms)] for r in releases}
    pointers = {r.id: [a.environment for a in current if r.id in _ids(a.replaces)] for r in releases}
    if json:
        print_json([{"release": r, "served": served[r.id], "rollback_target_of": pointers[r.id]} for r in releases])
        return
    print_table(
        [
            "release",
            "prompt",
            "score",
            "verdict",
            "served in",
            "rollback target of",
            "commit",
            "author",
            "created",
        ],
        (
            [
                r.id,
                f"{r.prompt}@{r.version}",
                _score(r),
                r.evidence[-1].verdict if r.evidence else "",
                ", ".join(served[r.id]),
                ", ".join(pointers[r.id]),
                r.commit[:10] + ("*" if r.dirty else ""),
                r.author.split(" <")[0],
                clock(r.created_ns),
            ]
            for r in releases
        ),
        empty="Nothing is released yet: `moat release create NAME@VERSION --to staging`.",
    )


@app.command()
def show(ctx: typer.Context, release_id: str, json: Json = False) -> None:
    """Show one release's lineage: prompt, commit, author, eval runs, data, where it was served."""
    with open_state(Project.find(ctx.obj)) as state:
        release = state.releases.get(release_id)
        environments = sorted({a.environment for a in state.releases.current() if a.prompt == release.prompt})
        history = [a for e in environments for a in state.releases.history(release.prompt, e)]
        answered = _answered(state, release)
    history = [a for a in history if release.id in _ids(a.arms)]
    if json:
        print_json({"release": release, "assignments": history})
        return
    out.print(f"{release.id}  {release.prompt}@{release.version}", style="bold")
    _print_lineage(release, answered)
    for assignment in history:
        out.print(
            f"  served    {assignment.environment} since {clock(assignment.created_ns)} "
            f"by {assignment.actor} ({assignment.reason or 'no reason given'})",
        )


def _answered(state: State, release: Release) -> dict[str, str]:
    """By run, which providers answered: evidence from a simulated one has to say so."""
    return {evidence.run: state.runs.get(evidence.run).provider for evidence in release.evidence}


def _print_lineage(release: Release, answered: dict[str, str]) -> None:
    out.print(f"  prompt    {release.prompt_digest}")
    changed = "  (the file differed from it)" if release.dirty else ""
    out.print(f"  commit    {release.commit or 'none: not in a git repository'}{changed}")
    out.print(f"  author    {release.author}")
    out.print(f"  model     {release.content.model}  params {release.content.params}")
    for evidence in release.evidence:
        score = "none" if evidence.score is None else f"{evidence.score:.3f}"
        verdict = evidence.verdict or "not gated"
        out.print(f"  eval      {evidence.run}  suite {evidence.suite}  score {score}  {verdict}")
        out.print(f"  answered  by {answered[evidence.run] or 'nobody'}")
        out.print(f"  dataset   {evidence.dataset_digest}")
        if evidence.baseline:
            out.print(f"  baseline  {evidence.baseline}")
    if not release.evidence:
        out.print("  eval      none: this version was never evaluated", style="yellow")


def _score(release: Release) -> str:
    scores = [e.score for e in release.evidence if e.score is not None]
    return f"{scores[-1]:.3f}" if scores else "not evaluated"


def _ids(arms: tuple[Arm, ...]) -> list[str]:
    return [arm.release for arm in arms]
