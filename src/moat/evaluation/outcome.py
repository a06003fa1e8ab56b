"""What an evaluation returns."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from moat.domain.errors import NotFound
from moat.domain.scores import Result, Verdict
from moat.evals.gate import describe
from moat.evals.reports.cases import CaseReport
from moat.evals.reports.files import write_report
from moat.evals.reports.report import RunReport, ScoreLine
from moat.evals.reports.tables import rows

PASSED = 0.5
"""The least score of a case that went well, where no gate says more."""
SHOWN = 5
"""Cases that a message shows."""
MAX_TEXT = 300


class EvalResult(NamedTuple):
    """One score of one answer."""

    metric: str
    score: float | None
    """0 to 1; None when it could not be had."""
    reasoning: str
    test_case_id: str
    repeat: int = 0
    error: str = ""
    """Why there is no score."""


class Outcome:
    """A finished evaluation: numbers, cases, and ways to show them. `str` of it reads well in an assertion."""

    def __init__(self, report: RunReport) -> None:
        self.report = report
        """Everything, as `moat.evals.reports.report.RunReport`."""

    @property
    def verdict(self) -> Verdict | None:
        """What the gates say; None where there are none."""
        return self.report.verdict

    @property
    def passes(self) -> bool:
        """Do all gates hold? Where there are none: has every case an answer, and no score below 0.5?"""
        if self.verdict is not None:
            return self.verdict == "pass"
        return all(case_passes(one, self.report) for one in self.report.cases)

    @property
    def scores(self) -> Mapping[str, float | None]:
        """Mean over cases by score; None where no case has a value."""
        return {line.name: line.candidate.mean for line in self.report.scores}

    @property
    def results(self) -> list[EvalResult]:
        """Every score of every answer."""
        return [found for one in self.report.cases for result in one.candidate for found in _results(result)]

    @property
    def failures(self) -> list[CaseReport]:
        """Cases that failed, or that did not go well; what got worse first."""
        return [one for one in self.report.cases if not case_passes(one, self.report)]

    def case(self, case_id: str) -> CaseReport:
        """One case with its answers. Raises `NotFound`."""
        for one in self.report.cases:
            if one.case.id == case_id:
                return one
        raise NotFound(f"there is no case {case_id!r}", where=self.report.run.suite)

    def summary(self) -> dict[str, dict[str, float | int | None]]:
        """By score: mean, least and most over cases, how many cases, and the ends of the mean's 95 % interval."""
        found: dict[str, dict[str, float | int | None]] = {}
        for line in self.report.scores:
            pairs = (one.scores.get(line.name, (None, None)) for one in self.report.cases)
            values = [value for value, _ in pairs if value is not None]
            found[line.name] = {
                "mean": line.candidate.mean,
                "min": min(values, default=None),
                "max": max(values, default=None),
                "count": line.candidate.n,
                "errors": line.candidate.missing,
                "low": line.candidate.low,
                "high": line.candidate.high,
            }
        return found

    def frame(self) -> list[dict[str, Any]]:
        """One dict for each case, repeat and score, as a data frame takes them: `pandas.DataFrame(outcome.frame())`."""
        return list(rows(self.report))

    def to_html(self, path: str | Path) -> Path:
        """Write the HTML report."""
        return self._write(path, "html")

    def to_markdown(self, path: str | Path) -> Path:
        """Write the Markdown report."""
        return self._write(path, "markdown")

    def to_junit(self, path: str | Path) -> Path:
        """Write the JUnit report."""
        return self._write(path, "junit")

    def to_json(self, path: str | Path) -> Path:
        """Write the JSON report."""
        return self._write(path, "json")

    def to_parquet(self, path: str | Path) -> Path:
        """Write the Parquet file."""
        return self._write(path, "parquet")

    def _write(self, path: str | Path, kind: str) -> Path:
        target = Path(path)
        write_report(self.report, target, kind)
        return target

    def __str__(self) -> str:
        """The verdict, the numbers, and the first cases that did not go well."""
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        """In one line, with what pytest shows of a failed assertion below it."""
        return f"<{self}>"

    def _lines(self) -> Iterator[str]:
        report = self.report
        state = report.verdict or ("pass" if self.passes else "fail")
        yield f"{report.title}: {state}, {report.run.cases} cases"
        if report.simulated:
            yield "answered by a simulated provider: this says nothing about a real model"
        for gate in report.gates:
            yield f"  gate {gate.gate.score}: {gate.verdict}: {gate.reason}"
        yield from map(_line, report.scores)
        failed = self.failures
        for one in failed[:SHOWN]:
            yield f"  case {one.case.id}"
            yield from (f"    {line}" for line in story(one))
        if len(failed) > SHOWN:
            yield f"  and {len(failed) - SHOWN} more cases"


def case_passes(one: CaseReport, report: RunReport) -> bool:
    """Has a case its answers, and is no gated score (no score, where nothing is gated) below 0.5?"""
    decisive = {line.name for line in report.scores if line.gated} or set(one.scores)
    values = [value for name, (value, _) in one.scores.items() if name in decisive and value is not None]
    return not one.failed and all(value >= PASSED for value in values)


def story(one: CaseReport) -> Iterator[str]:
    """A case as a person reads it: input, expectation, answers, and what scorers said."""
    yield f"input:    {_short(one.case.variables or one.case.messages)}"
    if one.case.expected is not None:
        yield f"expected: {_short(one.case.expected)}"
    for result in one.candidate:
        mark = f" (repeat {result.repeat})" if len(one.candidate) > 1 else ""
        yield f"error:    {_short(result.error)}{mark}" if result.error else f"output:   {_short(result.output)}{mark}"
        for score in result.scores:
            if score.status != "not_run" and score.value != 1:
                value = score.status if score.value is None else f"{score.value:.2f}"
                yield f"  {score.name}: {value}  {_short(score.reason)}".rstrip()
    for before in one.baseline[:1]:
        yield f"before:   {_short(before.output)}"


def _line(line: ScoreLine) -> str:
    now = line.candidate
    if now.mean is None:
        return f"  {line.name}: no case has a value, {now.missing} failed"
    mark = f"; {line.mark.text}" if line.mark else ""
    moved = f"; {describe(line.difference)}" if line.difference else ""
    failed = f", {now.missing} failed" if now.missing else ""
    return f"  {line.name}: {now.mean:.3f} [{now.low:.3f}, {now.high:.3f}] over {now.n} cases{failed}{moved}{mark}"


def _results(result: Result) -> Iterator[EvalResult]:
    for score in result.scores:
        error = "" if score.status == "ok" else result.error or score.reason or score.status
        yield EvalResult(score.name, score.value, score.reason, result.case, result.repeat, error)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
