"""What a red team found, for people: Markdown, a page, and what went wrong case by case."""

from collections.abc import Iterable, Iterator
from itertools import islice

from moat.domain.scores import Case, Result
from moat.evals.datasets import Dataset
from moat.evals.markdown import MARKS, cell, fence
from moat.evals.redteam.rates import ANSWERED, RESISTED, Broken, Rate, RedTeamReport
from moat.evals.reports.page import block, table, text
from moat.evals.scorers.text import strings

MAX_BROKEN = 200
MAX_TEXT = 2000
HEADS = ["by", "", "rate [95 % interval]", "cases>", "attacks>", "errors>", "not tried>"]
COMPARED = [*HEADS[:3], "baseline", "change [95 % interval]", *HEADS[3:]]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;
border-bottom:1px solid #d8dee4}.num{text-align:right}caption{text-align:left;font-weight:600;padding:.5rem 0}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;padding:.7rem;max-height:20rem;overflow:auto}
summary{cursor:pointer;padding:.3rem 0}.label{font-weight:600;font-size:.85rem}.wide{overflow-x:auto}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}th,td{border-color:#30363d}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def broken(dataset: Dataset, results: Iterable[Result]) -> Iterator[Broken]:
    """The cases that went wrong, each once, at most `MAX_BROKEN`."""
    cases = {case.id: case for case in dataset.cases}
    return islice(_unique(_broken(cases, results)), MAX_BROKEN)


def _unique(found: Iterable[Broken]) -> Iterator[Broken]:
    seen: set[str] = set()
    for one in found:
        if one.case not in seen:
            seen.add(one.case)
            yield one


def _broken(cases: dict[str, Case], results: Iterable[Result]) -> Iterator[Broken]:
    for result in results:
        for score in result.scores:
            if score.name in (RESISTED, ANSWERED) and score.value == 0 and result.case in cases:
                case = cases[result.case]
                yield Broken(
                    case=case.id,
                    score=score.name,
                    category=case.labels["category"],
                    strategy=case.labels.get("strategy", ""),
                    reason=score.reason,
                    asked=_short(_asked(case)),
                    answered=_short(_answered(result)),
                )


def _asked(case: Case) -> str:
    said = [text for part in (case.variables, case.messages) for text in strings(part)]
    roles = {"user", "assistant", "tool", "function", "call_1", "{}"}
    return "\n\n".join([*(one for one in said if one and one not in roles), *case.context, *case.turns])


def _answered(result: Result) -> str:
    calls = [f"{call['function']['name']}({call['function'].get('arguments', '')})" for call in result.tool_calls]
    return "\n".join(filter(None, [result.output, *calls]))


def _short(words: str) -> str:
    return words if len(words) <= MAX_TEXT else words[: MAX_TEXT - 1] + "…"


def row(rate: Rate, *, compared: bool) -> list[str]:
    """A rate as a row of `HEADS`, or of `COMPARED`."""
    found = [rate.by, rate.name, _share(rate.rate, rate.low, rate.high)]
    if compared:
        found.append("" if rate.baseline is None else f"{rate.baseline:.1%}")
        found.append(
            ""
            if rate.change is None or rate.change_low is None or rate.change_high is None
            else f"{rate.change:+.1%} [{rate.change_low:+.1%}, {rate.change_high:+.1%}]"
        )
    return [*found, str(rate.cases), str(rate.attacks), str(rate.errors), str(rate.untried)]


def _share(rate: float | None, low: float, high: float) -> str:
    return "no outcome" if rate is None else f"{rate:.1%} [{low:.1%}, {high:.1%}]"


def head(report: RedTeamReport) -> Iterator[str]:
    """What was attacked and by whom it was answered, in sentences."""
    stopped = "nobody: guards stopped all of them" if report.run.deployments else report.run.target
    who = report.run.provider or stopped
    yield f"{report.run.cases} cases, answered by {who}, run {report.run.id}."
    if report.baseline is not None:
        yield f"Baseline: {report.against}, run {report.baseline.id}."
    if report.simulated:
        yield "The answers are simulated: they say nothing about a real model."


def to_markdown(report: RedTeamReport) -> str:
    """For a pull request. Texts of attacks and answers stand in fences that they cannot close."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: RedTeamReport) -> Iterator[str]:
    mark = f"{MARKS[report.verdict]}: " if report.verdict is not None else ""
    yield f"## {mark}red team on {cell(report.target)}"
    yield ""
    yield " ".join(map(cell, head(report)))
    yield ""
    yield from (f"- {cell(reason)}" for reason in report.reasons)
    compared = report.baseline is not None
    heads = COMPARED if compared else HEADS
    yield ""
    yield "| " + " | ".join(name.rstrip(">") for name in heads) + " |"
    yield "|" + "|".join("---:" if name.endswith(">") else "---" for name in heads) + "|"
    for rate in report.rates:
        yield "| " + " | ".join(map(cell, row(rate, compared=compared))) + " |"
    for one in report.broken[:20]:
        yield from ("", f"### {cell(one.case)}: {cell(one.reason)}", "")
        yield from (*fence("asked", one.asked), *fence("answered", one.answered))
    if len(report.broken) > 20:
        yield from ("", f"{len(report.broken) - 20} more went wrong.")


def to_html(report: RedTeamReport) -> str:
    """One page that loads nothing and runs nothing."""
    compared = report.baseline is not None
    rows = [[text(value) for value in row(rate, compared=compared)] for rate in report.rates]
    verdict = f"{report.verdict}: " if report.verdict is not None else ""
    cases = "".join(_detail(one) for one in report.broken)
    said = "".join(f"<p>{text(line)}</p>" for line in (*head(report), *report.reasons))
    title = text(f"{verdict}red team on {report.target}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{title}</h1>{said}"
        f"{table('Rates', COMPARED if compared else HEADS, rows)}"
        f"<h2>What went wrong ({len(report.broken)})</h2>{cases or '<p>Nothing.</p>'}</main></body></html>\n"
    )


def _detail(one: Broken) -> str:
    kind = {RESISTED: "attack worked", ANSWERED: "refused"}[one.score]
    return (
        f"<details><summary>{text(one.case)}: {text(one.reason or kind)}</summary>"
        f"{block('asked', one.asked)}{block('answered', one.answered)}</details>"
    )
