"""Stored runs as the API shows them: one run, its answers, two runs side by side."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from moat.bootstrap.eval_baselines import Baselines, Beside
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_judges import judge_marks, unproven
from moat.bootstrap.project import Project
from moat.domain.errors import MoatError, RequestError
from moat.domain.scores import Case, Result, Run
from moat.evals.case_scores import tabulate
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import Dataset
from moat.evals.gate import GateReport, judge, slices_of
from moat.evals.reports.cases import CaseReport, outlined
from moat.evals.reports.report import Mark, means, totals
from moat.evals.reports.slicing import measure_slices
from moat.evals.reports.views import (
    asked_case,
    change_counts,
    compared_case,
    compared_scores,
    gate_verdicts,
    run_answer,
    run_scores,
    run_totals,
    slice_changes,
)
from moat.evals.running.flips import phases_of
from moat.evals.running.stored import StoredResults
from moat.evals.slices import TAGS, belongs, check_path
from moat.evals.suites import Suite
from moat.ports.eval_views import (
    CasesWanted,
    GateVerdict,
    ResultsWanted,
    RunComparison,
    RunDetail,
    RunResult,
    RunResults,
    RunSlice,
    SliceChanges,
)
from moat.ports.runs import Runs

PAGE_BYTES = 4 * 2**20
"""A page ends when it has so much, whatever its limit."""
MAX_DIGITS = 9
"""Of a repeat in a page's place."""

Row = TypeVar("Row", bound=msgspec.Struct)
Made = TypeVar("Made")


class Told(NamedTuple):
    """What a run, or two, come to by the suite and the data as they are now."""

    suite: Suite
    dataset: Dataset
    comparison: Comparison
    marks: Mapping[str, Mark]
    found: GateReport


class LastMade:
    """What was made last of each kind, for whoever asks for its next page: thousands of cases are not paired anew."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[object, Any]] = {}

    def get(self, kind: str, of: object, make: Callable[[], Made]) -> Made:
        """It, when it was made of the same."""
        known = self._made.get(kind)
        if known is None or known[0] != of:
            self._made.pop(kind, None)  # two of them need not be in memory
            known = self._made[kind] = (of, make())
        found: Made = known[1]
        return found


class EvalReading:
    """Reads stored runs of one project, whose files are as they are now."""

    def __init__(self, project: Project, runs: Runs, evaluating: Evaluating, last: LastMade) -> None:
        self._project = project
        self._runs = runs
        self._evaluating = evaluating
        self._last = last
        self._baselines = Baselines(project, runs, evaluating)

    def detail(self, run_id: str, slice_by: Sequence[str]) -> RunDetail:
        """See `moat.ports.evaluations.Evaluations`."""
        for path in slice_by:
            check_path(path)
        run = self._runs.get(run_id)
        results = StoredResults(self._runs, run.id)
        beside = self._baselines.beside(run)
        told, missing = self._told_if_possible(run, beside)
        gates, summary = _gates(told, beside)
        return RunDetail(
            run=run,
            baseline=beside.run,
            chosen=beside.chosen,
            verdict=told.found.verdict if told is not None and gates else None,
            summary=summary,
            gates=gates,
            judgements=self._baselines.judgements(run, lambda: self._suite(run)),
            scores=run_scores(
                tabulate(results.scored(), run.repeats, phases_of(run)),
                run.cases if run.status == "finished" else len({result.case for result in results.scored()}),
                told.comparison if told is not None else None,
                told.suite if told is not None else self._suite(run),
                told.marks if told is not None else {},
            ),
            slices=self._slices(run, told, slice_by) if told is not None else (),
            totals=run_totals(totals(results.scored())),
            missing=missing or (beside.missing if beside.chosen == "none" else ""),
        )

    def results(self, run_id: str, wanted: ResultsWanted, limit: int) -> RunResults:
        """See `moat.ports.evaluations.Evaluations`."""
        run = self._runs.get(run_id)
        after = _place(wanted.after) if wanted.after else None
        taken: list[Result] = []
        for result in self._runs.scored(run.id, after):
            if _takes(wanted, result):
                taken.append(result)
                if len(taken) > limit:
                    break
        cases, missing = self._asked(run)
        ids = {result.case for result in taken[:limit]}
        whole = {(each.case, each.repeat): each for each in self._runs.each(run.id, ids)}
        rows = (_row(whole[each.case, each.repeat], cases.get(each.case)) for each in taken[:limit])
        shown = _bounded(rows)
        more = len(taken) > len(shown)
        return RunResults(
            results=tuple(shown),
            next=f"{shown[-1].answer.repeat}:{shown[-1].case}" if more else "",
            missing=missing,
        )

    def compare(self, run_id: str, baseline_id: str, wanted: CasesWanted, limit: int) -> RunComparison:
        """See `moat.ports.evaluations.Evaluations`."""
        run = self._runs.get(run_id)
        beside = Beside(self._runs.get(baseline_id), "asked") if baseline_id else self._baselines.beside(run)
        told = self._told(run, beside.run)
        new, old = StoredResults(self._runs, run.id), self._of(beside.run)
        outlines = self._outlines(told, run, beside.run)
        part = [one for one in outlines if _within(wanted, one.case)]
        chosen = [one for one in part if _changed(wanted, one)]
        begin = _position([one.case.id for one in chosen], wanted.after) if wanted.after else 0
        page = chosen[begin : begin + limit]
        ids = {one.case.id for one in page}
        now, before = _by_case(new.of(ids)), _by_case(old.of(ids) if old is not None else ())
        shown = _bounded(compared_case(one, now[one.case.id], before[one.case.id]) for one in page)
        gates, summary = _gates(told, beside)
        return RunComparison(
            candidate=run,
            baseline=beside.run,
            chosen=beside.chosen,
            missing=beside.missing,
            identical=told.comparison.identical,
            verdict=told.found.verdict if gates else None,
            summary=summary,
            gates=gates,
            scores=compared_scores(told.comparison, told.suite, told.marks),
            counts=change_counts(part),
            slices=self._changes(told, run, beside.run, outlines),
            cases=tuple(shown),
            next=shown[-1].case if shown and begin + len(shown) < len(chosen) else "",
        )

    def _told(self, run: Run, baseline: Run | None) -> Told:
        """Raises `NotFound` when the suite is gone, `ConflictError` for what does not compare."""
        dataset = self._evaluating.asked(run)
        suite = self._evaluating.suites[run.suite]
        rule = self._evaluating.stopping(suite, run, baseline)
        comparison = self._last.get(
            "comparison",
            (run, baseline, dataset.digest, suite.gates, rule),
            lambda: compare(
                Measured(baseline, StoredResults(self._runs, baseline.id)) if baseline is not None else None,
                Measured(run, StoredResults(self._runs, run.id)),
                dataset,
                slices_of(suite.gates),
                stopping=rule,
            ),
        )
        marks = judge_marks(self._project, suite, comparison)
        return Told(suite, dataset, comparison, marks, judge(comparison, suite.gates, unproven(marks)))

    def _outlines(self, told: Told, run: Run, baseline: Run | None) -> list[CaseReport]:
        """The cases in their order, without their answers."""

        def make() -> list[CaseReport]:
            new, old = StoredResults(self._runs, run.id), self._of(baseline)
            now = means(new.scored(), phases_of(run))
            then = means(old.scored(), phases_of(baseline)) if old is not None and baseline is not None else None
            return outlined(told.dataset, Measured(run, new), now, then, every=True)

        return self._last.get("outlines", (run, baseline, told.dataset.digest), make)

    def _changes(
        self, told: Told, run: Run, baseline: Run | None, outlines: Sequence[CaseReport]
    ) -> tuple[SliceChanges, ...]:
        paths = told.suite.slices or TAGS
        of = (run, baseline, told.dataset.digest, paths)
        return self._last.get("slices", of, lambda: slice_changes(outlines, paths))

    def _told_if_possible(self, run: Run, beside: Beside) -> tuple[Told | None, str]:
        """Or why it is not: the answers are there all the same."""
        try:
            return self._told(run, beside.run), ""
        except MoatError as error:
            return None, str(error)

    def _slices(self, run: Run, told: Told, paths: Sequence[str]) -> tuple[RunSlice, ...]:
        by_case = means(self._runs.scored(run.id), phases_of(run))
        found = measure_slices(told.dataset.cases, paths or told.suite.slices, by_case)
        return tuple(msgspec.convert(part, RunSlice, from_attributes=True) for part in found)

    def _asked(self, run: Run) -> tuple[dict[str, Case], str]:
        """The cases by id; nothing, and why, when they are not as they were."""
        try:
            return {case.id: case for case in self._evaluating.asked(run).cases}, ""
        except MoatError as error:
            return {}, str(error)

    def _suite(self, run: Run) -> Suite | None:
        """As it is now; None when it is gone or broken."""
        try:
            return self._evaluating.suites.get(run.suite)
        except MoatError:
            return None

    def _of(self, run: Run | None) -> StoredResults | None:
        return StoredResults(self._runs, run.id) if run is not None else None


def _gates(told: Told | None, beside: Beside) -> tuple[tuple[GateVerdict, ...], str]:
    """What the gates say, and in one line; nothing where what they compare with was not run."""
    if told is None or beside.chosen == "none":
        return (), ""
    return gate_verdicts(told.found), told.found.summary


def _row(result: Result, case: Case | None) -> RunResult:
    asked = asked_case(case) if case is not None else None
    return RunResult(case=result.case, asked=asked, answer=run_answer(result))


def _bounded(rows: Iterator[Row]) -> list[Row]:
    """As many as a page has room for; one at least."""
    shown: list[Row] = []
    size = 0
    for row in rows:
        shown.append(row)
        size += len(msgspec.json.encode(row))
        if size > PAGE_BYTES:
            break
    return shown


def _takes(wanted: ResultsWanted, result: Result) -> bool:
    scores = [score for score in result.scores if wanted.scorer in ("", score.name)]
    failed = bool(result.error) or any(score.status == "error" for score in scores)
    low = any(score.value is not None and wanted.below is not None and score.value < wanted.below for score in scores)
    return (
        (bool(scores) or not wanted.scorer or failed)
        and (wanted.below is None or low)
        and wanted.failed in (None, failed)
        and wanted.search.casefold() in result.case.casefold()
    )


def _within(wanted: CasesWanted, case: Case) -> bool:
    found = wanted.search.casefold() in case.id.casefold()
    return found and (not wanted.slice or belongs(case, wanted.slice))


def _changed(wanted: CasesWanted, one: CaseReport) -> bool:
    return wanted.change in ("", one.change) or (wanted.change == "changed" and one.change != "same")


def _place(text: str) -> tuple[str, int]:
    """Behind which case and repeat a page begins. Raises `RequestError`."""
    repeat, colon, case = text.partition(":")
    if not colon or not repeat.isascii() or not repeat.isdecimal() or len(repeat) > MAX_DIGITS:
        raise RequestError("is no page's `next`", where="after")
    return case, int(repeat)


def _position(ids: Sequence[str], after: str) -> int:
    """Where the page behind a case begins. Raises `RequestError` for a case that there is not."""
    if after not in ids:
        raise RequestError("is no page's `next`", where="after")
    return ids.index(after) + 1


def _by_case(results: Iterable[Result]) -> defaultdict[str, list[Result]]:
    found: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.case].append(result)
    return found
