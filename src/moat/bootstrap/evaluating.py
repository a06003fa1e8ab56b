"""Evaluations of a project: suites, data, prompts and stored runs brought together on the one pipeline."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property

from msgspec.structs import replace

from moat.adapters.system import SystemClock
from moat.bootstrap.background import BackgroundTasks
from moat.bootstrap.models import ProviderShelf, all_targets
from moat.bootstrap.project import Project
from moat.bootstrap.suites import load_suites, shown, unknown_required
from moat.bootstrap.wiring import Standing, State, pipeline_ports
from moat.domain.config import Config
from moat.domain.errors import NotFound
from moat.domain.releases import PromptRef, PromptVersion, digest, prompt_digest
from moat.domain.scores import Judgement, Run
from moat.evals.compare import Comparison, Measured, compare
from moat.evals.datasets import load_dataset
from moat.evals.gate import GateReport, judge
from moat.evals.runner import Progress, Target, execute
from moat.evals.suites import Suite
from moat.pipeline.compose import Next
from moat.pipeline.recipe import build
from moat.ports.prompts import Resolution
from moat.prompts.catalog import Catalog
from moat.prompts.rollouts import settled
from moat.prompts.templates import JinjaRenderer
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

    def shadow(self, ref: PromptRef, sticky: str) -> str:
        """None: an evaluation asks for what it wants to know."""
        return ""


def deployments(config: Config, alias: str) -> tuple[str, ...]:
    """What a model alias means: `provider/model` as written, its rules' included; nothing for an unknown one."""
    return tuple(all_targets(config.models[alias])) if alias in config.models else ()


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
        target = Target(suite=suite, dataset=dataset, prompt=prompt, model=model)
        return replace(target, deployments=deployments(self._project.settings.config, target.alias))

    async def run(self, target: Target, *, fresh: bool, watch: Watch) -> Run:
        """The stored run of exactly this target when it is finished; else it is run, or resumed."""
        known = None if fresh else target.find_run(self._state.runs)
        if known is not None and known.status == "finished":
            return known
        clock = SystemClock()
        repository = self._project.repository
        run = known or target.new_run(clock.now_ns(), commit=repository.commit(), author=self._project.author)
        async with self.pipeline(target.prompt) as ask:
            return await execute(run, target, ask=ask, runs=self._state.runs, clock=clock, progress=watch)

    @asynccontextmanager
    async def pipeline(self, prompt: PromptVersion) -> AsyncIterator[Next]:
        """The pipeline for a while, with this version in the place of what is served under its number."""
        shelf = ProviderShelf(self._environ, self._state.hosts)
        with self._spool() as spool:
            catalog = self._project.catalog
            prompts, renderer = UnderTest(prompt, catalog), JinjaRenderer(where=catalog.where)
            background = BackgroundTasks()  # nothing comes there: an evaluation has no shadows
            standing = Standing(self._environ, shelf, spool, background)
            ports = pipeline_ports(self._project.settings, prompts, renderer, standing)
            try:
                yield build(ports)
            finally:
                await shelf.aclose()

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
        runs = [run for run in target.stored(self._state.runs) if run.status == "finished"]
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
        catalog = self._project.catalog
        for version in catalog.versions(prompt.name) if prompt.name in catalog.names() else ():
            if version == prompt.version:
                break
            earlier = self._project.catalog.get(prompt.name, version)
            if prompt_digest(earlier) != prompt_digest(prompt) and not self._blocked(earlier, standing):
                standing = earlier
        return standing

    def served(self, prompt: str, environment: str) -> PromptVersion | None:
        """What an environment serves everybody, or did until the rollout under way began; as it was released."""
        release = settled(self._state.releases.history(prompt, environment))
        return self._state.releases.get(release).content if release else None

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
