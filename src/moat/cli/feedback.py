"""`moat feedback`: what people say of answers."""

import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from moat.adapters.system import SystemClock
from moat.bootstrap.announcement import running_server
from moat.bootstrap.feedback import feedback_spool, link_signer
from moat.bootstrap.project import Project
from moat.bootstrap.traces import open_traces
from moat.cli.group import Json, group
from moat.cli.output import clock, out, print_json, print_table
from moat.cli.trace_filters import Chosen, Since, Words, wanted
from moat.cli.trace_messages import as_text
from moat.domain.errors import NotFound, RequestError
from moat.domain.feedback import Feedback
from moat.domain.keys import Key
from moat.gateway.feedback import LinkOrder, new_link
from moat.gateway.opinions import Opinions, Said
from moat.telemetry.filters import parse_duration

app = group(no_args_is_help=True)

_DAY_NS = 86_400 * 10**9
_HERE = Key(id="here", hash="", role="admin")
"""Whoever may write the project's files may say anything of its calls."""


class Thumbs(StrEnum):
    """Which way."""

    up = "up"
    down = "down"


@app.command("list")
def list_feedback(
    ctx: typer.Context,
    words: Words = None,
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Opinions.")] = 20,
    scores: Annotated[bool, typer.Option("--scores", help="Those of scorers too.")] = False,
    json: Json = False,
) -> None:
    """List opinions of calls that match, the newest first."""
    project = Project.find(ctx.obj)
    which = wanted(project, Chosen(expression=words, since=since))
    with open_traces(project) as traces:
        found = traces.opinions(which, limit, None if scores else "person")
    if json:
        print_json(found)
        return
    print_table(
        ["time", "request", "name", "value>", "rating>", "by", "categories", "comment", "correction"],
        (_row(one) for one in found),
        empty="Nobody has said anything of such calls. Send `POST /v1/feedback`, or `moat feedback add`.",
    )


def _row(said: Feedback) -> list[str]:
    return [
        clock(said.at_ns),
        said.request_id or said.trace_id,
        said.name,
        "" if said.value is None else f"{said.value:.2f}",
        "" if said.rating is None else f"{said.rating}/5",
        said.by,
        ", ".join(said.categories),
        " ".join(said.comment.split()),
        "" if said.correction is None else " ".join(as_text(said.correction).split()),
    ]


@app.command()
def add(
    ctx: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="ID", help="Request or trace.")],
    thumbs: Annotated[Thumbs | None, typer.Option(help="Good or bad.")] = None,
    rating: Annotated[int | None, typer.Option(min=1, max=5, help="1 (bad) to 5 (good).")] = None,
    value: Annotated[float | None, typer.Option(min=0, max=1, help="0 (bad) to 1 (good).")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Repeat for more.")] = None,
    comment: Annotated[str, typer.Option()] = "",
    correction: Annotated[str, typer.Option(help="What the answer should have been.")] = "",
    name: Annotated[str, typer.Option(help="What is judged.")] = "feedback",
    by: Annotated[str, typer.Option(help="Who says it; without it whoever git says you are.")] = "",
    json: Json = False,
) -> None:
    """Say what you think of a recorded answer. Said again, it takes the place of what you said before."""
    project = Project.find(ctx.obj)
    with open_traces(project) as traces:
        spans = traces.trace(request_id)
        if not spans:
            raise NotFound(f"no trace or request {request_id!r}", remedy="`moat traces` lists the newest.")
        about = "trace_id" if request_id == spans[0].trace_id else "request_id"
        given = {
            about: request_id,
            "thumbs": thumbs and thumbs.value,
            "rating": rating,
            "value": value,
            "categories": category or [],
            "comment": comment,
            "correction": correction or None,
            "name": name,
            "by": by or project.author,
        }
        try:
            said = msgspec.convert(given, Said)
        except msgspec.ValidationError as error:
            raise RequestError(str(error)) from None
        spool = feedback_spool(project)
        spool.open()
        try:
            keeps = project.settings.config.telemetry.capture_content
            opinions = Opinions(spool, traces, SystemClock(), content=lambda: keeps)
            [kept] = opinions.take([said], _HERE, via="command")
        finally:
            spool.close()
    if json:
        print_json(kept)
    else:
        out.print(f"kept {kept.id}")


@app.command()
def link(
    ctx: typer.Context,
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID")],
    expires: Annotated[str, typer.Option(help="For how long: 12h, 30d, 8w.")] = "30d",
    by: Annotated[str, typer.Option(help="Who it is for: what comes by it is his opinion.")] = "",
    category: Annotated[list[str] | None, typer.Option(help="To be ticked in the form; repeat for more.")] = None,
    url: Annotated[str, typer.Option(help="Where people reach the server; without it the running server.")] = "",
    json: Json = False,
) -> None:
    """Make a link by which somebody without a key may say what he thinks of one answer, and nothing else."""
    project = Project.find(ctx.obj)
    days = parse_duration(expires, where="--expires") / _DAY_NS
    order = LinkOrder(request_id=request_id, expires_days=days, by=by, categories=tuple(category or ()))
    made = new_link(order, _HERE, time.time_ns())
    server = running_server(project.server_path)
    base = url.rstrip("/") or (server.url if server is not None else "")
    if not base:
        raise RequestError("no server runs here", where="--url", remedy="Say where people reach it: --url https://...")
    whole = base + link_signer(project).path(made)
    if json:
        print_json({"url": whole, "expires_at": made.expires_s})
    else:
        out.print(whole)
