"""The outcome of a gate as findings in files, for annotations and code scanners."""

from collections.abc import Iterator

from moat.evals.gating.outcome import Costed, Evaluated, Outcome, subject
from moat.prompts.problems import Problem, Severity

RULES = {
    "gate-regressed": "A gate of a suite found this version worse than what it would replace.",
    "gate-inconclusive": "The cases of a suite do not decide whether this version holds.",
    "golden-case": "A case that must stay right is wrong.",
    "cost-increase": "A request costs more than the gate allows.",
    "not-evaluated": "An evaluation could not be run.",
    "weakened-suite": "A suite or a gate that was there before is gone, demands less, or measures otherwise.",
    "committed-state": "The state of a project is in git: stored runs would be believed that nobody made.",
    "duplicate-cases": "A dataset that changed has cases that say the same.",
}
"""What each finding is about."""


def findings(outcome: Outcome) -> list[Problem]:
    """Those of lint, and one for each gate, golden case and cost that does not hold."""
    found = list(outcome.lint.problems) if outcome.lint is not None else []
    for evaluated in outcome.evaluated:
        found += _gates(evaluated)
    for cost in outcome.costs:
        found += _cost(cost)
    found += [Problem(rule="not-evaluated", severity="warning", path="evals", message=why) for why in outcome.failures]
    found += [Problem(rule="weakened-suite", severity="warning", path="evals", message=why) for why in outcome.weakened]
    return found


def _gates(evaluated: Evaluated) -> Iterator[Problem]:
    what = f"{subject(evaluated)} in {evaluated.pair.suite}"
    for result in evaluated.report.gates:
        if result.verdict == "pass":
            continue
        blocked = result.verdict == "regressed"
        severity: Severity = "error" if blocked else "warning"
        yield Problem(
            rule="gate-regressed" if blocked else "gate-inconclusive",
            severity=severity,
            path=evaluated.path,
            line=1,
            message=f"{what}: {result.gate.score}: {result.reason}",
            remedy=f"{result.way_out[0].upper()}{result.way_out[1:]}." if result.way_out else "",
        )
    lost = [(loss.case, loss.score) for r in evaluated.report.gates for loss in r.golden if loss.failed]
    for case, score in dict.fromkeys(lost):
        message = f"{what}: golden case {case} fails {score}"
        yield Problem(rule="golden-case", path=evaluated.path, line=1, message=message)


def _cost(cost: Costed) -> Iterator[Problem]:
    if cost.verdict == "pass":
        return
    increase = cost.estimate.increase
    by = f"{increase:+.1%}" if increase is not None else "by an unknown share"
    yield Problem(
        rule="cost-increase",
        severity="error" if cost.verdict == "regressed" else "warning",
        path=cost.path,
        line=1,
        message=f"a request of {cost.estimate.candidate.prompt} costs {by}; the limit is +{cost.limit_percent:g} %",
    )
