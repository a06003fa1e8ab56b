"""Evaluations of cases, a target and scorers that no project's suite names."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

from moat.adapters.system import SystemClock
from moat.bootstrap.evaluating import Evaluating
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.bootstrap.state import open_state
from moat.bootstrap.suites import Names
from moat.domain.calls import Call, Event
from moat.domain.errors import ConfigError, NotFound
from moat.evals.compare import Measured, compare
from moat.evals.gate import judge
from moat.evals.project_code import find_function
from moat.evals.reports.report import build_report
from moat.evals.runner import execute
from moat.evals.running.budget import RunBudget
from moat.evals.running.evaluation import Evaluation
from moat.evals.running.means import Means
from moat.evals.running.pacing import Pacer
from moat.evals.suites import Gate, Suite
from moat.evals.targets.function import FunctionTarget
from moat.evals.targets.target import Target
from moat.evaluation.given import (
    GivenCases,
    GivenScorer,
    NamedFunction,
    Recorded,
    given_cases,
    given_function,
    given_scorers,
)
from moat.evaluation.memory import MemoryRuns
from moat.evaluation.outcome import Outcome
from moat.pipeline.compose import Next

NAME = "evaluation"


class LooseOptions(TypedDict, total=False):
    """Further keywords of an evaluation without a suite."""

    name: str
    """What it is called in reports."""
    gates: Mapping[str, float] | Iterable[Gate]
    """The least mean of each score, or whole gates."""
    slices: Iterable[str]
    repeats: int
    concurrency: int
    timeout: float
    """Seconds for one answer."""
    budget: int
    """Picodollars that it may cost."""


async def evaluate_loose(
    cases: GivenCases,
    target: str | Callable[..., Any] | Target | None,
    scorers: Iterable[GivenScorer],
    options: LooseOptions,
    *,
    project: str | Path | None = None,
) -> Outcome:
    """Answer and score the cases; nothing is stored. Raises a `MoatError`."""
    dataset = given_cases(cases)
    within = _project(project)
    suite = Suite(
        name=options.get("name", NAME),
        dataset=Path(cases) if isinstance(cases, str | Path) else Path(NAME),
        scorers=given_scorers(scorers),
        gates=_gates(options.get("gates", ())),
        slices=tuple(options.get("slices", ())),
        repeats=options.get("repeats", 1),
        concurrency=options.get("concurrency", 16),
        timeout=options.get("timeout", 60.0),
        budget=options.get("budget"),
    )
    _check_gates(suite)
    suite = suite.pinned(Names(within) if within else _NoNames())
    evaluation = Evaluation(suite=suite, dataset=dataset, target=_target(target, within, dataset.digest))
    clock, runs = SystemClock(), MemoryRuns()
    async with _means(within, suite) as means:
        run = await execute(evaluation.new_run(clock.now_ns()), evaluation, means=means, runs=runs, clock=clock)
    measured = Measured(run, runs.results(run.id))
    wheres = [gate.where for gate in suite.gates if gate.where]
    found = judge(compare(None, measured, dataset, wheres), suite.gates)
    return Outcome(build_report(found, measured, dataset, slice_by=suite.slices, scorers=suite.scorers))


class _NoNames:
    """Implements `moat.evals.scorers.scorer.Named` where there is no project."""

    root = Path.cwd()

    def prompt(self, name: str, version: str) -> Any:
        """There is none."""
        raise _no_project(f"the prompt {name}@{version}")

    def deployments(self, alias: str) -> tuple[str, ...]:
        """There are none."""
        raise _no_project(f"the model {alias!r}")


def _no_project(what: str) -> NotFound:
    remedy = "Run it in a project (a folder with moat.yaml), or name one with `project`."
    return NotFound(f"{what} is looked for in a project, and there is none", remedy=remedy)


def _project(given: str | Path | None) -> Project | None:
    try:
        return Project.find(Path(given) if given is not None else None)
    except NotFound:
        if given is not None:
            raise
        return None


def _gates(given: Mapping[str, float] | Iterable[Gate]) -> tuple[Gate, ...]:
    if isinstance(given, Mapping):
        return tuple(Gate(score=name, min=least) for name, least in given.items())
    return tuple(given)


def _check_gates(suite: Suite) -> None:
    names = [scorer.name for scorer in suite.scorers]
    for gate in suite.gates:
        if gate.score not in names:
            raise ConfigError(
                f"no score is called {gate.score!r}", where="gates", remedy=f"Scores: {', '.join(names)}."
            )


def _target(given: str | Callable[..., Any] | Target | None, project: Project | None, cases_digest: str) -> Target:
    if given is None:
        return Recorded(digest=cases_digest)
    if isinstance(given, str):
        root = Path.cwd()
        if project is not None and not Path(given.rpartition(":")[0]).is_file():
            root = project.root
        found = find_function(given, root, "target")
        return FunctionTarget(source=NamedFunction(spec=found.spec, root=found.root, digest=found.digest))
    if callable(given):
        return FunctionTarget(source=given_function(given))
    if isinstance(given, Target):
        return given
    raise ConfigError("the target is no function", where="target", remedy="Give one, or `path.py:function`.")


@asynccontextmanager
async def _means(project: Project | None, suite: Suite) -> AsyncIterator[Means]:
    budget, pacer = RunBudget(suite.budget), Pacer(suite.concurrency)
    async with AsyncExitStack() as stack:
        ask: Next = _refuse
        if project is not None:
            state = stack.enter_context(open_state(project))
            evaluating = Evaluating(project, state, environment())
            ask = await stack.enter_async_context(evaluating.pipeline(None, budget, pacer))
        yield Means(ask, budget, pacer)


def _refuse(call: Call) -> AsyncGenerator[Event, None]:
    raise _no_project(f"the model {call.model!r}")
