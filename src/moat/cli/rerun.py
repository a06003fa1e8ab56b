"""`moat rerun`: recorded calls, asked again of another prompt version."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from moat.bootstrap.project import Project
from moat.bootstrap.rerunning import Prepared, Rerunning, recorded, recorded_in
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.traces import open_traces
from moat.bootstrap.versions import find_version
from moat.cli.arguments import Suites, parse_prompt
from moat.cli.group import Json, group
from moat.cli.output import counted, err, out, print_json, print_table, progress_bar
from moat.domain.errors import StorageError
from moat.domain.releases import PromptVersion
from moat.domain.spans import Span
from moat.domain.usage import format_usd
from moat.evals.rerun_report import Change, LeftOut, Pair, RerunReport, headline, interval, to_markdown
from moat.evals.running.tally import Progress
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.ports.traces import TraceFilter
from moat.prompts.diff import marked
from moat.telemetry.filters import parse_time

app = group()

INTERRUPTED = 130
SHOWN_PAIRS = 5
SHOWN_TEXT = 600


@app.command()
def run(
    ctx: typer.Context,
    prompt: Annotated[str, typer.Argument(metavar="[NAME@VERSION]", help="Prompt and version to ask.")] = "",
    release: Annotated[str, typer.Option(help="A release by id, instead of NAME@VERSION.")] = "",
    source: Annotated[
        str, typer.Option("--from", metavar="traces|FILE", help="The trace store, or a .jsonl file of records.")
    ] = "traces",
    sample: Annotated[int, typer.Option(min=1, max=1000, help="Calls, drawn from the newest 1000 that match.")] = 50,
    env: Annotated[str, typer.Option("--env", help="Environment whose calls are asked again.")] = DEFAULT_ENVIRONMENT,
    since: Annotated[str, typer.Option(help="15m, 24h, 7d, or a local date or time.")] = "",
    suite: Suites = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before money is spent.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the whole report as Markdown.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the whole report to this file: Markdown, or JSON with --json.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask recorded calls again of another version, and compare its answers with the recorded ones."""
    if bool(prompt) == bool(release):
        raise typer.BadParameter("name the version to ask: NAME@VERSION, or --release REL")
    project = Project.find(ctx.obj)
    with open_state(project) as state:
        target = _target(project, state, prompt, release)
        since_ns = parse_time(since, time.time_ns(), where="--since")
        wanted = TraceFilter(prompt=target.name, environment=env, failed=False, shadow=False, since_ns=since_ns)
        rerunning = Rerunning(project, state, environment())
        prepared = rerunning.prepare(target, _calls(project, source, wanted, sample, seed), suite)
        announce(prepared)
        agree(yes)
        with progress_bar(f"rerun on {target.id}") as watch:
            total = len(prepared.questions)
            report = asyncio.run(rerunning.run(prepared, lambda done: watch(Progress(done, total, 0, 0))))
    publish(report, output, markdown=markdown, json=json)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)


def _target(project: Project, state: State, prompt: str, release: str) -> PromptVersion:
    if release:
        return state.releases.get(release).content
    return find_version(project, state, *parse_prompt(prompt))


def _calls(project: Project, source: str, wanted: TraceFilter, sample: int, seed: int) -> list[Span]:
    if source != "traces":
        return recorded_in(Path(source), wanted, sample, seed)
    with open_traces(project) as traces:
        return recorded(traces, wanted, sample, seed)


def announce(prepared: Prepared) -> None:
    """Say what will happen, before it does; on standard error, so that a report can be piped."""
    seen = prepared.estimate
    money = "cost unknown: no price is known" if seen.cost is None else f"about {format_usd(seen.cost)}"
    if seen.cost is not None and seen.unpriced:
        money += f", and {counted(seen.unpriced, 'call')} without a known price"
    to = f"to {prepared.target}" if prepared.prompt is not None else prepared.target
    err.print(f"{counted(seen.calls, 'call')} {to} at {'; '.join(prepared.models)}", style="bold")
    err.print(f"  about {seen.input_tokens:,} tokens in and {seen.output_tokens:,} out, {money}")
    for left, what in ((prepared.cannot_render, "cannot render"), (prepared.skipped, "left out")):
        reasons = list(dict.fromkeys(entry.reason for entry in left))
        for reason in reasons:
            number = sum(entry.reason == reason for entry in left)
            err.print(f"  {counted(number, 'call')} {what}: {reason}", style="yellow")


def agree(yes: bool) -> None:
    """Ask whether to spend it, unless that is known. Raises `BadParameter` where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here whether to spend this: give --yes", param_hint="--yes")
    typer.confirm("Ask them now?", abort=True, err=True)


def publish(report: RerunReport, output: Path | None, *, markdown: bool, json: bool) -> None:
    """Print a report, or write it to a file. Raises `StorageError`."""
    if output is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2).decode() if json else to_markdown(report)
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"the report cannot be written: {error.strerror}", where=str(output)) from None
        out.print(headline(report))
    elif json:
        print_json(report)
    elif markdown:
        out.print(to_markdown(report), end="")
    else:
        _print(report)


def _print(report: RerunReport) -> None:
    out.print(f"{report.target}: {headline(report)}", style="bold")
    out.print(f"answered by {', '.join(report.providers) or 'nobody'}, at {report.model}", style="dim")
    print_table(
        ["measure", "recorded>", "now>", "difference [95 % interval]", "calls>"],
        ([f"{d.name}, {d.unit}", f"{d.old:.4g}", f"{d.new:.4g}", interval(d), d.n] for d in report.measures),
        empty="Nothing was answered.",
    )
    scored = [score for score in report.scores if score.n]
    if scored:
        print_table(
            ["score", "recorded>", "now>", "difference [95 % interval]", "better>", "worse>", "same>", "not run>"],
            (_row(score) for score in scored),
            empty="",
        )
    if unscored := [score.name for score in report.scores if not score.n]:
        out.print(f"not run, since recorded calls have no expected answers: {', '.join(unscored)}", style="dim")
    _print_left("not answered", report.failed)
    _print_left("cannot render", report.cannot_render)
    _print_left("left out", report.skipped)
    changed = [pair for pair in report.pairs if pair.old.text != pair.new.text]
    if len(changed) > SHOWN_PAIRS:
        out.print(f"{counted(len(changed), 'answer')} changed; {SHOWN_PAIRS} of them (all with --markdown):")
    # The ones that lost most come first.
    for pair in sorted(changed, key=_gain)[:SHOWN_PAIRS]:
        out.print(f"  {pair.request}  {_cut(pair.question)}", style="bold")
        out.print(f"    {_cut(marked(pair.change))}")


def _row(score: Change) -> list[object]:
    values = [f"{score.old:.3f}", f"{score.new:.3f}", interval(score)]
    return [score.name, *values, score.better, score.worse, score.same, score.not_run]


def _gain(pair: Pair) -> float:
    return sum(score.change or 0.0 for score in pair.scores)


def _print_left(what: str, left: list[LeftOut]) -> None:
    for entry in left[:SHOWN_PAIRS]:
        out.print(f"{what}: {entry.request}: {entry.reason}", style="yellow")
    if len(left) > SHOWN_PAIRS:
        out.print(f"{what}: {len(left) - SHOWN_PAIRS} more", style="yellow")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 1] + "…"
