"""What is evaluated on what, and which stored runs are of exactly that."""

import difflib
from collections.abc import Sequence

import msgspec

from moat.domain.calls import new_id
from moat.domain.errors import ConflictError, DatasetError
from moat.domain.releases import PromptVersion
from moat.domain.scores import Run
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.suites import Suite
from moat.evals.targets.target import Target
from moat.ports.runs import Runs

_CONTENT = ("suite_digest", "dataset_digest", "prompt_digest", "model", "deployments", "behind", "policies")
"""Fields of a run that say what was evaluated on what."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A suite, its cases, and who answers them."""

    suite: Suite
    dataset: Dataset
    """As far as it is asked: a split, or some cases, of the suite's."""
    target: Target
    prompt: PromptVersion | None = None
    """The version that answers; None when something else does."""
    alias: str = ""
    """The model alias that answers; empty when no model of moat.yaml does."""
    deployments: tuple[str, ...] = ()
    """`provider/model` of everything behind the alias."""
    behind: str = ""
    """Digest of how those are set up, and of who plays the users of cases."""
    policies: tuple[str, ...] = ()
    """`name@digest` of the guard policies that its calls run under."""
    settled: bool = True
    """False: the target may answer otherwise tomorrow without being another (a service), so that a stored run says
    nothing of today."""

    def new_run(self, created_ns: int, *, commit: str = "", author: str = "") -> Run:
        """A run of this that has not begun."""
        return Run(
            id=new_id("run"),
            suite=self.suite.name,
            suite_digest=self.suite.digest,
            dataset_digest=self.dataset.digest,
            prompt=self.prompt.name if self.prompt else "",
            version=self.prompt.version if self.prompt else "",
            prompt_digest=self.target.digest,
            model=self.alias,
            deployments=self.deployments,
            behind=self.behind,
            policies=self.policies,
            cases=len(self.dataset.cases),
            repeats=self.suite.repeats,
            least=self.suite.least,
            created_ns=created_ns,
            commit=commit,
            author=author,
            target="" if self.prompt else self.target.name,
            split=self.suite.split,
        )

    def check(self, run: Run) -> None:
        """Raise `ConflictError` unless a run is of exactly this."""
        same = self.new_run(0)
        if run.suite != same.suite:
            raise ConflictError(f"this is a run of the suite {run.suite!r}", where=run.id, remedy="Start a new run.")
        for what in (*_CONTENT, "cases"):
            if getattr(run, what) != getattr(same, what):
                names = {
                    "behind": "model",
                    "prompt_digest": "prompt" if self.prompt else "target",
                    "policies": "set of guard policies",
                }
                changed = names.get(what, what.partition("_")[0])
                raise ConflictError(
                    f"the {changed} changed since this run was started", where=run.id, remedy="Start a new run."
                )

    def stored(self, runs: Runs) -> list[Run]:
        """Stored runs of exactly this, newest first. What other deployments answered under the same alias, or the same
        ones at another address, by other rules or under other guards, proves nothing. Another suite's are its own, with
        its own gates, however equal the two may be.
        """
        found = runs.find(
            suite_digest=self.suite.digest,
            dataset_digest=self.dataset.digest,
            prompt_digest=self.target.digest,
            model=self.alias,
        )
        mine = self.suite.name, self.deployments, self.behind, self.policies
        return [run for run in found if (run.suite, run.deployments, run.behind, run.policies) == mine]

    def find_run(self, runs: Runs) -> Run | None:
        """The newest, finished or to be resumed: whoever asked anew, and was cut off, does not want the answers before
        those. One that was stopped comes last. Of a target that is not settled none, however far it came: half of a
        run would be of another target than the other half.
        """
        found = self.stored(runs) if self.settled else []
        whole = (run for run in found if run.status != "stopped")
        return next(whole, None) or next(iter(found), None)


def narrowed(evaluation: Evaluation, cases: Sequence[str] = (), limit: int = 0) -> Evaluation:
    """Only these cases, or the first few: a run of its own, since its data are others.

    Raises `DatasetError` for a case that there is not.
    """
    chosen = list(evaluation.dataset.cases)
    if cases:
        known = {case.id: case for case in chosen}
        for name in cases:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                remedy = f"Did you mean {close[0]!r}?" if close else ""
                raise DatasetError(f"there is no case {name!r}", where=evaluation.suite.name, remedy=remedy)
        chosen = [known[name] for name in dict.fromkeys(cases)]
    chosen = chosen[: limit or None]
    if len(chosen) == len(evaluation.dataset.cases):
        return evaluation
    return msgspec.structs.replace(evaluation, dataset=Dataset(tuple(chosen), dataset_digest(chosen)))
