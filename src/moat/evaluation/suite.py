"""Suites of a project, run and judged."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from moat.bootstrap.evaluating import Evaluating, Watch
from moat.bootstrap.gating_runs import Measuring, check_thresholds, side_of
from moat.bootstrap.project import Project
from moat.bootstrap.reporting import judged_report, stored_report
from moat.bootstrap.settings import environment
from moat.bootstrap.state import State, open_state
from moat.bootstrap.versions import find_version
from moat.domain.errors import NotFound, PromptError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Run
from moat.evals.running.evaluation import Evaluation
from moat.evals.suites import Suite
from moat.evaluation.outcome import Outcome
from moat.gateway.admission import DEFAULT_ENVIRONMENT


class Chosen(TypedDict, total=False):
    """What of a suite is run, against what."""

    prompt: str
    """`support/answer@1.1.0`, or only the version; not needed for a suite that names its target."""
    baseline: str
    """A version to compare with, or the id of a stored run."""
    model: str
    """Model alias instead of the prompt's own."""
    fresh: bool
    """Ask again even if this very run is stored."""


class _Suites:
    """One project's suites, opened for a while."""

    def __init__(self, project: Project, state: State) -> None:
        self.project = project
        self.state = state
        self.evaluating = Evaluating(project, state, environment())

    def suite(self, name: str) -> Suite:
        """By name. Raises `NotFound`."""
        known = self.evaluating.suites
        if name not in known:
            raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(known) or 'none'}.")
        return known[name]

    def version(self, suite: Suite, reference: str) -> PromptVersion:
        """`NAME@VERSION`, or a version of the suite's prompt. Raises `PromptError`, `NotFound`."""
        name, at, version = reference.rpartition("@")
        name = name if at else suite.prompt
        if name != suite.prompt:
            raise PromptError(f"the suite {suite.name!r} is about {suite.prompt!r}, not {name!r}", where="prompt")
        return find_version(self.project, self.state, name, version)

    def evaluation(self, suite: Suite, reference: str, model: str) -> Evaluation:
        """The suite on a version, or on the target that it names."""
        if reference:
            return self.evaluating.target(suite, self.version(suite, reference), model)
        return self.evaluating.of_suite(suite, model)

    async def run(self, evaluation: Evaluation, *, fresh: bool = False) -> Run:
        """The stored run of exactly this, or a new one."""
        return await self.evaluating.run(evaluation, fresh=fresh, watch=lambda _: None)

    def outcome(self, candidate: Run, baseline: str) -> Outcome:
        """With the report."""
        return Outcome(stored_report(self.project, self.state, candidate.id, baseline_id=baseline))


async def evaluate_suite(name: str, chosen: Chosen, project: str | Path | None) -> Outcome:
    """Run a suite. Raises a `MoatError`."""
    with _opened(project) as opened:
        suite = opened.suite(name)
        model, fresh = chosen.get("model", ""), chosen.get("fresh", False)
        baseline = chosen.get("baseline", "")
        if baseline and not baseline.startswith("run_"):
            against = opened.evaluating.target(suite, opened.version(suite, baseline), model)
            baseline = (await opened.run(against)).id
        candidate = await opened.run(opened.evaluation(suite, chosen.get("prompt", ""), model), fresh=fresh)
        return opened.outcome(candidate, baseline)


def gate_suite(name: str, chosen: Chosen, env: str, least: Mapping[str, float], project: str | Path | None) -> Outcome:
    """Judge a version against its baseline, with further thresholds; the judgement is stored. Raises a `MoatError`."""
    with _opened(project) as opened:
        suite, evaluating = opened.suite(name), opened.evaluating
        version = opened.version(suite, chosen["prompt"])
        if chosen.get("baseline"):
            before: PromptVersion | None = opened.version(suite, chosen["baseline"])
        else:
            before = evaluating.baseline(version, env or DEFAULT_ENVIRONMENT)
        check_thresholds(least, [suite])
        measuring = Measuring(opened.project, opened.state, least, _unwatched)
        old = side_of(evaluating, suite, before, release=False) if before else None
        new = side_of(evaluating, suite, version, release=False)
        (found,) = measuring.judge([measuring.measure(new, old)])
        return Outcome(judged_report(opened.project, opened.state, suite, new.evaluation.dataset, found))


@contextmanager
def _unwatched(title: str) -> Iterator[Watch]:
    yield lambda _: None


@contextmanager
def _opened(project: str | Path | None) -> Iterator[_Suites]:
    found = Project.find(Path(project) if project is not None else None)
    with open_state(found) as state:
        yield _Suites(found, state)
