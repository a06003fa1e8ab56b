"""A report as one HTML file: no network, a content security policy by hash, readable without its script."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files

from moat.domain.usage import format_usd
from moat.evals.gate import describe_p
from moat.evals.reports.html_cases import all_cases, changed_cases
from moat.evals.reports.page import chip, short_ns, table, text
from moat.evals.reports.plots import difference_plot, histogram, mean_plot, quantile_plot
from moat.evals.reports.repeated import MEANING, repeat_table, repeats_of
from moat.evals.reports.report import RunReport, ScoreLine, Totals, subject
from moat.evals.reports.slicing import Slice

HISTOGRAMS = 12
VERDICTS = {"pass": "Pass", "regressed": "Regressed", "inconclusive": "Inconclusive"}


def to_html(report: RunReport) -> str:
    """The whole page."""
    folder = files("moat.evals.reports") / "assets"
    css, js = ((folder / name).read_text("utf-8") for name in ("report.css", "report.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(js)}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(report.title)}</title>\n<style>{css}</style>\n</head>\n<body>\n<main>\n"
        + "".join(_parts(report))
        + f"</main>\n<script>{js}</script>\n</body>\n</html>\n"
    )


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _parts(report: RunReport) -> Iterator[str]:
    yield from _head(report)
    yield from _gates(report)
    yield from _scores(report)
    yield from _repeats(report)
    yield from _distributions(report)
    yield from _slices(report.slices)
    yield from _effort(report)
    yield from changed_cases(report)
    yield from all_cases(report)
    yield f"<footer>Moat report of run <code>{text(report.run.id)}</code>.</footer>\n"


def _head(report: RunReport) -> Iterator[str]:
    run, baseline = report.run, report.baseline
    yield f'<p class="eyebrow">Evaluation · {text(run.suite)}</p>\n<h1>{text(subject(run))}'
    yield f' <span class="soft">against {text(_against(report))}</span></h1>\n' if baseline else "</h1>\n"
    verdict = chip(report.verdict, VERDICTS[report.verdict]) if report.verdict else chip("none", "No gates")
    yield f'<p class="verdict">{verdict}<span>{text(report.summary)}</span></p>\n'
    if report.simulated:
        yield '<p class="note">The answers are simulated: they say nothing about a real model.</p>\n'
    for score in report.scores:
        if score.mark is not None and not score.mark.trusted:
            yield f'<p class="note">{text(score.name)}: {text(score.mark.text)}</p>\n'
    facts = {
        "Cases": f"{run.cases}" + (f" × {repeats_of(run)} repeats" if run.repeats > 1 else ""),
        "Model": ", ".join(filter(None, (run.model, *run.deployments))),
        "Answered by": run.provider,
        "Split": run.split,
        "Run": run.id,
        "Baseline run": baseline.id if baseline else "",
        "Data": run.dataset_digest[:19],
        "Commit": run.commit[:12],
        "Author": run.author,
        "When": _when(run.finished_ns or run.created_ns),
    }
    rows = (f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in facts.items() if value)
    yield f'<dl class="facts">{"".join(rows)}</dl>\n'


def _against(report: RunReport) -> str:
    assert report.baseline is not None
    old, new = report.baseline, report.run
    if old.prompt == new.prompt and old.version != new.version and old.version:
        return old.version
    return subject(old) if subject(old) != subject(new) else f"run {old.id}"


def _when(nanoseconds: int) -> str:
    return f"{datetime.fromtimestamp(nanoseconds / 1e9, UTC):%Y-%m-%d %H:%M} UTC" if nanoseconds else ""


def _gates(report: RunReport) -> Iterator[str]:
    if not report.gates:
        return
    yield "<h2>Gates</h2>\n"
    rows = []
    for result in report.gates:
        demands = [f"at least {result.gate.min:g}"] if result.gate.min is not None else []
        demands += [f"loss at most {result.gate.margin:g}"] if result.gate.margin is not None else []
        more = f"; {result.way_out}" if result.way_out else ""
        where = result.gate.where
        name = text(result.gate.score) + (f' <span class="soft">where {text(where)}</span>' if where else "")
        rows.append(
            [name, chip(result.verdict, result.verdict), text(", ".join(demands)), text(f"{result.reason}{more}")]
        )
    yield table("What must hold, and whether it does.", ["gate", "verdict", "demands", "why"], rows)


def _scores(report: RunReport) -> Iterator[str]:
    yield "<h2>Scores</h2>\n"
    margins = {result.gate.score: result.gate.margin for result in report.gates if not result.gate.where}
    heads = ["score", "mean>", "0 to 1", "cases>"]
    caption = "Mean over cases, with its 95 % interval."
    reach = 0.05
    if report.baseline:
        heads += ["baseline>", "difference>", "loss | gain", "worse>", "better>", "can detect>"]
        seen = [score.difference for score in report.scores if score.difference]
        reach = max([reach, *(max(abs(d.low), abs(d.high)) for d in seen if d.n > 1)])
        caption += f" Differences are paired by case and drawn from −{reach:.2f} to +{reach:.2f}; shaded: the margin."
    yield table(
        caption,
        heads,
        (_score(line, margins.get(line.name), reach, paired=bool(report.baseline)) for line in report.scores),
    )


def _score(line: ScoreLine, margin: float | None, reach: float, *, paired: bool) -> list[str]:
    now, was, moved = line.candidate, line.baseline, line.difference
    name = text(line.name) + (' <span class="soft">gated</span>' if line.gated else "")
    if line.mark is not None:
        name += f'<div class="soft">{text(line.mark.text)}</div>'
    failed = f'<div class="soft">{now.missing} failed</div>' if now.missing else ""
    if now.mean is None:
        return [name, "–", "", f"0{failed}"] + [""] * (6 if paired else 0)
    mean = f"{now.mean:.3f}"
    if line.mark is not None and line.mark.mean is not None:
        mean += f'<div class="soft">corrected {line.mark.mean:.3f}</div>'
    if line.corpus is not None:
        mean += f'<div class="soft">{line.corpus:.3f} over all answers at once</div>'
    old = was.mean if was else None
    row = [name, mean, mean_plot(now.mean, now.low, now.high, old), f"{now.n}{failed}"]
    if not paired:
        return row
    if moved is None:
        return [*row, "–" if old is None else f"{old:.3f}", "–", "", "", "", ""]
    return [
        *row,
        "–" if old is None else f"{old:.3f}",
        f'{moved.mean:+.3f}<div class="soft">{describe_p(moved.p)}</div>',
        difference_plot(moved.mean, moved.low, moved.high, reach, margin),
        str(line.worse),
        str(line.better),
        "–" if line.detectable is None else f"{line.detectable:.3f}",
    ]


def _repeats(report: RunReport) -> Iterator[str]:
    heads, rows = repeat_table(report.scores)
    if rows:
        yield "<h2>Repeats</h2>\n"
        yield table(MEANING, heads, ([text(cell) for cell in row] for row in rows))


def _distributions(report: RunReport) -> Iterator[str]:
    figures = []
    for line in report.scores[:HISTOGRAMS]:
        pairs = [one.scores[line.name] for one in report.cases.outlines if line.name in one.scores]
        new = [now for now, _ in pairs if now is not None]
        old = [was for _, was in pairs if was is not None]
        if new:
            figures.append(
                f"<figure>{histogram(new, old)}"
                f'<div class="ends" aria-hidden="true"><span>0</span><span>1</span></div>'
                f"<figcaption>{text(line.name)}</figcaption></figure>"
            )
    if figures:
        yield "<h2>Distribution</h2>\n"
        outline = " An outline is the baseline." if report.baseline else ""
        yield f'<p class="soft">Cases by their score.{outline}</p>\n<div class="small">{"".join(figures)}</div>\n'


def _slices(found: Sequence[Slice]) -> Iterator[str]:
    if not found:
        return
    paired = any(one.difference is not None for one in found)
    yield "<h2>Slices</h2>\n"
    if paired:
        yield (
            '<p class="soft">p-values are adjusted over all slices and scores (Benjamini-Hochberg): of the ones '
            "marked as moved about 5 % are not.</p>\n"
        )
    reach = max([0.05, *(max(abs(s.difference_low or 0), abs(s.difference_high or 0)) for s in found if not s.few)])
    heads = ["slice", "cases>", "mean>", "0 to 1"] + (["difference>", "loss | gain", "p>"] if paired else [])
    for index, score in enumerate(dict.fromkeys(one.score for one in found)):
        mine = sorted((one for one in found if one.score == score), key=lambda one: (not one.moved, one.few))
        moved = sum(one.moved for one in mine)
        said = f" · {moved} moved" if moved else ""
        rows = (_slice(one, reach, paired=paired) for one in mine)
        yield (
            f'<details class="slices"{" open" if index == 0 or moved else ""}><summary>{text(score)}'
            f'<span class="soft"> · {len(mine)} slices{said}</span></summary>'
            f"{table(f'{score} by slice', heads, rows, hidden=True)}</details>\n"
        )


def _slice(one: Slice, reach: float, *, paired: bool) -> list[str]:
    few = ' <span class="soft">few cases</span>' if one.few else ""
    row = [
        f"{text(one.name)}{few}",
        str(one.n),
        f"{one.mean:.3f}",
        mean_plot(one.mean, one.low, one.high, one.baseline),
    ]
    if not paired:
        return row
    if one.difference is None or one.difference_low is None or one.difference_high is None or one.p is None:
        return [*row, "–", "", ""]
    moved = f"<div>{chip('worse-chip' if one.difference < 0 else 'better-chip', 'moved')}</div>" if one.moved else ""
    plot = difference_plot(one.difference, one.difference_low, one.difference_high, reach, sure=one.moved)
    return [*row, f"{one.difference:+.3f}", plot, f"{describe_p(one.p).removeprefix('p ').removeprefix('= ')}{moved}"]


def _effort(report: RunReport) -> Iterator[str]:
    yield "<h2>Time and cost</h2>\n"
    sides = [("candidate", report.totals, "new")]
    if report.baseline_totals:
        sides.append(("baseline", report.baseline_totals, "old"))
    most = max((side.latency_ns[5] for _, side, _ in sides if side.latency_ns), default=0)
    heads = [
        "",
        "answers>",
        "failed>",
        "median>",
        "95 %>",
        "99 %>",
        "5 to 95 %",
        "tokens in>",
        "out>",
        "cost>",
        "each>",
    ]
    yield table(
        "Latency is of whole answers, retries and waiting included; cost without what scoring took.",
        heads + (["scoring>"] if any(side.scoring_cost for _, side, _ in sides) else []),
        (_totals(name, side, most, kind, len(heads)) for name, side, kind in sides),
    )


def _totals(name: str, side: Totals, most: int, kind: str, columns: int) -> list[str]:
    priced = side.answers - side.errors - side.unpriced
    latency = side.latency_ns
    times = [short_ns(latency[index]) for index in (3, 5, 6)] if latency else ["–"] * 3
    said = f"median {times[0]}, 95 % {times[1]}"
    row = [
        name,
        str(side.answers),
        str(side.errors),
        *times,
        quantile_plot(latency, most, said, kind) if latency else "",
        f"{side.input_tokens:,}",
        f"{side.output_tokens:,}",
        (format_usd(side.cost) if priced else "unknown")
        + (f'<div class="soft">{side.unpriced} without a price</div>' if side.unpriced and priced else ""),
        format_usd(side.cost // priced) if priced else "–",
    ]
    return row + ([format_usd(side.scoring_cost)] if side.scoring_cost else [])
