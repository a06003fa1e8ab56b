"""`moat traces sessions|session|users|user`: calls by who made them."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import clock, counted, milliseconds, out, print_json, print_table
from moat.cli.trace_columns import cost_of, prompt_of
from moat.cli.trace_filters import Since, Words, expression
from moat.cli.trace_messages import answered, question
from moat.cli.trace_view import opinion
from moat.domain.errors import NotFound
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.domain.usage import format_usd
from moat.ports.traces import TraceFilter, TraceReader, Visit
from moat.telemetry.filters import parse_time

Limit = Annotated[int, typer.Option(min=1, max=1000)]
Tenant = Annotated[str, typer.Option()]
Turns = Annotated[int, typer.Option(min=1, max=1000, help="The newest so many calls.")]


def sessions(
    ctx: typer.Context,
    words: Words = None,
    tenant: Tenant = "",
    since: Since = "",
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List sessions with calls that match, the last active first."""
    project = Project.find(ctx.obj)
    which = _wanted(project, words, tenant, since)
    with open_traces(project) as traces:
        found = traces.sessions(which, limit)
    empty = "No session has such calls. Send `x-moat-session` with them."
    _print_visits(found, ("session", "user"), lambda visit: [visit.id, visit.user], json, empty)


def users(
    ctx: typer.Context,
    words: Words = None,
    tenant: Tenant = "",
    since: Since = "",
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """List users with calls that match, the last active first."""
    project = Project.find(ctx.obj)
    which = _wanted(project, words, tenant, since)
    with open_traces(project) as traces:
        found = traces.users(which, limit)
    empty = "No user has such calls. Send `user` or `x-moat-user` with them."
    _print_visits(found, ("user", "sessions>"), lambda visit: [visit.id, str(visit.sessions)], json, empty)


def session(
    ctx: typer.Context,
    session_id: str,
    tenant: Tenant = "",
    limit: Turns = 50,
    json: Json = False,
) -> None:
    """Show a session as it went: each question and answer, oldest first, and what was said of them."""
    _print_story(ctx, TraceFilter(session=session_id, tenant=tenant, wide=True), f"session {session_id}", limit, json)


def user(
    ctx: typer.Context,
    user_id: str,
    tenant: Tenant = "",
    since: Since = "",
    limit: Turns = 50,
    json: Json = False,
) -> None:
    """Show what a user asked and saw, oldest first, over all sessions."""
    since_ns = parse_time(since, time.time_ns(), where="--since")
    which = TraceFilter(user=user_id, tenant=tenant, shadow=False, wide=True, since_ns=since_ns)
    _print_story(ctx, which, f"user {user_id}", limit, json)


def _wanted(project: Project, words: list[str] | None, tenant: str, since: str) -> TraceFilter:
    since_ns = parse_time(since, time.time_ns(), where="--since")
    return TraceFilter(q=expression(project, words or ()), tenant=tenant, wide=True, since_ns=since_ns)


def _print_visits(
    found: list[Visit], names: tuple[str, str], cells: Callable[[Visit], list[str]], json: bool, empty: str
) -> None:
    if json:
        print_json(found)
        return
    print_table(
        [*names, "tenant", "calls>", "errors>", "tokens>", "cost>", "score>", "first", "last"],
        (
            [
                *cells(visit),
                visit.tenant,
                visit.calls,
                visit.errors,
                f"{visit.input_tokens}+{visit.output_tokens}",
                format_usd(visit.cost),
                "" if visit.score is None else f"{visit.score:.2f}",
                clock(visit.first_ns),
                clock(visit.last_ns),
            ]
            for visit in found
        ),
        empty=empty,
    )


def _print_story(ctx: typer.Context, which: TraceFilter, title: str, limit: int, json: bool) -> None:
    with open_traces(Project.find(ctx.obj)) as traces:
        told = [_told(traces, call) for call in reversed(traces.search(which, limit))]
        total = traces.usages((), which)
    if not told:
        raise NotFound(f"there are no calls of {title}", remedy="`moat traces sessions` and `users` list who called.")
    if json:
        print_json([call for call, _ in told])
        return
    facts = [
        fact
        for all in total
        for fact in (counted(all.calls, "call"), counted(all.errors, "error"), format_usd(all.cost))
    ]
    out.print(f"{title}  {'  '.join(facts)}", style="bold")
    if total and len(told) < total[0].calls:
        out.print(f"The newest {len(told)} of them; `--limit` shows more.", style="dim")
    tenants = sorted({call.tenant or "(none)" for call, _ in told})
    if len(tenants) > 1:
        out.print(f"Of several tenants, {', '.join(tenants)}: `--tenant` chooses.", style="yellow")
    for call, said in told:
        _print_turn(call, said)


def _told(traces: TraceReader, call: Span) -> tuple[Span, list[Feedback]]:
    """A call with its content, and what was said of it."""
    spans = traces.trace(call.request_id or call.trace_id)
    whole = next((s for s in spans if s.span_id == call.span_id), call)
    return whole, traces.feedback(call.request_id) if call.request_id else []


def _print_turn(call: Span, said: list[Feedback]) -> None:
    facts = [clock(call.started_ns), call.tenant, call.request_id or call.name, prompt_of(call) or call.model]
    facts += [milliseconds(call.duration_ns), cost_of(call), *([f"FAILED {call.error}"] if call.error else [])]
    out.print(f"\n{'  '.join(fact for fact in facts if fact)}", style="dim")
    for who, text in [("user", question(call)), *answered(call)]:
        if text:
            out.print(f"[{who}]", style="bold")
            out.print(text)
    for one in said:
        out.print(opinion(one), style="italic")
