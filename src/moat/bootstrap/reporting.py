"""Reports on stored runs: the suite, the cases and the answers brought together again."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.gating_judges import judge_marks, unproven
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State
from moat.bootstrap.suites import load_suites, shown
from moat.domain.errors import NotFound
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import Dataset, load_dataset, select
from moat.evals.gate import GateReport, judge, slices_of
from moat.evals.reports.report import RunReport, build_report
from moat.evals.running.stored import StoredResults
from moat.evals.suites import Suite


def stored_report(
    project: Project, state: State, run_id: str, *, baseline_id: str = "", slice_by: Sequence[str] = ()
) -> RunReport:
    """The report on a stored run, against another when one is named; sliced by `slice_by`, else as its suite says.

    Raises `NotFound` when a run, or the suite, is gone, and `ConflictError` when the data changed since the run.
    """
    suite, dataset, comparison = stored_scores(project, state, run_id, baseline_id)
    found = judge(comparison, suite.gates, unproven(judge_marks(project, suite, comparison)))
    return judged_report(project, state, suite, dataset, found, slice_by)


class StoredScores(NamedTuple):
    """What a stored run scored, and what it was asked."""

    suite: Suite
    dataset: Dataset
    comparison: Comparison


def stored_scores(project: Project, state: State, run_id: str, baseline_id: str = "") -> StoredScores:
    """The scores of a stored run, against another when one is named. Raises as `stored_report`."""
    run = state.runs.get(run_id)
    evaluating = Evaluating(project, state, environment())
    dataset = evaluating.asked(run)
    suite = evaluating.suites[run.suite]
    baseline = _measured(state, baseline_id) if baseline_id else None
    comparison = compare(
        baseline,
        _measured(state, run.id),
        dataset,
        slices_of(suite.gates),
        stopping=evaluating.stopping(suite, run, baseline.run if baseline else None),
    )
    return StoredScores(suite, dataset, comparison)


def judged_report(
    project: Project, state: State, suite: Suite, dataset: Dataset, found: GateReport, slice_by: Sequence[str] = ()
) -> RunReport:
    """The report on what a gate found about stored runs. The suite is pinned to the project."""
    comparison = found.comparison
    return build_report(
        found,
        _measured(state, comparison.candidate.id),
        dataset,
        baseline=_measured(state, comparison.baseline.id) if comparison.baseline else None,
        slice_by=slice_by or suite.slices,
        marks=judge_marks(project, suite, comparison),
        scorers=suite.scorers,
    )


def suite_cases(root: Path, name: str) -> Dataset:
    """The cases that a suite of the project at or above a folder asks. Raises `NotFound`, or what is wrong with it."""
    project = Project.find(root)
    suites = load_suites(project.root)
    if name not in suites:
        raise NotFound(f"there is no suite {name!r}", where="evals/", remedy=f"Suites: {', '.join(suites) or 'none'}.")
    suite = suites[name]
    return select(load_dataset(suite.dataset, name=shown(suite.dataset, project.root)), suite.split)


def _measured(state: State, run_id: str) -> Measured:
    run = state.runs.get(run_id)
    return Measured(run, StoredResults(state.runs, run.id))
