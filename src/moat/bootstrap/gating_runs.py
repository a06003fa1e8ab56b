"""The runs behind a gate: both sides of each pair, from the store where they are there, judged as one family."""

import asyncio
import difflib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from moat.bootstrap.evaluating import Evaluating, Watch
from moat.bootstrap.gating_judges import judge_marks, unproven
from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.domain.errors import RequestError
from moat.domain.releases import PromptVersion, digest
from moat.domain.scores import Judgement, Run
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import Dataset
from moat.evals.early import Stopping, looks, random_units, stopping
from moat.evals.gate import GateReport, Question, judge, judge_all, slices_of
from moat.evals.project_code import instead
from moat.evals.reports.report import Mark
from moat.evals.running.evaluation import Evaluation
from moat.evals.running.stored import StoredResults
from moat.evals.suites import Gate, Suite

Watching = Callable[[str], AbstractContextManager[Watch]]
"""Makes something that shows the progress of a run with a title."""

Thresholds = Mapping[str, float]
"""The least mean of scores that a command demands beside the suites' gates, by name."""


class Side(NamedTuple):
    """One side of a comparison: what is asked, and by whom."""

    evaluating: Evaluating
    evaluation: Evaluation


class Measurement(NamedTuple):
    """One suite on both sides."""

    comparison: Comparison
    suite: Suite
    dataset: Dataset
    marks: Mapping[str, Mark]
    """What is known of judges, by score."""
    reused: tuple[str, ...]
    """Ids of runs that were stored before."""


class Measuring:
    """Runs and compares; judges at last, when everything is there."""

    def __init__(self, project: Project, state: State, thresholds: Thresholds, watching: Watching) -> None:
        self._project = project
        self._runs = state.runs
        self._watching = watching
        self._thresholds = thresholds

    def tests(self, suites: Iterable[Suite]) -> int:
        """How many tests all gates of some suites are, at most: among so many alpha is split."""
        gates = [gate for suite in suites for gate in self._gates(suite)]
        return sum((gate.margin is not None) + (gate.min is not None) for gate in gates)

    def measure(self, candidate: Side, baseline: Side | Run | None, *, tests: int = 0) -> Measurement:
        """Ask what is not stored, the baseline first: a secret then stays with the host that it was used with before.

        `tests` is what `tests` says of all that is judged together. Raises a `MoatError` when a side cannot be asked.
        """
        began = time.time_ns()
        suite = candidate.evaluation.suite
        rule = stopping(suite, max(tests, self.tests([suite]))) if baseline is not None else None
        comparison = self._compared(candidate, baseline, rule)
        reused = tuple(
            run.id for run in (comparison.baseline, comparison.candidate) if run is not None and run.finished_ns < began
        )
        marks = judge_marks(self._project, suite, comparison)
        return Measurement(comparison, suite, candidate.evaluation.dataset, marks, reused)

    def stored_at(self, evaluation: Evaluation, commit: str) -> Run | None:
        """The newest finished run of exactly this, made at a commit with no file edited; at any, of a settled target.

        For what cannot be asked any more: the service of the merge base, say.
        """
        found = (run for run in evaluation.stored(self._runs) if run.status == "finished")
        return next((run for run in found if evaluation.settled or run.commit == commit), None)

    def judge(self, measured: Sequence[Measurement]) -> list[GateReport]:
        """All of them at once, with the thresholds of the command.

        What the suites' own gates find is stored, unless both sides are the same: then nothing was compared.
        """
        reports = judge_all([Question(m.comparison, self._gates(m.suite), unproven(m.marks)) for m in measured])
        for measurement, report in zip(measured, reports, strict=True):
            if not measurement.comparison.identical:
                self._record(measurement, report)
        return reports

    def _gates(self, suite: Suite) -> tuple[Gate, ...]:
        """The suite's, and the command's thresholds: what a suite allows of a judge it allows there too."""
        names = {scorer.name for scorer in suite.scorers}
        allowed = {gate.score: gate.uncalibrated for gate in suite.gates if not gate.where}
        asked = {name: least for name, least in self._thresholds.items() if name in names}
        return (
            *suite.gates,
            *(Gate(score=name, min=least, uncalibrated=allowed.get(name, "refuse")) for name, least in asked.items()),
        )

    def _record(self, measurement: Measurement, report: GateReport) -> None:
        comparison, gates = measurement.comparison, measurement.suite.gates
        own = report if len(report.gates) == len(gates) else judge(comparison, gates, unproven(measurement.marks))
        self._runs.judge(
            Judgement(
                run=comparison.candidate.id,
                gates_digest=digest(gates),
                baseline=comparison.baseline.prompt_digest if comparison.baseline else "",
                verdict=own.verdict,
                created_ns=time.time_ns(),
                tests=comparison.early.tests if comparison.early else 0,
            )
        )

    def _compared(self, candidate: Side, baseline: Side | Run | None, rule: Stopping | None) -> Comparison:
        """Look by look until it is decided, where the suite stops early; the thresholds of a command need all cases."""
        evaluation = candidate.evaluation
        suite, dataset = evaluation.suite, evaluation.dataset
        parts: Iterator[frozenset[str] | None] = iter([None])
        old: Run | None = None
        new: Run | None = None
        if rule is not None and not any(scorer.name in self._thresholds for scorer in suite.scorers):
            new = candidate.evaluating.stored_or_new(evaluation)
            parts = looks(random_units(dataset, new.id))
        while True:
            only = next(parts)
            old = self._run(baseline, old, only) if isinstance(baseline, Side) else baseline
            new = self._run(candidate, new, only)
            found = compare(
                self.measured(old) if old is not None else None,
                self.measured(new),
                dataset,
                slices_of(suite.gates),
                stopping=rule,
            )
            early = found.early
            if early is None or early.asked == early.cases or (early.decided and not found.identical):
                return found

    def _run(self, side: Side, known: Run | None, only: frozenset[str] | None) -> Run:
        evaluation = side.evaluation
        with self._watching(f"{evaluation.suite.name} on {evaluation.target.name}") as watch:
            old, root = side.evaluating.project.root, self._project.root
            with instead(old, root) if old != root else nullcontext():
                return asyncio.run(side.evaluating.run(evaluation, fresh=False, watch=watch, known=known, only=only))

    def measured(self, run: Run) -> Measured:
        """A stored run with its results."""
        return Measured(run, StoredResults(self._runs, run.id))


def check_thresholds(thresholds: Thresholds, suites: Sequence[Suite]) -> None:
    """Raise `RequestError` for a threshold on a score that no suite has, and for one that is no share."""
    known = sorted({scorer.name for suite in suites for scorer in suite.scorers})
    for name, least in thresholds.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"Did you mean --min-{close[0]}?" if close else f"There are: {', '.join(known) or 'none'}."
            raise RequestError(f"no suite has a score {name!r}", where=f"--min-{name}", remedy=remedy)
        if not 0 <= least <= 1:
            raise RequestError(f"{least:g} is no mean score", where=f"--min-{name}", remedy="Write it as 0.8.")


def side_of(evaluating: Evaluating, suite: Suite, prompt: PromptVersion | None, *, release: bool) -> Side:
    """A suite on a version, or on what it names itself; `release` opens its held-out cases."""
    if prompt is not None:
        evaluation = evaluating.target(suite, prompt, open_held_out=release)
    else:
        evaluation = evaluating.of_suite(suite, open_held_out=release)
    return Side(evaluating, evaluation)
