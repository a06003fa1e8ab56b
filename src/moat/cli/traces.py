"""`moat traces`: recorded calls."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, Shadow, group
from moat.cli.output import out, print_json, print_table
from moat.cli.trace_columns import chosen
from moat.cli.trace_export import export
from moat.cli.trace_filters import Chosen, Since, wanted
from moat.cli.trace_people import session, sessions, user, users
from moat.cli.trace_replay import replay
from moat.cli.trace_search import forget, save, saved, search
from moat.cli.trace_store import compact, expire, size
from moat.cli.trace_tail import tail
from moat.cli.trace_view import print_trace
from moat.domain.errors import NotFound
from moat.domain.feedback import Feedback
from moat.domain.spans import Span

app = group(invoke_without_command=True)


@app.callback()
def list_traces(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option()] = "",
    feature: Annotated[str, typer.Option()] = "",
    user: Annotated[str, typer.Option()] = "",
    prompt: Annotated[str, typer.Option()] = "",
    release: Annotated[str, typer.Option()] = "",
    arm: Annotated[str, typer.Option(help="Of a split.")] = "",
    experiment: Annotated[str, typer.Option(help="A rollout or experiment.")] = "",
    shadow: Shadow = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that ended in an error.")] = False,
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List recorded calls, newest first. `moat traces search` has all filters, `show ID` the content of one."""
    if ctx.invoked_subcommand is not None:
        return
    given = Chosen(
        tenant=tenant,
        feature=feature,
        user=user,
        prompt=prompt,
        release=release,
        arm=arm,
        experiment=experiment,
        shadow=shadow,
        failed=True if failed else None,
        since=since,
    )
    project = Project.find(ctx.obj)
    which = wanted(project, given)
    with open_traces(project) as traces:
        calls = traces.search(which, limit)
    if json:
        print_json(calls)
        return
    columns = chosen("").values()
    print_table(
        [column.heading for column in columns],
        ([column.show(call) for column in columns] for call in calls),
        empty="No calls match. Send one through the gateway, or widen the filter.",
    )


app.command()(search)


@app.command()
def show(ctx: typer.Context, trace_id: str, json: Json = False) -> None:
    """Show one trace or request: its spans as a tree, when each was, what was said of it, asked and answered."""
    with open_traces(Project.find(ctx.obj)) as traces:
        spans = traces.trace(trace_id)
        said = traces.feedback(spans[0].trace_id) if spans else []
    if not spans:
        raise NotFound(f"no trace or request {trace_id!r}", remedy="`moat traces` lists the newest.")
    if json:
        print_json(_with_feedback(spans, said))
        return
    print_trace(spans, said)
    if all(span.input is None and span.output is None for span in spans):
        out.print("\nWhat was asked and answered is not recorded here.", style="dim")


def _with_feedback(spans: Sequence[Span], said: Sequence[Feedback]) -> list[Any]:
    """Spans as they are; what was said of a request stands as `feedback` with its call, else with the first span."""
    calls = {span.request_id: span.span_id for span in reversed(spans) if span.kind == "call"}
    shown = [(span.span_id, msgspec.to_builtins(span)) for span in spans]
    for one in said:
        about = calls.get(one.request_id, spans[0].span_id)
        whole = next(fields for span_id, fields in shown if span_id == about)
        whole.setdefault("feedback", []).append(msgspec.to_builtins(one))
    return [fields for _, fields in shown]


app.command()(tail)
app.command()(sessions)
app.command()(session)
app.command()(users)
app.command()(user)
app.command()(replay)
app.command()(save)
app.command()(saved)
app.command()(forget)
app.command()(export)
app.command()(expire)
app.command()(compact)
app.command()(size)
