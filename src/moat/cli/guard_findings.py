"""`moat guard findings`: what guards found in recorded calls."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import typer
from msgspec.structs import replace

from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import clock, counted, out, print_json, print_table
from moat.cli.trace_filters import Chosen, wanted
from moat.cli.unfolding import unfolded
from moat.domain.spans import Span

MOST = 1000


class Found(msgspec.Struct, kw_only=True):
    """One guard's findings of one kind in one place."""

    guard: str
    kind: str
    place: str
    action: str
    calls: int = 0
    findings: int = 0
    last_ns: int = 0
    last_request: str = ""


@unfolded
def findings(
    ctx: typer.Context,
    given: Chosen,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Calls that are looked at, the newest.")] = MOST,
    json: Json = False,
) -> None:
    """Count what guards found in recorded calls, by guard, kind and place: the most calls first.

    `moat traces show REQUEST` shows one of them.
    """
    project = Project.find(ctx.obj)
    which = wanted(project, given)
    which = replace(which, q=f"guarded and ({which.q})" if which.q else "guarded")
    with open_traces(project) as traces:
        calls = traces.search(which, limit)
    found = sorted(_counted(calls), key=lambda each: (-each.calls, each.guard, each.kind))
    if json:
        print_json(found)
        return
    print_table(
        ["guard", "found", "in", "action", "calls>", "findings>", "last", "request"],
        (
            [each.guard, each.kind, each.place, each.action, each.calls, each.findings, clock(each.last_ns),
             each.last_request]
            for each in found
        ),
        empty="No guard found anything in such calls.",
    )  # fmt: skip
    if len(calls) == limit:
        out.print(f"Of the last {counted(limit, 'such call')} alone: narrow the filter.", style="yellow")


def _counted(calls: Sequence[Span]) -> list[Found]:
    """From the newest call to the oldest."""
    rows: dict[tuple[str, str, str, str], Found] = {}
    for call in calls:
        seen = set()
        for key in _found(call):
            guard, kind, place, action = key
            row = rows.setdefault(key, Found(guard=guard, kind=kind, place=place, action=action))
            row.findings += 1
            if key not in seen:
                seen.add(key)
                row.calls += 1
            if not row.last_ns:
                row.last_ns, row.last_request = call.started_ns, call.request_id
    return list(rows.values())


def _found(call: Span) -> Iterator[tuple[str, str, str, str]]:
    verdicts: list[dict[str, Any]] = call.attributes.get("moat.guards") or []
    for verdict in verdicts:
        guard, action = verdict["guard"], verdict["action"]
        for finding in verdict["findings"]:
            yield guard, finding["kind"], finding["place"], action
        if verdict["not_run"]:
            yield guard, "did not run", "", action
