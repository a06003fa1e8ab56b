"""What a gate over a whole change came to: one object, of which every output is made."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from moat.domain.scores import Run, Verdict
from moat.evals.compare import Comparison
from moat.evals.gate import GateReport, overall
from moat.evals.gating.plan import Change, Pair
from moat.evals.reports.report import Mark
from moat.prompts.problems import Problem
from moat.spend.estimate import Estimate

StepName = Literal["lint", "evals", "cost"]


class Lint(msgspec.Struct, frozen=True, kw_only=True):
    """What the files say by themselves, the lock of the datasets included."""

    verdict: Verdict
    problems: tuple[Problem, ...] = ()


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """One suite on what changed."""

    pair: Pair
    report: GateReport
    path: str = ""
    """The file of the candidate, else of the suite; relative to the project."""
    reused: tuple[str, ...] = ()
    """Runs that were stored before, and not asked again."""
    marks: dict[str, Mark] = {}
    """What is known of judges, by score."""

    @property
    def verdict(self) -> Verdict:
        """Of its gates."""
        return self.report.verdict


class Costed(msgspec.Struct, frozen=True, kw_only=True):
    """What a changed prompt will cost, against the most that is allowed."""

    estimate: Estimate
    limit_percent: float | None = None
    """The most that a request may cost more; None: nothing was demanded."""
    verdict: Verdict
    path: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a gate found."""

    base: str = ""
    """Commit that everything is compared with; empty when there is none."""
    base_name: str = ""
    """As it was asked for: `origin/main`."""
    commit: str = ""
    """What is judged; with a `+` when files were edited since."""
    changes: tuple[Change, ...] = ()
    lint: Lint | None = None
    evaluated: tuple[Evaluated, ...] = ()
    costs: tuple[Costed, ...] = ()
    notes: tuple[str, ...] = ()
    """What else a reader must know: versions that were not judged, prompts without a suite, what could not be read."""
    failures: tuple[str, ...] = ()
    """Evaluations that could not be run, and why."""
    weakened: tuple[str, ...] = ()
    """What the change takes away from suites and gates, or measures otherwise: for people to decide."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all steps. What could not be evaluated is inconclusive, and so is a change to less."""
        found: list[Verdict] = [step.verdict for step in self.steps]
        return overall([*found, "inconclusive"] if self.failures or self.weakened else found)

    @property
    def steps(self) -> Sequence["Lint | Evaluated | Costed"]:
        """Everything that has a verdict, in the order in which it was found."""
        return [*([self.lint] if self.lint is not None else []), *self.evaluated, *self.costs]

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.lint is not None and self.lint.verdict == "regressed":
            return "The files have errors; nothing was evaluated."
        worst = self.verdict
        if worst == "pass":
            return "Everything that changed holds." if self.evaluated else "Nothing changed that a suite evaluates."
        named = [f"{subject(each)} in {each.pair.suite}" for each in self.evaluated if each.verdict == worst]
        named += [f"cost of {each.estimate.candidate.prompt}" for each in self.costs if each.verdict == worst]
        if worst == "inconclusive" and self.failures:
            named += [f"{len(self.failures)} evaluations that could not be run"]
        if worst == "inconclusive" and self.weakened:
            named += [f"{len(self.weakened)} demands or measures that this change takes away or alters"]
        return f"{'Worse' if worst == 'regressed' else 'Not decided'}: {', '.join(named)}."


def subject(evaluated: Evaluated) -> str:
    """What answered: `support/answer@1.1.0`, or the target's own name."""
    return answering(evaluated.report.comparison.candidate)


def answering(run: Run) -> str:
    """What answered in a run, as people know it."""
    return f"{run.prompt}@{run.version}" if run.prompt else run.target or run.suite


def against(comparison: Comparison) -> str:
    """What a candidate was compared with: the version, or the same target as it was at a commit; `nothing`."""
    run = comparison.baseline
    if run is None:
        return "nothing"
    return run.version or f"{answering(run)}{f' at {run.commit[:12]}' if run.commit else ''}"
