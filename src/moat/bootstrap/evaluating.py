"""Evaluations of a project: suites, data, prompts and stored runs brought together on the one pipeline."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from moat.adapters.system import SystemClock
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.suites import load_suites, shown, unknown_required
from moat.bootstrap.wiring import State, pipeline_ports
from moat.domain.errors import NotFound
from moat.domain.releases import PromptRef, PromptVersion, digest, prompt_digest
from moat.domain.scores import Judgement, Run
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import load_dataset
from moat.evals.gate import GateReport, judge
from moat.evals.runner import Progress, Target, execute
from moat.evals.suites import Suite
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


def baseline_digest(baseline: PromptVersion | None) -> str:
    """As judgements name it: empty when there is none."""
    return prompt_digest(baseline) if baseline is not None else ""


class Evaluating:
    """Runs suites and judges versions. Calls are recorded like any other: the spool takes them."""

    def __init__(self, project: Project, state: State, environ: Mapping[str, str]) -> None:
        self._project = project
        self._state = state
        self._environ = environ

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """All suites of the project by name."""
        return load_suites(self._project.root)

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

    def required(self, prompt: str, environment: str) -> list[Suite]:
        """The suites an environment requires of a prompt: those of its list that cover it.

        Raises `ConfigError` when moat.yaml requires a suite that there is not.
        """
        settings = self._project.settings
        for error in unknown_required(settings, self.suites):
            raise error
        names = settings.config.environments[environment].require
        return [self.suites[name] for name in names if self.suites[name].prompt == prompt]

    def target(self, suite: Suite, prompt: PromptVersion, model: str = "") -> Target:
        """A suite on a version."""
        dataset = load_dataset(suite.dataset, name=shown(suite.dataset, self._project.root))
        return Target(suite=suite, dataset=dataset, prompt=prompt, model=model)

    async def run(self, target: Target, *, fresh: bool, watch: Watch) -> Run:
        """The stored run of exactly this target when it is finished; else it is run, or resumed."""
        known = None if fresh else target.find_run(self._state.runs)
        if known is not None and not self._still_answers(known):
            known = None
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

    def _still_answers(self, run: Run) -> bool:
        """Would the providers that answered a run answer it now? What `simulated` said proves nothing of a real model
        that has taken its alias.
        """
        model = self._project.settings.config.models.get(run.model)
        behind = {use.partition("/")[0] for use in model.use} if model else set()
        return {name for name in run.provider.split(", ") if name} <= behind

    def compare(self, target: Target, candidate: Run, baseline: Run | None) -> Comparison:
        """Case by case."""
        return compare(self._measured(baseline) if baseline else None, self._measured(candidate), target.dataset)

    def judge(self, target: Target, candidate: Run, baseline: Run | None) -> GateReport:
        """The suite's gates. What they find is stored, unless both are the same: then nothing was compared."""
        comparison = self.compare(target, candidate, baseline)
        report = judge(comparison, target.suite.gates)
        if not comparison.identical:
            judgement = Judgement(
                run=candidate.id,
                gates_digest=digest(target.suite.gates),
                baseline=baseline.prompt_digest if baseline else "",
                verdict=report.verdict,
                created_ns=time.time_ns(),
            )
            self._state.runs.judge(judgement)
        return report

    def judged(self, target: Target, baseline: PromptVersion | None) -> tuple[Run, Judgement | None] | None:
        """A finished run of exactly this target, and what its gates as they are now found.

        The newest judgement against the baseline, else the newest against another, else the newest run without
        one; None when there is no run.
        """
        found = self._state.runs.find(
            suite_digest=target.suite.digest,
            dataset_digest=target.dataset.digest,
            prompt_digest=prompt_digest(target.prompt),
            model=target.alias,
        )
        runs = [run for run in found if run.status == "finished" and self._still_answers(run)]
        gates = digest(target.suite.gates)
        pairs = [(run, j) for run in runs for j in self._state.runs.judgements(run.id) if j.gates_digest == gates]
        if pairs:
            return max(pairs, key=lambda pair: (pair[1].baseline == baseline_digest(baseline), pair[1].created_ns))
        return (runs[0], None) if runs else None

    def baseline(self, prompt: PromptVersion, environment: str) -> PromptVersion | None:
        """What a version must be compared with before the environment may serve it; None when there is nothing.

        What it serves now, else the newest earlier version that no gate blocked.
        """
        served = self.served(prompt.name, environment)
        if served is not None:
            return served
        standing: PromptVersion | None = None
        for version in self._project.catalog.versions(prompt.name):
            if version == prompt.version:
                break
            earlier = self._project.catalog.get(prompt.name, version)
            if prompt_digest(earlier) != prompt_digest(prompt) and not self._blocked(earlier, standing):
                standing = earlier
        return standing

    def served(self, prompt: str, environment: str) -> PromptVersion | None:
        """What an environment serves now, as it was released."""
        for assignment in self._state.releases.current():
            if (assignment.prompt, assignment.environment) == (prompt, environment):
                return self._state.releases.get(assignment.arms[0].release).content
        return None

    def _blocked(self, prompt: PromptVersion, baseline: PromptVersion | None) -> bool:
        """Did a suite's gates find this content worse than the baseline, the last time they compared the two?"""
        runs = self._state.runs.runs(prompt=prompt.name, limit=1000)
        found = [
            (judgement.created_ns, run.suite, judgement.verdict)
            for run in runs
            if run.verdict and run.prompt_digest == prompt_digest(prompt)
            for judgement in self._state.runs.judgements(run.id)
            if judgement.baseline == baseline_digest(baseline)
        ]
        return "regressed" in {suite: verdict for _, suite, verdict in sorted(found)}.values()

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
