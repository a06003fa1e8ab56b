"""`moat traces`: recorded calls."""

import time
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import clock, milliseconds, out, print_json, print_table
from moat.domain.errors import NotFound
from moat.domain.spans import Span
from moat.domain.usage import format_usd
from moat.ports.traces import TraceFilter
from moat.telemetry.filters import parse_time

app = group(invoke_without_command=True)


@app.callback()
def list_traces(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option()] = "",
    feature: Annotated[str, typer.Option()] = "",
    user: Annotated[str, typer.Option()] = "",
    prompt: Annotated[str, typer.Option()] = "",
    release: Annotated[str, typer.Option()] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that ended in an error.")] = False,
    since: Annotated[str, typer.Option(help="15m, 24h, 7d or a date.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    json: Json = False,
) -> None:
    """List recorded calls, newest first. `moat traces show ID` has the content of one."""
    if ctx.invoked_subcommand is not None:
        return
    wanted = TraceFilter(
        tenant=tenant,
        feature=feature,
        user=user,
        prompt=prompt,
        release=release,
        failed=True if failed else None,
        since_ns=parse_time(since, time.time_ns(), where="--since"),
    )
    with open_traces(Project.find(ctx.obj)) as traces:
        calls = traces.search(wanted, limit)
    if json:
        print_json(calls)
        return
    print_table(
        [
            "time",
            "request",
            "tenant",
            "feature",
            "user",
            "prompt",
            "provider",
            "latency>",
            "tokens>",
            "cost>",
            "result",
        ],
        (_row(call) for call in calls),
        empty="No calls match. Send one through the gateway, or widen the filter.",
    )


@app.command()
def show(ctx: typer.Context, trace_id: str, json: Json = False) -> None:
    """Show one trace or request: its spans as a tree, what was asked and answered."""
    with open_traces(Project.find(ctx.obj)) as traces:
        spans = traces.trace(trace_id)
    if not spans:
        raise NotFound(f"no trace or request {trace_id!r}", remedy="`moat traces` lists the newest.")
    if json:
        print_json(spans)
        return
    out.print(f"trace {spans[0].trace_id}", style="bold")
    known = {span.span_id for span in spans}
    for span in spans:
        if span.parent_id not in known:
            _print_tree(span, spans, 0)
    for span in spans:
        if span.kind == "call":
            _print_content(span)


def _row(call: Span) -> list[str]:
    return [
        clock(call.started_ns),
        call.request_id,
        call.tenant,
        call.feature,
        call.user,
        f"{call.prompt}@{call.version}" if call.prompt else call.model,
        call.provider,
        milliseconds(call.duration_ns),
        f"{call.input_tokens}+{call.output_tokens}",
        _cost(call),
        call.error or call.finish_reason,
    ]


def _print_tree(span: Span, spans: list[Span], depth: int) -> None:
    facts = [span.name, span.provider, milliseconds(span.duration_ns)]
    if span.input_tokens or span.output_tokens:
        facts.append(f"{span.input_tokens}+{span.output_tokens} tokens")
    facts += [_cost(span)] if span.kind != "app" else []
    facts += [f"FAILED {span.error}: {span.error_message}"] if span.error else [span.finish_reason]
    out.print("  " * depth + "└ " + "  ".join(fact for fact in facts if fact))
    for child in spans:
        if child.parent_id == span.span_id:
            _print_tree(child, spans, depth + 1)


def _print_content(span: Span) -> None:
    if span.prompt:
        out.print(f"\nprompt {span.prompt}@{span.version}  release {span.release or 'none'}", style="bold")
    for message in _content(span.input).get("messages", []):
        out.print(f"[{message.get('role')}]", style="bold")
        content = message.get("content")
        out.print(content if isinstance(content, str) else msgspec.json.encode(content).decode())
    answer = _content(span.output)
    out.print("[answer]", style="bold")
    out.print(answer.get("text") or "(no text)")
    for call in answer.get("tool_calls", []):
        out.print(msgspec.json.encode(call).decode())


def _content(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _cost(span: Span) -> str:
    return "unpriced" if span.cost is None else format_usd(span.cost)
