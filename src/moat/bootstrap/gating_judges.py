"""What is known of the judges behind scores: whether they agree with people, and what their means would be then."""

import time
from collections.abc import Mapping

from moat.bootstrap.project import Project
from moat.evals.calibration.correction import corrected
from moat.evals.calibration.standing import standing
from moat.evals.compare import Comparison
from moat.evals.reports.report import Mark
from moat.evals.suites import Suite


def judge_marks(project: Project, suite: Suite, comparison: Comparison) -> dict[str, Mark]:
    """By score, of those that are a judge's: what its calibration says today, and the candidate's mean corrected by it.

    The suite is pinned to the project. Raises `DocumentError` for a calibration that cannot be read.
    """
    marks = {}
    for scorer in suite.scorers:
        held = standing(scorer, project.root, time.time_ns())
        if held is None:
            continue
        score = comparison.score(scorer.name)
        known = held.calibration
        found = corrected(score.candidate, known) if score is not None and known is not None else None
        trusted = held.state == "calibrated"
        if found is None or found.mean is None:
            marks[scorer.name] = Mark(text=held.words, trusted=trusted)
        else:
            marks[scorer.name] = Mark(text=held.words, trusted=trusted, mean=found.mean, low=found.low, high=found.high)
    return marks


def unproven(marks: Mapping[str, Mark]) -> dict[str, str]:
    """Scores that may not gate, and why."""
    return {name: mark.text for name, mark in marks.items() if not mark.trusted}
