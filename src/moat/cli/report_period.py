"""`moat report weekly|monthly`: how fast, how expensive, how reliable, how good; and what explains the changes."""

import time
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from moat.bootstrap.alerting import channel_of
from moat.bootstrap.project import Project
from moat.bootstrap.recapping import calendar_month, last_days, recap
from moat.bootstrap.settings import environment as surroundings
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json
from moat.cli.output import out, print_json, print_table
from moat.domain.alerting import Message
from moat.domain.calls import new_id
from moat.domain.errors import RequestError, StorageError
from moat.domain.windows import zone
from moat.ports.traces import TraceFilter
from moat.telemetry.filters import parse_time
from moat.telemetry.recap.document import Recap
from moat.telemetry.recap.facts import Period
from moat.telemetry.recap.forms import bars, markdown, page, text

WEEK, MONTH = 7, 30

Query = Annotated[str, typer.Option("--query", "-q", help="Only calls that fit this filter (docs/traces.md).")]
Tenant = Annotated[str, typer.Option()]
Environment = Annotated[str, typer.Option()]
Timezone = Annotated[str, typer.Option("--timezone", metavar="ZONE", help="Where days begin, such as Europe/Berlin.")]
Until = Annotated[str, typer.Option(help="The end: a date or time; now unless given.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, to paste or to keep.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one page with plots, which needs nothing else.")]
Email = Annotated[str, typer.Option("--email", metavar="CHANNEL", help="Send it to a channel of moat.yaml.")]


def weekly(
    ctx: typer.Context,
    query: Query = "",
    tenant: Tenant = "",
    environment: Environment = "",
    timezone: Timezone = "UTC",
    until: Until = "",
    markdown: Markdown = False,
    html: Html = None,
    email: Email = "",
    json: Json = False,
) -> None:
    """The last seven days against the seven before: speed, cost, failures, quality, and what explains the changes."""
    wanted = TraceFilter(q=query, tenant=tenant, environment=environment)
    period = last_days(WEEK, _end(until), zone(timezone))
    _report(ctx, wanted, period, "Week", _Forms(markdown, html, email, json))


def monthly(
    ctx: typer.Context,
    query: Query = "",
    tenant: Tenant = "",
    environment: Environment = "",
    timezone: Timezone = "UTC",
    until: Until = "",
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="This month on the calendar.")] = "",
    markdown: Markdown = False,
    html: Html = None,
    email: Email = "",
    json: Json = False,
) -> None:
    """The last thirty days, or a calendar month, against as many before; otherwise as `weekly`."""
    wanted = TraceFilter(q=query, tenant=tenant, environment=environment)
    if month and until:
        raise RequestError("say --month or --until, not both", where="--month")
    if month:
        period = calendar_month(_month(month), time.time_ns(), zone(timezone))
    else:
        period = last_days(MONTH, _end(until), zone(timezone))
    _report(ctx, wanted, period, "Month", _Forms(markdown, html, email, json))


class _Forms:
    """What becomes of a report."""

    def __init__(self, markdown: bool, html: Path | None, email: str, json: bool) -> None:
        self.markdown, self.html, self.email, self.json = markdown, html, email, json


def _report(ctx: typer.Context, wanted: TraceFilter, period: Period, kind: str, forms: _Forms) -> None:
    project = Project.find(ctx.obj)
    name = project.settings.config.project or project.root.name
    channel = channel_of(forms.email, project.settings, surroundings()) if forms.email else None
    with open_traces(project) as traces:
        found = recap(project, traces, wanted, period, f"{kind} of {name}")
    if forms.html is not None:
        _write(forms.html, page(found))
    if channel is not None:
        title = f"{found.title}: {found.sections[0].sentences[0]}"
        message = Message(
            id=new_id("msg"), at_ns=time.time_ns(), kind="report", title=title, text=text(found), html=page(found)
        )
        channel.send(message)
        out.print(f"{forms.email} has taken it.")
    if forms.json:
        print_json(found)
    elif forms.markdown:
        out.print(markdown(found), end="")
    elif forms.html is None and channel is None:
        _print(found)


def _print(found: Recap) -> None:
    out.print(f"{found.title}: {found.period}")
    for section in found.sections:
        out.print()
        out.print(section.title, style="bold")
        for sentence in section.sentences:
            out.print(f"  {sentence}")
        for plot in section.plots:
            out.print()
            print_table(["day", f"{plot.title}>", ""], bars(plot), empty="")
        for grid in section.grids:
            if grid.rows:
                out.print()
                out.print(grid.title, style="dim")
                print_table(grid.heads, grid.rows, empty="")


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(path)) from None
    out.print(f"Written: {path}")


def _end(until: str) -> int:
    return parse_time(until, time.time_ns(), where="--until") if until else time.time_ns()


def _month(said: str) -> date:
    try:
        found = date.fromisoformat(f"{said}-01")
    except ValueError:
        raise RequestError(f"{said!r} is no month", where="--month", remedy="Such as 2026-03.") from None
    if found > date.today() or found.year < 2000:
        raise RequestError(f"{said} is not a month that has begun", where="--month")
    return found
