"""Evaluations of a project: suites, data, prompts and stored runs brought together on the one pipeline."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from moat.adapters.system import SystemClock
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.wiring import State, pipeline_ports
from moat.domain.errors import NotFound
from moat.domain.releases import PromptRef, PromptVersion
from moat.domain.scores import Run
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import load_dataset
from moat.evals.gate import GateReport, judge
from moat.evals.runner import Progress, Target, execute
from moat.evals.suites import Suite, load_suites
from moat.pipeline.recipe import build
from moat.ports.prompts import Resolution
from moat.prompts.catalog import Catalog
from moat.telemetry.spool import SegmentSpool

Watch = Callable[[Progress], None]


class UnderTest:
    """Implements `moat.ports.prompts.Prompts` for one evaluation.

    The version under test is what was read for it, whatever any environment serves under the same number.
    """

    def __init__(self, prompt: PromptVersion, catalog: Catalog) -> None:
        self._prompt = prompt
        self._catalog = catalog

    def resolve(self, ref: PromptRef, sticky: str) -> Resolution:
        """The version under test, or another exact one."""
        if (ref.name, ref.version) == (self._prompt.name, self._prompt.version):
            return Resolution(self._prompt, None)
        return Resolution(self._catalog.get(ref.name, ref.version), None)


class Evaluating:
    """Runs suites and judges versions. Calls are recorded like any other: the spool takes them."""

    def __init__(self, project: Project, state: State, environ: Mapping[str, str]) -> None:
        self._project = project
        self._state = state
        self._environ = environ

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """All suites of the project by name."""
        return load_suites(self._project.root / "evals")

    def suites_of(self, prompt: str, names: list[str]) -> list[Suite]:
        """The named suites, or all that cover a prompt. Raises `NotFound`."""
        for name in names:
            if name not in self.suites:
                raise NotFound(f"there is no suite {name!r}", remedy=f"Suites: {', '.join(self.suites) or 'none'}.")
        chosen = [self.suites[name] for name in names] or list(self.suites.values())
        found = [suite for suite in chosen if suite.prompt == prompt]
        if not found:
            which = f"none of {', '.join(names)}" if names else "no suite in evals/"
            raise NotFound(f"{which} covers {prompt!r}", remedy=f"Write evals/<suite>.yaml with `prompt: {prompt}`.")
        return found

    def target(self, suite: Suite, prompt: PromptVersion, model: str = "") -> Target:
        """A suite on a version."""
        name = str(suite.dataset.relative_to(self._project.root)) if suite.dataset.is_absolute() else ""
        return Target(suite=suite, dataset=load_dataset(suite.dataset, name=name), prompt=prompt, model=model)

    async def run(self, target: Target, *, fresh: bool, watch: Watch) -> Run:
        """The stored run of exactly this target when it is finished; else it is run, or resumed."""
        known = None if fresh else target.find_run(self._state.runs)
        if known is not None and known.status == "finished":
            return known
        clock = SystemClock()
        repository = self._project.repository
        run = known or target.new_run(clock.now_ns(), commit=repository.commit(), author=self._project.author)
        shelf = ProviderShelf(self._environ)
        with self._spool() as spool:
            prompts = UnderTest(target.prompt, self._project.catalog)
            ports = pipeline_ports(self._project.settings, prompts, spool, shelf, self._environ)
            try:
                return await execute(run, target, ask=build(ports), runs=self._state.runs, clock=clock, progress=watch)
            finally:
                await shelf.aclose()

    def compare(self, target: Target, candidate: Run, baseline: Run | None) -> Comparison:
        """Case by case."""
        return compare(self._measured(baseline) if baseline else None, self._measured(candidate), target.dataset)

    def judge(self, target: Target, candidate: Run, baseline: Run | None) -> GateReport:
        """The suite's gates; the verdict is stored with the candidate's run."""
        report = judge(self.compare(target, candidate, baseline), target.suite.gates)
        self._state.runs.judge(candidate.id, report.verdict)
        return report

    def baseline_version(self, prompt: PromptVersion, asked: str) -> PromptVersion | None:
        """What a candidate is compared with; None when there is nothing.

        The version asked for, else what production serves, else the newest earlier one that no gate blocked.
        """
        catalog = self._project.catalog
        if asked:
            return catalog.get(prompt.name, asked)
        releases = {release.id: release for release in self._state.releases.releases(prompt.name)}
        for assignment in self._state.releases.current():
            if assignment.environment == "production" and assignment.prompt == prompt.name:
                return releases[assignment.arms[0].release].content
        versions = catalog.versions(prompt.name)
        earlier = versions[: versions.index(prompt.version)]
        blocked = {
            run.version for run in self._state.runs.runs(prompt=prompt.name, limit=1000) if run.verdict == "regressed"
        }
        good = [version for version in earlier if version not in blocked]
        return catalog.get(prompt.name, good[-1]) if good else None

    def _measured(self, run: Run) -> Measured:
        return Measured(run, self._state.runs.results(run.id))

    @contextmanager
    def _spool(self) -> Iterator[SegmentSpool]:
        telemetry = self._project.settings.config.telemetry
        spool = SegmentSpool(self._project.spool_path, fsync=telemetry.fsync, interval=telemetry.fsync_interval)
        spool.open()
        try:
            yield spool
        finally:
            spool.close()
