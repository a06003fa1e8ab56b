"""Which recorded calls: the options that commands about them share."""

import time
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.cli.group import Shadow
from moat.ports.traces import TraceFilter
from moat.telemetry.filters import parse_time
from moat.telemetry.query import parse
from moat.telemetry.saved import NAMED, expand

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[EXPR]", help="Such as 'latency > 2s and cost >= $0.01'; @NAME is a saved search."),
]
Since = Annotated[str, typer.Option(help="15m, 24h, 7d, or a local date or time.")]
Until = Annotated[str, typer.Option(help="The same: calls that began before it.")]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """All the ways to choose calls; each that is given must hold."""

    expression: Words = None
    since: Since = ""
    until: Until = ""
    tenant: Annotated[str, typer.Option()] = ""
    feature: Annotated[str, typer.Option()] = ""
    user: Annotated[str, typer.Option()] = ""
    session: Annotated[str, typer.Option()] = ""
    key: Annotated[str, typer.Option(help="Id of the key.")] = ""
    model: Annotated[str, typer.Option(help="Alias that was asked for.")] = ""
    provider: Annotated[str, typer.Option()] = ""
    prompt: Annotated[str, typer.Option()] = ""
    version: Annotated[str, typer.Option(help="Of the prompt.")] = ""
    release: Annotated[str, typer.Option()] = ""
    arm: Annotated[str, typer.Option(help="Of a split.")] = ""
    experiment: Annotated[str, typer.Option(help="A rollout or experiment.")] = ""
    environment: Annotated[str, typer.Option("--environment", "--env")] = ""
    service: Annotated[str, typer.Option(help="Application that reported spans.")] = ""
    guard: Annotated[str, typer.Option(help="What a guard did: block, redact, flag, ...")] = ""
    request_id: Annotated[str, typer.Option("--request-id")] = ""
    trace_id: Annotated[str, typer.Option("--trace-id")] = ""
    error: Annotated[str, typer.Option(help="Error code, such as provider_timeout.")] = ""
    failed: Annotated[bool | None, typer.Option("--failed/--ok", help="Only calls with an error, or without.")] = None
    shadow: Shadow = None


def wanted(project: Project, given: Chosen) -> TraceFilter:
    """What was chosen, with saved searches in the place of their names. Raises `RequestError`."""
    now_ns = time.time_ns()
    fields = {
        name: value for name, value in msgspec.structs.asdict(given).items() if name in TraceFilter.__struct_fields__
    }
    return TraceFilter(
        **fields,
        q=expression(project, given.expression or ()),
        wide=True,
        since_ns=parse_time(given.since, now_ns, where="--since"),
        until_ns=parse_time(given.until, now_ns, where="--until"),
    )


def expression(project: Project, words: Sequence[str]) -> str:
    """One expression of a command's words, whole and checked. Raises `RequestError`."""
    text = " ".join(words)
    if NAMED.search(text):
        with open_state(project) as state:
            saved = {search.name: search.expression for search in state.searches.searches()}
        text = expand(text, saved)
    parse(text)
    return text
