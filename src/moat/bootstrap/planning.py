"""Plans of a project's suites, from its files and its stored runs."""

from moat.bootstrap.project import Project
from moat.bootstrap.suite_files import suite_files
from moat.bootstrap.suites import shown
from moat.domain.errors import NotFound
from moat.evals.datasets import load_dataset, select
from moat.evals.planning import Demand, Past, Question, SuitePlan, history, plan
from moat.evals.suites import load_suite
from moat.ports.runs import Runs

RUNS = 200
"""So many of the newest runs are looked through."""


def plan_stored(project: Project, runs: Runs, suite: str, question: Question) -> SuitePlan:
    """What a suite sees now, and what it takes to see what is asked for. Raises `NotFound` when there is no such suite,
    and what is wrong with it or its data.
    """
    demand = _demand(project, suite)
    found = history(runs.runs(suite=suite, limit=RUNS))
    pasts = [Past(run, runs.scored(run.id)) for run in found or () if run is not None]
    return plan(demand, question, *pasts)


def _demand(project: Project, name: str) -> Demand:
    files = suite_files(project.root)
    if name not in files:
        raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(files) or 'none'}.")
    suite = load_suite(files[name], name=shown(files[name], project.root))
    whole = load_dataset(suite.dataset, name=shown(suite.dataset, project.root))
    dataset = select(whole, suite.split, open_held_out=True)  # its cases are counted, none is asked
    margins = {gate.score: gate.margin for gate in suite.gates if not gate.where}
    return Demand(
        name=name,
        cases=dataset.cases,
        repeats=suite.least + 1 if suite.least else suite.repeats,
        scores=margins or {scorer.name: None for scorer in suite.scorers},
    )
