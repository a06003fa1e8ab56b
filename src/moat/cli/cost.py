"""`moat cost`: what a prompt change will cost, before it does."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from moat.bootstrap.estimating import Estimating
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.versions import find_version
from moat.cli.arguments import Prompt, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import print_json
from moat.cli.spend_options import Format, show, write
from moat.domain.errors import PromptError
from moat.domain.releases import PromptVersion
from moat.domain.usage import format_usd
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.spend.estimate import Estimate, Side, percent
from moat.spend.reports import Column, Document, Sheet
from moat.spend.reports_format import to_markdown

app = group(no_args_is_help=True)

WITHIN, ABOVE, UNKNOWN = 0, 1, 2

_COLUMNS = (
    Column("version"),
    Column("model"),
    Column("input tokens", "count"),
    Column("output tokens", "count"),
    Column("per request", "money"),
    Column("per month", "money"),
)


@app.callback()
def about() -> None:
    """What a prompt change will cost, before it does."""


@app.command()
def estimate(
    ctx: typer.Context,
    prompt: Prompt,
    baseline: Annotated[
        str, typer.Option(help="Version or environment to compare with (default: what production serves, else before).")
    ] = "",
    max_increase: Annotated[
        str, typer.Option("--max-increase", metavar="PERCENT", help="Exit 1 when a request costs more than this above.")
    ] = "",
    volume: Annotated[int, typer.Option(min=0, help="Calls in a month; default: stated or observed.")] = 0,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report to this file too, for a pull request.")
    ] = None,
    json: Json = False,
) -> None:
    """Cost per request and per month against the baseline. Exit 0: within, 1: above the limit, 2: not known."""
    limit = percent(max_increase) if max_increase else None
    project = Project.find(ctx.obj)
    name, version = parse_prompt(prompt)
    with open_state(project) as state:
        evaluating = Evaluating(project, state, environment())
        candidate = find_version(project, state, name, version)
        against = (
            _asked(project, state, name, baseline) if baseline else evaluating.baseline(candidate, DEFAULT_ENVIRONMENT)
        )
        found = Estimating(project, state, evaluating).estimate(candidate, against, volume)
    code = _verdict(found, limit)
    document = _document(found, limit, code)
    if markdown is not None:
        write(markdown, to_markdown(document))
    if json:
        print_json(_data(found, limit, code))
    else:
        show(document, Format.table, json=False, output=None)
    raise typer.Exit(code)


def _asked(project: Project, state: State, name: str, asked: str) -> PromptVersion:
    """The version asked for, written as VERSION, NAME@VERSION or an environment."""
    of, at, version = asked.rpartition("@")
    if at and of != name:
        raise PromptError(f"{asked!r} is no version of {name!r}", where="--baseline")
    return find_version(project, state, name, version)


def _verdict(found: Estimate, limit: Decimal | None) -> int:
    if found.candidate.cost is None:
        return UNKNOWN
    if limit is None:
        return WITHIN
    within = found.within(limit)
    return UNKNOWN if within is None else WITHIN if within else ABOVE


def _document(found: Estimate, limit: Decimal | None, code: int) -> Document:
    sides = [side for side in (found.baseline, found.candidate) if side is not None]
    rows = tuple(_row(side, found.calls_per_month) for side in sides)
    sheet = Sheet(title="Estimate", columns=_COLUMNS, rows=rows, notes=tuple(_notes(found, limit, code)))
    origin = {
        "given": "as given",
        "stated": "as the prompt says",
        "observed": "as in the last 30 days",
        "assumed": "assumed: nothing is known of its traffic",
    }[found.volume]
    period = f"{found.calls_per_month:,} calls a month, {origin}"
    return Document(title=f"Cost of {found.candidate.prompt}", period=period, sheets=(sheet,))


def _row(side: Side, calls: int) -> tuple[Any, ...]:
    month = None if side.cost is None else side.cost * calls
    return (side.prompt, side.model, side.tokens.input, side.tokens.output, side.cost, month)


def _notes(found: Estimate, limit: Decimal | None, code: int) -> list[str]:
    said = [f"Tokens: {found.evidence}."]
    if found.candidate.cost is None:
        said.append("What it costs is not known: the model has no price, or nothing says how long answers are.")
    more = found.more_per_month
    if more is not None and found.increase is not None:
        sign = "+" if more >= 0 else "-"
        said.append(f"A request costs {found.increase:+.1%}, a month {sign}{format_usd(abs(more))}.")
    elif more is not None:
        said.append("The baseline costs nothing, so there is no percentage.")
    elif found.baseline is None:
        said.append("There is no version to compare with.")
    if limit is not None:
        verdict = {WITHIN: "within", ABOVE: "above", UNKNOWN: "not comparable with"}[code]
        said.append(f"This is {verdict} the limit of +{limit}%.")
    return said


def _data(found: Estimate, limit: Decimal | None, code: int) -> dict[str, Any]:
    return {
        "estimate": found,
        "increase": found.increase,
        "per_month": found.per_month,
        "more_per_month": found.more_per_month,
        "max_increase_percent": None if limit is None else float(limit),
        "verdict": {WITHIN: "within", ABOVE: "above", UNKNOWN: "unknown"}[code],
    }
