"""The cases of an HTML report: the most telling ones in the page itself, all of them in a list that a script fills."""

from collections.abc import Iterator, Sequence

import msgspec

from moat.domain.scores import Result
from moat.evals.reports.cases import CaseReport
from moat.evals.reports.explorer import case_data, conversation, input_of
from moat.evals.reports.page import block, chip, text
from moat.evals.reports.report import RunReport
from moat.prompts.diff import Piece, words

CHANGED = 20
"""Cases that stand in the page itself, with the difference of their answers, for readers without scripts."""
MAX_TEXT = 4000


def changed_cases(report: RunReport) -> Iterator[str]:
    """What got worse or failed, the largest loss first."""
    outlines = report.cases.outlines
    top = [place for place, one in enumerate(outlines) if one.change in ("worse", "mixed") or one.failed]
    if not top:
        return
    worse = sum(outlines[place].change == "worse" for place in top)
    title = "What got worse" if report.baseline else "What failed"
    yield f"<h2>{title}</h2>\n"
    if report.baseline:
        yield f'<p class="soft">{worse} cases got worse; {sum(outlines[place].failed for place in top)} failed.</p>\n'
    for place in top[:CHANGED]:
        yield _case(report.cases[place])
    if len(top) > CHANGED:
        yield f'<p class="soft">{len(top) - CHANGED} more stand in the list below.</p>\n'


def _case(one: CaseReport) -> str:
    kind = "failed" if one.failed else one.change
    moved = [
        f"{text(name)} {was:.2f} → {now:.2f}"
        for name, (now, was) in one.scores.items()
        if now is not None and was is not None and now != was
    ]
    golden = ' <span class="soft">golden</span>' if one.case.golden else ""
    facts = block("Input", _shown(input_of(one.case)))
    if one.case.expected is not None:
        facts += block("Expected", _shown(one.case.expected))
    now = _telling(one.candidate)
    was = next((r for r in one.baseline if now and r.repeat == now.repeat), None)
    pieces = words(was.output[:MAX_TEXT], now.output[:MAX_TEXT]) if now and was and not (now.error or was.error) else ()
    sides = _answer("Baseline", was, pieces, "new") if was else ""
    sides += _answer("Candidate" if was else "Answer", now, pieces, "gone") if now else ""
    return (
        f'<details class="case"><summary>{chip(f"{kind}-chip", kind)} <strong>{text(one.case.id)}</strong>{golden} '
        f'<span class="soft">{", ".join(moved)}</span></summary><div class="inside">'
        f'<div class="sides">{facts}</div><div class="sides">{sides}</div></div></details>\n'
    )


def _telling(results: Sequence[Result]) -> Result | None:
    """The repeat that says most about a failure: one without an answer, else the worst."""

    def worth(result: Result) -> float:
        return -1.0 if result.error else sum(s.value or 0.0 for s in result.scores)

    return min(results, key=worth, default=None)


def _answer(label: str, result: Result, pieces: Sequence[Piece], other: str) -> str:
    if result.error:
        return f"<div>{block(f'{label}: no answer', result.error)}</div>"
    tags = {"same": "", "gone": "del", "new": "ins"}
    marked = "".join(
        f"<{tags[p.kind]}>{text(p.text)}</{tags[p.kind]}>" if tags[p.kind] else text(p.text)
        for p in pieces
        if p.kind != other
    )
    cut = "…" if len(result.output) > MAX_TEXT else ""
    found = block(label, (marked if pieces else text(result.output[:MAX_TEXT])) + cut, ready=True)
    if result.tool_calls:
        found += block(f"{label}: tool calls", _shown(result.tool_calls))
    scores = "".join(
        f"<li><strong>{text(s.name)}</strong> {s.status.replace('_', ' ') if s.value is None else f'{s.value:.2f}'}"
        f' <span class="soft">{text(s.reason)}</span></li>'
        for s in result.scores
    )
    found += f'<ul class="scores">{scores}</ul>'
    if result.messages:
        found += block(f"{label}: conversation", conversation(result.messages)[:MAX_TEXT])
    return f"<div>{found}</div>"


def _shown(value: object) -> str:
    shown = value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return shown if len(shown) <= MAX_TEXT else shown[:MAX_TEXT] + "…"


def all_cases(report: RunReport) -> Iterator[str]:
    """The list of all cases, which the page's script fills."""
    data, left_out = case_data(report)
    tags = sorted({tag for one in report.cases.outlines for tag in one.case.tags})
    changes = ["worse", "better", "mixed", "single", "same"] if report.baseline else []
    yield "<h2>All cases</h2>\n"
    yield "<noscript><p>This list needs JavaScript; the JSON report has it too.</p></noscript>\n"
    yield '<div id="explorer" hidden>\n<div class="controls">\n'
    yield '<label>Search<input id="search" type="search" autocomplete="off"></label>\n'
    yield _choice("change", "Show", ["failed", *changes])
    yield _choice("tag", "Tag", tags)
    yield '<span id="count" class="soft" role="status"></span>\n</div>\n'
    heads = "".join(
        f'<th scope="col" class="num" data-score="{index}">'
        f'<button class="plain" type="button">{text(line.name)}</button></th>'
        for index, line in enumerate(report.scores)
    )
    yield (
        '<div class="wide" tabindex="0" role="region" aria-label="All cases"><table id="cases" aria-label="All cases">'
        f'<thead><tr><th scope="col">case</th><th scope="col">state</th>{heads}<th scope="col">tags</th></tr></thead>'
        "<tbody></tbody></table></div>\n"
        '<p class="more"><button id="more" type="button" hidden>Show more</button></p>\n</div>\n'
    )
    if left_out:
        yield f'<p class="note">{left_out} more cases have no room here: the JSON and Parquet reports have all.</p>\n'
    yield f'<script type="application/json" id="data">{data.decode("utf-8", "replace")}</script>\n'


def _choice(name: str, label: str, options: Sequence[str]) -> str:
    rows = "".join(f'<option value="{text(option)}">{text(option)}</option>' for option in options)
    return f'<label>{label}<select id="{name}"><option value="">all</option>{rows}</select></label>\n'
