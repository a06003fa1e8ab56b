"""`moat traces replay`: recorded calls once more, beside what was answered then."""

import asyncio
import time
from typing import Annotated

import typer

from moat.bootstrap.project import Project
from moat.bootstrap.rerunning import Prepared, Rerunning, recorded
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.traces import open_traces
from moat.bootstrap.versions import find_version
from moat.cli.arguments import parse_prompt
from moat.cli.group import Json
from moat.cli.output import milliseconds, out, print_json, print_table, progress_bar
from moat.cli.rerun import INTERRUPTED, agree, announce, publish
from moat.cli.trace_filters import expression
from moat.cli.trace_messages import as_text
from moat.domain.errors import NotFound
from moat.domain.spans import Span
from moat.domain.usage import PICODOLLARS, format_usd
from moat.evals.rerun import Reply
from moat.evals.rerun_report import Pair, RerunReport
from moat.evals.running.tally import Progress
from moat.ports.traces import TraceFilter
from moat.prompts.diff import marked
from moat.telemetry.filters import parse_time

WIDE = 100
"""Columns from which two answers stand side by side."""


def replay(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="ID|EXPR", help="A trace or request, or an expression.")],
    model: Annotated[str, typer.Option(help="Model alias to ask instead.")] = "",
    prompt: Annotated[str, typer.Option(metavar="NAME@VERSION", help="Version to ask instead.")] = "",
    release: Annotated[str, typer.Option(help="Release to ask instead, by id.")] = "",
    since: Annotated[str, typer.Option(help="Of an expression: 15m, 24h, 7d, or a local date or time.")] = "",
    sample: Annotated[int, typer.Option(min=1, max=1000, help="Of an expression: so many, drawn at random.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    ask_above: Annotated[float, typer.Option(min=0, help="Dollars that are spent without being asked about.")] = 0.05,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before money is spent.")] = False,
    json: Json = False,
) -> None:
    """Send recorded calls once more through the pipeline, and show both answers.

    As they were sent, or to another model, prompt version or release. Says before what it will cost, and asks when
    that is more than --ask-above or not known.
    """
    if sum(map(bool, (model, prompt, release))) > 1:
        raise typer.BadParameter("give one of --model, --prompt and --release")
    project = Project.find(ctx.obj)
    calls = _calls(project, words, since, sample, seed)
    with open_state(project) as state:
        rerunning = Rerunning(project, state, environment())
        prepared = _prepared(project, state, rerunning, calls, (model, prompt, release))
        announce(prepared)
        agree(yes or _is_little(prepared, ask_above))
        with progress_bar("replay") as watch:
            total = len(prepared.questions)
            report = asyncio.run(rerunning.run(prepared, lambda done: watch(Progress(done, total, 0, 0))))
    if json:
        print_json(report)
    elif len(report.pairs) == 1 and not report.failed:
        _print_pair(report.pairs[0], report)
    else:
        publish(report, None, markdown=False, json=False)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)


def _calls(project: Project, words: list[str], since: str, sample: int, seed: int) -> list[Span]:
    with open_traces(project) as traces:
        if len(words) == 1:
            spans = traces.trace(words[0])
            named = [s for s in spans if s.kind == "call" and words[0] in (s.request_id, s.trace_id)]
            if named:
                return named
            if spans:
                raise NotFound(f"no call of a model is in trace {words[0]}", remedy="`moat traces show` has its spans.")
        since_ns = parse_time(since, time.time_ns(), where="--since")
        which = TraceFilter(q=expression(project, words), failed=False, shadow=False, since_ns=since_ns)
        found = recorded(traces, which, sample, seed)
    if not found:
        raise NotFound(
            f"no trace, request or call that did not fail matches {' '.join(words)!r}",
            remedy="`moat traces search` shows what an expression finds.",
        )
    return found


def _prepared(
    project: Project, state: State, rerunning: Rerunning, calls: list[Span], instead: tuple[str, str, str]
) -> Prepared:
    model, prompt, release = instead
    if not prompt and not release:
        return rerunning.prepare_as_sent(calls, model)
    target = state.releases.get(release).content if release else find_version(project, state, *parse_prompt(prompt))
    other = sorted({call.prompt or "no prompt" for call in calls} - {target.name})
    if other:
        raise typer.BadParameter(f"the calls are of {', '.join(other)}, not of {target.name}")
    return rerunning.prepare(target, calls, None)


def _is_little(prepared: Prepared, ask_above: float) -> bool:
    seen = prepared.estimate
    return seen.cost is not None and not seen.unpriced and seen.cost <= ask_above * PICODOLLARS


def _print_pair(pair: Pair, report: RerunReport) -> None:
    rows = [
        ("latency", *(milliseconds(reply.latency_ns) for reply in (pair.old, pair.new))),
        ("tokens", *(f"{reply.input_tokens}+{reply.output_tokens}" for reply in (pair.old, pair.new))),
        ("cost", *("unpriced" if r.cost is None else format_usd(r.cost) for r in (pair.old, pair.new))),
        ("answered by", *(", ".join(reply.providers) for reply in (pair.old, pair.new))),
        *((s.new.name, *("–" if v.value is None else f"{v.value:.3f}" for v in (s.old, s.new))) for s in pair.scores),
    ]
    out.print(f"{pair.request}  {report.target} at {report.model}", style="bold")
    answers = _text(pair.old), _text(pair.new)
    wide = out.is_terminal and out.width >= WIDE
    print_table(["", "recorded", "now"], [*rows, *([("answer", *answers)] if wide else [])], empty="")
    if not wide:
        for who, text in zip(("recorded", "now"), answers, strict=True):
            out.print(f"[{who}]", style="bold")
            out.print(text)
    if pair.old.text == pair.new.text:
        out.print("The texts are the same to the letter.", style="dim")
    else:
        out.print("[changes]", style="bold")
        out.print(marked(pair.change))


def _text(reply: Reply) -> str:
    calls = [as_text(call) for call in reply.tool_calls]
    return "\n".join(part for part in (reply.text, reply.refusal, *calls) if part) or f"(nothing{_failed(reply)})"


def _failed(reply: Reply) -> str:
    return f": {reply.error}" if reply.error else ""
