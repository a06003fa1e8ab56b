"""`moat cache`: answers that were given again, and how often similar questions were wrong."""

from typing import Annotated
from urllib.parse import urlencode

import msgspec
import typer

from moat.bootstrap.announcement import running_server
from moat.bootstrap.asking import ask
from moat.bootstrap.caches import Caches
from moat.bootstrap.project import Project
from moat.bootstrap.state import open_state
from moat.caching.false_hits import Book
from moat.caching.report import CacheState, Measured
from moat.cli.group import Json, group
from moat.cli.output import clock, err, out, print_json, print_table
from moat.domain.errors import NotFound, Unavailable
from moat.domain.usage import format_usd

app = group(no_args_is_help=True)


@app.callback()
def root() -> None:
    """Answers that were given again, and how often similar questions were wrong."""


@app.command()
def stats(
    ctx: typer.Context,
    alias: Annotated[str, typer.Argument(help="Only the cache of this model alias.")] = "",
    examples: Annotated[bool, typer.Option("--examples", help="Show false hits: what was asked and answered.")] = False,
    json: Json = False,
) -> None:
    """Show hits, misses, money saved, and the false-hit rate of semantic caches, by alias."""
    project = Project.find(ctx.obj)
    states = [found for found in _states(project, alias) if alias in ("", found.alias)]
    if alias and not states:
        raise NotFound(f"the alias {alias!r} has no cache", remedy="Give it `cache` in moat.yaml.")
    if json:
        print_json(states)
        return
    print_table(
        ["alias", "hits>", "similar>", "misses>", "saved>", "entries>", "KiB>", "no vector>"],
        (_counts(found) for found in states),
        empty="Nothing is cached: no alias in moat.yaml has a `cache`.",
    )
    measured = [(found, one) for found in states for one in found.measured]
    if any(found.measured for found in states):
        out.print()
        print_table(
            ["alias", "release", "embedder", "at>", "state", "compared>", "false>", "rate>", "95 %", "last"],
            (_measures(found, one) for found, one in measured),
            empty="",
        )
    if examples:
        _print_examples(measured)


def _states(project: Project, alias: str) -> list[CacheState]:
    server = running_server(project.server_path)
    if server is None:
        err.print("No server runs: this is what was measured. Counts begin when one starts.", style="dim")
        with open_state(project) as state:
            return Caches(0, Book(state.false_hits.false_hits())).states(project.settings.config)
    answer = ask(server, f"/api/v1/cache?{urlencode({'alias': alias})}")
    if answer is None:
        raise Unavailable(f"the server at {server.url} did not answer", remedy="Look at `moat status`.")
    return msgspec.convert(answer, list[CacheState])


def _counts(found: CacheState) -> list[str]:
    counts = [found.hits, found.similar, found.misses]
    shown = [format_usd(found.saved), f"{found.entries:,}", f"{found.bytes / 1024:,.0f}", f"{found.failed:,}"]
    return [found.alias, *(f"{count:,}" for count in counts), *shown]


def _measures(found: CacheState, one: Measured) -> list[str]:
    state = f"unproven: {one.compared} of {one.needed}" if one.compared < one.needed else "unproven: too often wrong"
    return [
        found.alias,
        one.release or "(no prompt)",
        one.embedder,
        f"{one.threshold:g}",
        state if one.state == "unproven" else one.state,
        f"{one.compared:,}",
        f"{one.false:,}",
        "" if one.rate is None else f"{one.rate:.1%}",
        f"{one.low:.1%} to {one.high:.1%}",
        clock(one.changed_ns),
    ]


def _print_examples(measured: list[tuple[CacheState, Measured]]) -> None:
    for found, one in measured:
        for example in one.examples:
            out.print(f"\n{found.alias} {one.release} {clock(example.at_ns)} similarity {example.similarity:.3f}")
            out.print(f"  asked:    {example.asked}")
            out.print(f"  similar:  {example.similar}")
            out.print(f"  answered: {example.answered}")
            out.print(f"  cached:   {example.cached}")
