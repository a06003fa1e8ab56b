"""`moat traces`: recorded calls."""

import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, Shadow, group
from moat.cli.output import clock, milliseconds, out, print_json, print_table
from moat.domain.errors import NotFound
from moat.domain.spans import Span
from moat.domain.usage import format_usd
from moat.ports.traces import TraceFilter
from moat.telemetry.filters import parse_time

app = group(invoke_without_command=True)

MAX_INDENT = 30
"""Levels; what is nested deeper stands below each other."""


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
    since: Annotated[str, typer.Option(help="15m, 24h, 7d, or a local date or time.")] = "",
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
        arm=arm,
        experiment=experiment,
        shadow=shadow,
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
    for depth, span in _tree(spans):
        out.print("  " * min(depth, MAX_INDENT) + f"└ {_facts(span)}")
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
        f"{_prompt(call) or call.model}{_standing(call)}",
        call.provider,
        milliseconds(call.duration_ns),
        f"{call.input_tokens}+{call.output_tokens}",
        _cost(call),
        call.error or call.finish_reason,
    ]


def _tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Each span once, with its depth, children after their parent; those in a ring come last."""
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in spans:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    for parent in ["", *children]:
        left = [(0, span) for span in reversed(children.pop(parent, []))]
        while left:
            depth, span = left.pop()
            yield depth, span
            left += [(depth + 1, child) for child in reversed(children.pop(span.span_id, []))]


def _facts(span: Span) -> str:
    facts = [f"{span.name}{_standing(span)}", span.provider, milliseconds(span.duration_ns)]
    if span.input_tokens or span.output_tokens:
        facts.append(f"{span.input_tokens}+{span.output_tokens} tokens")
    facts += [f"{count} {what}" for count, what in ((span.searches, "searches"), (span.runs, "tool runs")) if count]
    facts += [f"tier {span.tier}"] if span.tier else []
    facts += [_cost(span)] if span.kind != "app" else []
    facts += [f"FAILED {span.error}: {span.error_message}"] if span.error else [span.finish_reason]
    return "  ".join(fact for fact in facts if fact)


def _print_content(span: Span) -> None:
    if span.prompt:
        experiment = f"  experiment {span.experiment}" if span.experiment else ""
        words = f"\nprompt {_prompt(span)}{_standing(span)}  release {span.release or 'none'}{experiment}"
        out.print(words, style="bold")
    for message in _content(span.input).get("messages", []):
        out.print(f"[{message.get('role')}]", style="bold")
        content = message.get("content")
        out.print(content if isinstance(content, str) else msgspec.json.encode(content).decode())
    answer = _content(span.output)
    out.print("[answer]", style="bold")
    out.print(answer.get("text") or "(no text)")
    for call in answer.get("tool_calls", []):
        out.print(msgspec.json.encode(call).decode())


def _prompt(span: Span) -> str:
    """With its version, unless the call was refused before that was known."""
    return f"{span.prompt}@{span.version}" if span.version else span.prompt


def _standing(span: Span) -> str:
    """Which arm of a split it was, or that nobody saw it."""
    standing = "shadow" if span.shadow_of else span.arm
    return f" ({standing})" if standing else ""


def _content(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _cost(span: Span) -> str:
    return "unpriced" if span.cost is None else format_usd(span.cost)
