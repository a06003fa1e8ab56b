"""`moat spend`: what calls cost, who spent it, and what the month will have cost."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from msgspec.structs import replace

from moat.bootstrap.project import Project
from moat.bootstrap.spending import reprice_stored, routes
from moat.bootstrap.state import open_state
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import clock as local_time
from moat.cli.output import counted, out, print_json, print_table
from moat.cli.spend_options import (
    By,
    Only,
    Shown,
    Timezone,
    Top,
    dimensions,
    moment,
    options_first,
    the_clock,
)
from moat.cli.unfolding import unfolded
from moat.domain.errors import RequestError
from moat.domain.usage import format_usd
from moat.ports.traces import Dimension, PriceChange, Repricing, Spend
from moat.spend.reports import Document, by_dimensions, with_key_names
from moat.spend.reports_review import Review, month_of, monthly
from moat.spend.reports_time import Clock, month_forecast
from moat.spend.reports_trend import trend
from moat.spend.reports_week import weekly

app = group(invoke_without_command=True)

Since = Annotated[str, typer.Option(help="24h, 7d, a date in the time zone, or a local time.")]
Until = Annotated[str, typer.Option(help="The same, exclusive; default: now.")]


@app.callback()
@unfolded
def totals(
    ctx: typer.Context,
    *,
    by: By = "feature,model",
    since: Since = "30d",
    until: Until = "",
    only: Only,
    shown: Shown,
) -> None:
    """What requests to providers cost, by any dimensions, dearest first. Each attempt counts: it is billed."""
    if ctx.invoked_subcommand is not None:
        options_first(ctx)
        return
    names, clock = dimensions(by), shown.clock
    wanted = replace(
        only.filter,
        since_ns=moment(since, clock, "--since"),
        until_ns=moment(until, clock, "--until") if until else 0,
    )
    project = Project.find(ctx.obj)
    with open_traces(project) as traces:
        groups = traces.spending(names, wanted) if names else []
        total = next(iter(traces.spending([], wanted)), Spend(group=()))
    period = f"{_words(wanted.since_ns, clock)} to {_words(wanted.until_ns or clock.now_ns, clock)} ({clock.name})"
    document = Document(title="Spend", period=period, sheets=(by_dimensions(names, groups, total),))
    shown.show(_named(project, document, names))


@app.command("trend")
@unfolded
def show_trend(
    ctx: typer.Context,
    *,
    by: By = "",
    days: Annotated[int, typer.Option(min=1, max=731, help="Days, today included.")] = 30,
    top: Top = 10,
    only: Only,
    shown: Shown,
) -> None:
    """Cost, requests and tokens of each day, and a chart of the costs."""
    project, names = Project.find(ctx.obj), dimensions(by)
    with open_traces(project) as traces:
        document = trend(traces, only.filter, shown.clock, days, names, top)
    shown.show(_named(project, document, names))


@app.command("forecast")
@unfolded
def show_forecast(ctx: typer.Context, only: Only, shown: Shown) -> None:
    """What this month will have cost at its end, with an interval."""
    with open_traces(Project.find(ctx.obj)) as traces:
        _, document = month_forecast(traces, only.filter, shown.clock)
    shown.show(document)


@app.command()
@unfolded
def week(ctx: typer.Context, *, top: Top = 10, only: Only, shown: Shown) -> None:
    """The weekly report: cost and latency of the last seven days, against the seven before."""
    with open_traces(Project.find(ctx.obj)) as traces:
        document = weekly(traces, only.filter, shown.clock, top)
    shown.show(document)


@app.command()
@unfolded
def review(
    ctx: typer.Context,
    *,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Default: the last whole month with calls.")] = "",
    by: By = "tenant,feature,user",
    top: Top = 10,
    min_calls: Annotated[int, typer.Option(min=1, help="Of a caller ranked by tokens per call.")] = 1,
    only: Only,
    shown: Shown,
) -> None:
    """The monthly review: top callers, growers, prompts that grew, the cache, cheaper routes."""
    project, clock, callers = Project.find(ctx.obj), shown.clock, tuple(dimensions(by))
    if not callers:
        raise RequestError("name at least one dimension", where="--by")
    with open_traces(project) as traces:
        asked = Review(traces, only.filter, clock, callers, top, min_calls)
        first = _month(month, clock) if month else month_of(traces, only.filter, clock)
        document = monthly(asked, first, routes(project))
    shown.show(_named(project, document, callers))


@app.command()
def reprice(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(help="24h, 7d, a date in the time zone, or a local time; default: all.")] = "",
    until: Annotated[str, typer.Option(help="The same, exclusive.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference and change nothing.")] = False,
    timezone: Timezone = "UTC",
    json: Json = False,
) -> None:
    """Price recorded attempts anew, each at the prices of its own time in the present table."""
    clock = the_clock(timezone)
    bounds = [moment(text, clock, name) if text else 0 for text, name in ((since, "--since"), (until, "--until"))]
    done = reprice_stored(Project.find(ctx.obj), *bounds, dry_run=dry_run)
    if json:
        print_json({"before": done.before, "after": done.after, "repricing": done})
        return
    print_table(
        ["provider", "model", "prices before", "attempts>", "changed>", "no price now>", "before>", "after>"],
        (_change(change) for change in done.changes),
        empty="No attempts in this time.",
    )
    verb = "would go" if dry_run else "went"
    sums = f"{format_usd(done.before)} to {format_usd(done.after)}"
    out.print(f"The sum {verb} from {sums}, with prices {done.order.price_version}.")


@app.command()
def audit(ctx: typer.Context, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20, json: Json = False) -> None:
    """Re-pricings: when, who, and what the sums were before and after."""
    with open_traces(Project.find(ctx.obj)) as traces:
        found = traces.repricings(limit)
    if json:
        print_json([{"before": done.before, "after": done.after, "repricing": done} for done in found])
        return
    print_table(
        ["time", "by", "prices", "attempts", "before>", "after>"],
        (_entry(done) for done in found),
        empty="Nothing was priced anew yet: `moat spend reprice`.",
    )


def _named(project: Project, document: Document, by: Sequence[Dimension]) -> Document:
    """The report with the names of keys, where it is by key."""
    if "key" not in by:
        return document
    with open_state(project) as state:
        stored = state.keys.keys()
    return with_key_names(document, {key.id: key.name for key in stored})


def _change(change: PriceChange) -> list[str]:
    counts = [str(number) for number in (change.attempts, change.changed, change.kept)]
    sums = [format_usd(change.before), format_usd(change.after)]
    return [change.provider, change.model, change.price_version or "none", *counts, *sums]


def _entry(done: Repricing) -> list[str]:
    attempts = counted(sum(change.attempts for change in done.changes), "attempt")
    changed = sum(change.changed for change in done.changes)
    return [
        local_time(done.at_ns),
        done.order.actor,
        done.order.price_version,
        f"{attempts}, {changed} changed",
        format_usd(done.before),
        format_usd(done.after),
    ]


def _words(at_ns: int, clock: Clock) -> str:
    return f"{datetime.fromtimestamp(at_ns / 1e9, UTC).astimezone(clock.zone):%Y-%m-%d %H:%M}"


def _month(text: str, clock: Clock) -> date:
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise RequestError(f"{text!r} is not a month", where="--month", remedy="Write it as 2026-03.") from None
    if found > clock.today:
        raise RequestError(f"{text} has not begun", where="--month")
    return found
