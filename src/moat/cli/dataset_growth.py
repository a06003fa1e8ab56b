"""`moat dataset from-traces|from-feedback`: new cases from recorded calls and from what people said about them."""

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from moat.bootstrap.auditing import record
from moat.bootstrap.datasets import Entry, Recorded, find_dataset, new_dataset, read, sampled, whole
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import counted, err, out, print_json
from moat.cli.trace_filters import expression
from moat.domain.errors import NotFound
from moat.domain.scores import Case
from moat.evals.datasets.feedback import About, Said, read_feedback
from moat.evals.datasets.growing import Feedback, Grown, corrected, grown, judged_case, redacted
from moat.evals.datasets.writing import append
from moat.evals.datasets.writing import export as write
from moat.evals.rerun import Unusable
from moat.ports.traces import TraceFilter
from moat.telemetry.filters import parse_time

MAX_OPINIONS = 1000


class Which(StrEnum):
    """Which feedback becomes cases."""

    down = "down"
    up = "up"
    all = "all"


Where = Annotated[str, typer.Option(metavar="EXPR", help="Only calls that match, as for `moat traces search`.")]
Target = Annotated[str, typer.Argument(metavar="NAME", help="Dataset: its name or its .jsonl file; made if missing.")]
Redact = Annotated[
    bool, typer.Option("--redact/--no-redact", help="Mask credentials and data about people, by their formats.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be added, and write nothing.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Give each new case this tag; repeat for more.")]


def from_traces(
    ctx: typer.Context,
    name: Target,
    prompt: Annotated[str, typer.Option(help="Only calls of this prompt.")] = "",
    env: Annotated[str, typer.Option("--env", help="Only calls of this environment.")] = "",
    feature: Annotated[str, typer.Option(help="Only calls of this feature.")] = "",
    tenant: Annotated[str, typer.Option(help="Only calls of this tenant.")] = "",
    since: Annotated[str, typer.Option(help="15m, 24h, 7d, or a local date or time.")] = "7d",
    sample: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, drawn at random.")] = 50,
    seed: Annotated[int, typer.Option(help="Another one draws other calls.")] = 0,
    failed: Annotated[bool, typer.Option("--failed", help="Calls that ended in an error, instead of the others.")] = (
        False
    ),
    where: Where = "",
    tag: Tags = None,
    redact: Redact = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Add recorded calls as cases: what was asked, without what the prompt added. Nothing that was not captured, and
    nothing that is there already. What a right answer is, somebody has to write: `expected` and `labels` stay empty.
    """
    project = Project.find(ctx.obj)
    entry = new_dataset(project.root, name)
    wanted = TraceFilter(
        prompt=prompt,
        environment=env,
        feature=feature,
        tenant=tenant,
        failed=failed,
        shadow=False,
        q=expression(project, [where]),
        since_ns=parse_time(since, time.time_ns(), where="--since"),
    )
    with open_state(project) as state, open_traces(project) as traces:
        calls = sampled(traces, wanted, sample, seed)
        cases, left = Recorded(project, state).cases(calls)
    _take(project, entry, _marked(cases, tag, redact), left, (dry_run, json))


def from_feedback(
    ctx: typer.Context,
    name: Target,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="JSON Lines: `trace` or `case`, `score`, `correction`. Without it: what was recorded.",
        ),
    ] = None,
    where: Where = "",
    since: Annotated[str, typer.Option(help="Recorded calls: 15m, 24h, 7d, or a local date or time.")] = "30d",
    only: Annotated[Which, typer.Option(help="Which feedback: scores below 0.5, from 0.5 on, or all.")] = Which.all,
    review: Annotated[bool, typer.Option("--review", help="It comes from a review: `source` says so.")] = False,
    tag: Tags = None,
    redact: Redact = True,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Make cases of what people said: the recorded call with the corrected answer as `expected`, or corrections of
    cases that are there. Without FILE, of the newest 1000 opinions that the trace store holds of such calls.
    """
    project = Project.find(ctx.obj)
    entry = new_dataset(project.root, name)
    kind: Said = "review" if review else "feedback"
    about = read_feedback(file) if file is not None else About(_said(project, where, since), [])
    chosen = About([f for f in about.calls if _wanted(f, only)], [f for f in about.cases if _wanted(f, only)])
    cases, left = _judged(project, chosen.calls, kind) if chosen.calls else ([], [])
    if chosen.cases:
        fixed = find_dataset(project.root, name)
        changed = corrected(read(fixed).cases, chosen.cases, kind)
        if not dry_run:
            write(changed, fixed.path, replace=True)
        err.print(f"{counted(len(chosen.cases), 'case')} corrected in {fixed.name}")
    if chosen.calls or not chosen.cases:
        _take(project, entry, _marked(cases, tag, redact), left, (dry_run, json))


def _said(project: Project, where: str, since: str) -> list[Feedback]:
    """What people said of recorded calls; of several about one call the newest comes first, corrections before all."""
    since_ns = parse_time(since, time.time_ns(), where="--since")
    which = TraceFilter(q=expression(project, [where]), shadow=False, since_ns=since_ns)
    with open_traces(project) as traces:
        found = traces.opinions(which, MAX_OPINIONS, "person")
    said = [
        Feedback(trace=one.request_id or one.trace_id, id=one.id, score=one.value, correction=one.correction)
        for one in found
    ]
    return sorted(said, key=lambda one: one.correction is None)


def _judged(project: Project, said: Sequence[Feedback], kind: Said) -> tuple[list[Case], list[str]]:
    cases: list[Case] = []
    left: list[str] = []
    with open_state(project) as state, open_traces(project) as traces:
        recorded = Recorded(project, state)
        for each in said:
            call = whole(traces, each.trace)
            try:
                if call is None:
                    raise Unusable("no trace or request of this id is recorded")
                cases.append(judged_case(recorded.case(call), each, kind))
            except Unusable as reason:
                left.append(str(reason))
    return cases, left


def _wanted(said: Feedback, only: Which) -> bool:
    return only is Which.all or (said.score is not None and (said.score < 0.5) == (only is Which.down))


def _marked(cases: Sequence[Case], tags: list[str] | None, redact: bool) -> list[Case]:
    return [replace(redacted(case) if redact else case, tags=tags or []) for case in cases]


def _take(project: Project, entry: Entry, cases: Sequence[Case], left: Sequence[str], how: tuple[bool, bool]) -> None:
    """Add what is new; `how` is whether only to look, and whether to print JSON."""
    dry_run, json = how
    there = read(entry).cases if entry.path.exists() else ()
    new: Grown = grown(there, cases, left)
    if not cases and not left:
        raise NotFound("no recorded call matches", remedy="`moat traces` lists what was recorded; widen the choice.")
    if new.cases and not dry_run:
        record(project, "traces.export", entry.name, {"cases": len(new.cases)})
        append(entry.path, new.cases, name=entry.name)
    if json:
        print_json({"dataset": entry.name, "written": not dry_run, "cases": new.cases, "left_out": new.left_out})
        return
    verb = "would be added to" if dry_run else "added to"
    out.print(f"{counted(len(new.cases), 'case')} {verb} {entry.name}")
    for reason, count in new.left_out.items():
        out.print(f"  left out {count}: {reason}", style="yellow")
    if new.cases and not dry_run:
        out.print("  Write what a right answer is (`expected`, `labels`), then `moat dataset check`.", style="dim")
