"""What the management API shows of evaluations. All of evals is loaded when it is first asked: a server that nobody
asks does without.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from moat.bootstrap.project import Project
from moat.bootstrap.state import State
from moat.ports.eval_views import CasesWanted, ResultsWanted, RunComparison, RunDetail, RunResults
from moat.ports.evaluations import CaseProposed, DatasetInfo, JudgeStanding, NewCase, PlanWanted, PowerPlan, SuiteInfo
from moat.ports.traces import TraceReader
from moat.prompts.catalog import Catalog

if TYPE_CHECKING:
    from moat.bootstrap.eval_listing import EvalListing, Shelf
    from moat.bootstrap.eval_reading import EvalReading, LastMade
    from moat.bootstrap.evaluating import Evaluating


class ProjectEvaluations:
    """Implements `moat.ports.evaluations.Evaluations` on a project. Each question reads the files as they are, one
    question at a time: statistics over thousands of cases take their time, and the server has calls to answer.
    """

    def __init__(
        self,
        root: Path,
        catalog: Callable[[], Catalog | None],
        state: State,
        traces: TraceReader,
        environ: Mapping[str, str],
    ) -> None:
        """`catalog`: one that was loaded before, if there is one."""
        self._root = root
        self._catalog = catalog
        self._state = state
        self._traces = traces
        self._environ = environ
        self._alone = Lock()

    def detail(self, run_id: str, slice_by: tuple[str, ...]) -> RunDetail:
        """Everything about a run but its answers."""
        with self._alone:
            return self._reading().detail(run_id, slice_by)

    def results(self, run_id: str, wanted: ResultsWanted, limit: int) -> RunResults:
        """Its answers."""
        with self._alone:
            return self._reading().results(run_id, wanted, limit)

    def compare(self, run_id: str, baseline_id: str, wanted: CasesWanted, limit: int) -> RunComparison:
        """Two runs."""
        with self._alone:
            return self._reading().compare(run_id, baseline_id, wanted, limit)

    def suites(self) -> list[SuiteInfo]:
        """By name."""
        with self._alone:
            return self._listing(self._project()).suites()

    def datasets(self) -> list[DatasetInfo]:
        """By path."""
        with self._alone:
            return self._listing(self._project()).datasets()

    def plan(self, wanted: PlanWanted) -> PowerPlan:
        """How many cases a question needs."""
        from moat.bootstrap.planning import plan_stored
        from moat.evals.planning import Question, parse_points
        from moat.evals.power_curve import power_plan

        question = Question(
            detect=parse_points(wanted.detect),
            power=wanted.power,
            alpha=wanted.alpha,
            repeats=wanted.repeats,
            pass_rate=wanted.pass_rate,
        )
        with self._alone:
            return power_plan(plan_stored(self._project(), self._state.runs, wanted.suite, question), wanted.cases)

    def judges(self) -> list[JudgeStanding]:
        """Whether they may be believed."""
        from moat.bootstrap.calibrating import Calibrating

        with self._alone:
            project = self._project()
            calibrating = Calibrating(project, self._state, self._evaluating(project), self._environ)
            return self._listing(project).judges(calibrating)

    def propose(self, dataset: str, new: NewCase, actor: str) -> CaseProposed:
        """Take a recorded call into a dataset, or its proposals."""
        from moat.bootstrap.case_proposals import CaseProposals

        with self._alone:
            return CaseProposals(self._project(), self._state, self._traces).propose(dataset, new, actor)

    def _project(self) -> Project:
        return Project(self._root, self._catalog())

    def _evaluating(self, project: Project) -> "Evaluating":
        from moat.bootstrap.evaluating import Evaluating

        return Evaluating(project, self._state, self._environ)

    def _reading(self) -> "EvalReading":
        from moat.bootstrap.eval_reading import EvalReading

        project = self._project()
        return EvalReading(project, self._state.runs, self._evaluating(project), self._last)

    def _listing(self, project: Project) -> "EvalListing":
        from moat.bootstrap.eval_listing import EvalListing

        return EvalListing(project, self._state.runs, self._shelf)

    @cached_property
    def _last(self) -> "LastMade":
        from moat.bootstrap.eval_reading import LastMade

        return LastMade()

    @cached_property
    def _shelf(self) -> "Shelf":
        from moat.bootstrap.eval_listing import Shelf

        return Shelf()
