"""`moat prompt history`: where versions came from, and what became of them."""

from typing import Annotated

import typer

from moat.bootstrap.lineage import lineage
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.cli.arguments import parse_prompt
from moat.cli.group import Json
from moat.cli.output import clock, counted, out, print_json
from moat.domain.lineage import Lineage, ReleaseMade, Serving, VersionLineage


def history(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Prompt, all versions or one.")],
    json: Json = False,
) -> None:
    """Show each version's commits, eval runs with scores and verdicts, releases, and where and when it was served."""
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    with open_state(project) as state:
        if project.traces_path.exists() or project.spool_path.exists():
            with open_traces(project) as traces:
                found = lineage(project, state, name, version, traces)
        else:
            found = lineage(project, state, name, version)
    if json:
        print_json(found)
        return
    _print(found)


def _print(found: Lineage) -> None:
    for index, version in enumerate(reversed(found.versions)):
        if index:
            out.print()
        _print_version(f"{found.prompt}@{version.version}", version)


def _print_version(name: str, version: VersionLineage) -> None:
    served = f"  served in {', '.join(version.served_in)}" if version.served_in else ""
    out.print(f"{name}{served}", style="bold")
    published = "published" if version.published else "not published"
    out.print(f"  file      {version.path or 'none'}  {version.digest[:17]}  {published}")
    if version.proposed:
        out.print(f"  proposed  on {', '.join(version.proposed)}, not merged")
    if version.draft:
        out.print("  draft     evaluated, and no version yet")
    if version.problem:
        out.print(f"  problem   {version.problem}", style="red")
    if version.created_by:
        out.print(f"  made by   {version.created_by}")
    for change in version.changes:
        out.print(f"  commit    {change.commit[:10]}  {clock(change.time_ns)}  {change.author}  {change.subject}")
    for run in version.runs:
        score = "no score" if run.score is None else f"{run.score:.3f}"
        other = "" if run.prompt_digest == version.digest else "  (other content)"
        verdict = run.verdict or "not gated"
        by = f"by {run.provider or 'nobody'}"
        out.print(f"  eval      {run.id}  {run.suite}  {score}  {verdict}  {by}  {clock(run.created_ns)}{other}")
    for release in version.releases:
        _print_release(release, [serving for serving in version.servings if serving.release == release.id])
    if version.calls is not None:
        out.print(f"  calls     {counted(version.calls, 'recorded call')}")


def _print_release(release: ReleaseMade, servings: list[Serving]) -> None:
    changed = " (the file differed)" if release.dirty else ""
    commit = release.commit[:10] or "no commit"
    out.print(f"  release   {release.id}  {clock(release.created_ns)}  {release.author}  {commit}{changed}")
    for serving in servings:
        until = f"until {clock(serving.until_ns)}" if serving.until_ns else "and still"
        share = "" if serving.share == 1 else f" {serving.share:.0%} as {serving.arm or serving.strategy}"
        why = serving.reason or "no reason given"
        when = f"from {clock(serving.since_ns)} {until}"
        out.print(f"    served  {serving.environment}{share}  {when}  by {serving.actor} ({why})")
