"""What a stored run is compared with when nobody says."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.domain.errors import InputError, NotFound
from moat.domain.releases import PromptVersion, digest, prompt_digest
from moat.domain.scores import DRAFT, Run
from moat.evals.suites import Suite
from moat.gateway.admission import DEFAULT_ENVIRONMENT
from moat.ports.eval_views import Chosen, RunJudgement
from moat.ports.runs import Runs

EARLIER = 1000
"""So many of a suite's newest runs are looked through."""


class Beside(NamedTuple):
    """The baseline, if there is one."""

    run: Run | None
    chosen: Chosen
    missing: str = ""
    """Why there is none."""


class Baselines:
    """Finds the stored runs that gates compare with."""

    def __init__(self, project: Project, runs: Runs, evaluating: Evaluating) -> None:
        self._project = project
        self._runs = runs
        self._evaluating = evaluating

    def beside(self, run: Run) -> Beside:
        """What a gate judged the run against last, else what one would take for production now; for a draft, which no
        gate judges, what production serves.
        """
        others = self._comparable(run)
        for judgement in self._runs.judgements(run.id):
            if judgement.baseline and (found := _newest(others, judgement.baseline)):
                return Beside(found, "judged")
        if not run.prompt:
            return Beside(None, "none", "No gate has compared this run: `moat gate` runs the target of the merge base.")
        version = self._version(run)
        if version is not None:
            return self._of_gate(run, version, others)
        if run.commit == DRAFT:
            return self._of_draft(run, others)
        return Beside(None, "none", f"{run.prompt}@{run.version} is not what it was when it ran: name a baseline.")

    def _of_gate(self, run: Run, version: PromptVersion, others: Iterable[Run]) -> Beside:
        baseline = self._evaluating.baseline(version, DEFAULT_ENVIRONMENT)
        if baseline is None:
            what = f"{DEFAULT_ENVIRONMENT} serves no release of {run.prompt}, and it has no earlier version"
            return Beside(None, "first", f"Nothing to compare with: {what}.")
        if found := _newest(others, prompt_digest(baseline)):
            return Beside(found, "gate")
        again = f"moat gate {version.id} --suite {run.suite}"
        return Beside(None, "none", f"{baseline.id}, which the gate compares with, has no such run: `{again}`.")

    def _of_draft(self, run: Run, others: Iterable[Run]) -> Beside:
        """The playground compares with it too; no file has the draft any more, and none is needed."""
        served = self._evaluating.served(run.prompt, DEFAULT_ENVIRONMENT)
        if served is None:
            return Beside(
                None, "first", f"Nothing to compare with: {DEFAULT_ENVIRONMENT} serves no release of {run.prompt}."
            )
        if found := _newest(others, prompt_digest(served)):
            return Beside(found, "served")
        again = f"moat eval run {served.id} --suite {run.suite}"
        return Beside(None, "none", f"{served.id}, which {DEFAULT_ENVIRONMENT} serves, has no such run: `{again}`.")

    def judgements(self, run: Run, suite: Callable[[], Suite | None]) -> tuple[RunJudgement, ...]:
        """All stored verdicts of a run, newest first, with the runs that they were against."""
        stored = self._runs.judgements(run.id)
        if not stored:
            return ()
        others, known = self._comparable(run), suite()
        gates = digest(known.gates) if known is not None else ""
        against = [_newest(others, judgement.baseline) for judgement in stored]
        return tuple(
            RunJudgement(
                judgement=judgement,
                current=judgement.gates_digest == gates,
                baseline_run=other.id if other is not None else "",
                baseline_version=other.version if other is not None else "",
            )
            for judgement, other in zip(stored, against, strict=True)
        )

    def _comparable(self, run: Run) -> list[Run]:
        """Other runs of its suite on the same data by the same scorers, newest first."""
        same = run.suite_digest, run.dataset_digest
        return [
            other
            for other in self._runs.runs(suite=run.suite, limit=EARLIER)
            if other.id != run.id
            and (other.suite_digest, other.dataset_digest) == same
            and (other.status == "finished" or (other.status == run.status == "stopped"))
        ]

    def _version(self, run: Run) -> PromptVersion | None:
        """What answered, when the project's files have it still."""
        with suppress(NotFound, InputError):
            found = self._project.catalog.get(run.prompt, run.version)
            return found if prompt_digest(found) == run.prompt_digest else None
        return None


def _newest(runs: Iterable[Run], prompt: str) -> Run | None:
    return next((run for run in runs if prompt and run.prompt_digest == prompt), None)
