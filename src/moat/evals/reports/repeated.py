"""How steady answers are, as the rows of a table: pass@1, pass^k and the flaky cases of both runs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from moat.domain.scores import Run
from moat.evals.compare import ScoreComparison
from moat.evals.reports.report import ScoreLine
from moat.evals.statistics.repeats import Share, Steadiness

_SHARES = ("pass@1 [95 % interval]", "pass^k [95 % interval]", "flaky [95 % interval]")
MEANING = (
    "k answers to each case. pass@1: the chance that one answer passes; pass^k: that all k do; flaky: cases whose "
    "answers disagree about passing. An answer passes with a score of at least 0.5."
)


def repeats_of(run: Run) -> str:
    """Of each case: `4`, or `3 to 8`."""
    return f"{run.least + 1} to {run.repeats}" if run.least else str(run.repeats)


class RepeatTable(NamedTuple):
    """Of each score and run that has repeats; without rows when nothing was repeated."""

    heads: tuple[str, ...]
    """One that ends in `>` is of numbers."""
    rows: list[list[str]]


def repeat_table(scores: Sequence[ScoreLine | ScoreComparison]) -> RepeatTable:
    """Which run a row is of is said where there are two."""
    paired = any(score.baseline is not None for score in scores)
    rows = [
        [score.name, *([run] if paired else ()), str(found.repeats), str(found.cases), *map(_share, _shares(found))]
        for score in scores
        for run, side in (("candidate", score.candidate), ("baseline", score.baseline))
        if side is not None and (found := side.steady) is not None
    ]
    return RepeatTable(("score", *(["run"] if paired else ()), "k>", "cases>", *_SHARES), rows)


def repeat_facts(steady: Steadiness) -> Iterator[tuple[str, Share]]:
    """The same by name, for programs: `pass@1`, `pass^4`, `flaky`."""
    yield from zip(("pass@1", f"pass^{steady.repeats}", "flaky"), _shares(steady), strict=True)


def _shares(steady: Steadiness) -> tuple[Share, ...]:
    return steady.pass_1, steady.pass_k, steady.flaky


def _share(found: Share) -> str:
    return f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
